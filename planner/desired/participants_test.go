package desired_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
)

func buildReal(src string) (*desired.Result, hcl.Diagnostics) {
	types := realTypes()
	m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: map[string][]byte{"main.flo.hcl": []byte(src)}})
	if diags.HasErrors() {
		return nil, diags
	}
	return desired.Build(m, desired.Env{Types: types, Dir: "."})
}

// system draws participants that refer to each other, blocks that declare what
// some of their ports are carried by or refer to it, and graphs.
func system(t *rapid.T) []string {
	n := rapid.IntRange(1, 5).Draw(t, "n")
	pick := func(label string) int { return rapid.IntRange(0, n-1).Draw(t, label) }
	maybe := func(label, text string) string {
		if rapid.Bool().Draw(t, label) {
			return text
		}
		return ""
	}
	blocks := []string{
		"broker \"main\" {\n  url = \"amqp://localhost\"\n}\n",
		"component \"Node\" {\n  command = [\"node\", \"a.js\", self.role, self.iips]\n}\n",
		"component \"Cpp\" {\n  command = [\"./a\"]\n  client = \"cpp\"\n  env = {\n    OTHER = participant.p0.in.in.queue\n  }\n}\n",
		"component \"Py\" {\n  command = [\"msgflo-python\", \"a.py\"]\n}\n",
		"component \"Plain\" {\n  command = [\"./b\"]\n  client = \"plain\"\n}\n",
	}
	for i := range n {
		component := rapid.SampledFrom([]string{"component.Node", "component.Cpp", "component.Py", "component.Plain"}).Draw(t, "component")
		p := fmt.Sprintf("participant \"p%d\" {\n  component = %s\n", i, component)
		p += maybe("peer", fmt.Sprintf("  env = {\n    PEER = participant.p%d.out.out.queue\n  }\n", pick("peer")))
		p += maybe("role", fmt.Sprintf("  role = \"r.%d\"\n", i))
		p += maybe("depends", fmt.Sprintf("  depends_on = [queue.q%d]\n", pick("queue")))
		blocks = append(blocks, p+"}\n",
			fmt.Sprintf("queue \"q%d\" {\n%s}\n", i, maybe("dead", fmt.Sprintf("  dead_letter {\n    exchange = participant.p%d.out.out.queue\n  }\n", pick("dead")))),
			fmt.Sprintf("binding \"b%d\" {\n  source = participant.p%d.out.out\n  destination = %s\n  routing_key = \"%d\"\n}\n", i, pick("source"),
				rapid.SampledFrom([]string{"queue.q0", fmt.Sprintf("participant.p%d.in.in", pick("to"))}).Draw(t, "destination"), i),
			fmt.Sprintf("graph \"g%d\" {\n  connection {\n    from = participant.p%d.out.%s\n    to = participant.p%d.in.in\n  }\n%s}\n", i, pick("from"),
				rapid.SampledFrom([]string{"out", "error"}).Draw(t, "port"), pick("end"),
				maybe("graph depends", fmt.Sprintf("  depends_on = [queue.q%d]\n", pick("queue")))),
		)
	}
	return blocks
}

// TestOrderOfParticipants: whatever the order of the blocks, the objects, their
// relations and whether something is wrong are the same; relations lead to
// objects that are there and run in no circle; no address stands for two objects.
func TestOrderOfParticipants(t *testing.T) {
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		a, diagsA, diagsB := inAnyOrder(t, system(t), buildReal)
		if a == nil {
			if x, y := summaries(diagsA), summaries(diagsB); !slices.Equal(x, y) {
				t.Fatalf("%v\nversus\n%v", diagsA, diagsB)
			}
			return
		}
		valid++
		seen := map[addr.Instance]bool{}
		for i := range a.Objects {
			at := a.Objects[i].Addr
			if seen[at] {
				t.Fatalf("two objects have the address %s", at)
			}
			seen[at] = true
			if back, err := addr.Parse(at.String()); err != nil || back != at {
				t.Fatalf("%s does not read back as itself: %v, %v", at, back, err)
			}
		}
	})
	t.Logf("%d valid systems", valid)
	if valid == 0 {
		t.Error("no system that was drawn is valid, so nothing was checked")
	}
}

func summaries(diags hcl.Diagnostics) []string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Summary)
	}
	slices.Sort(out)
	return out
}

// TestSecretsStayInSecretEnv: no secret of a system is in what is shown or recorded
// of a process.
func TestSecretsStayInSecretEnv(t *testing.T) {
	r, diags := buildReal(`
broker "main" {
  url      = "amqp://mq"
  username = "app"
  password = "hunter2"
}
variable "token" {
  sensitive = true
  default   = "hunter2"
}
variable "all" {
  sensitive = true
  default   = { A = "hunter2" }
}
component "A" {
  command = ["node", "a.js"]
  env     = var.all
}
participant "a" {
  component = component.A
  env = {
    TOKEN = var.token
    OPEN  = "yes"
  }
}
`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for i := range r.Objects {
		o := &r.Objects[i]
		for name := range o.Value.Type().AttributeTypes() {
			if name != "secret_env" && strings.Contains(show(o.Value.GetAttr(name)), secretWord) {
				t.Errorf("%s: %s has a secret", o.Addr, name)
			}
		}
	}
}

// FuzzParticipants: whatever loads with the real schemas can be evaluated
// without a panic, and what comes of it can be made in some order.
func FuzzParticipants(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, src string) {
		if large.MatchString(src) {
			return // a count of a million is allowed, and takes its time
		}
		src = "variable \"fuzz_secret\" {\n  sensitive = true\n  default = \"s3cr3t-value\"\n}\n" + src
		if m := loads(realTypes(), nil, src); m != nil { // no panic without what a plan needs
			_, _ = desired.Build(m, desired.Env{Types: realTypes(), Dir: ".", AllowMissing: true})
		}
		r, diags := buildReal(src)
		for _, d := range diags {
			if strings.Count(src, "s3cr3t-value") == 1 && strings.Contains(d.Summary+d.Detail, "s3cr3t-value") {
				t.Fatalf("a secret in %q", d.Detail)
			}
		}
		if r != nil && !diags.HasErrors() {
			sound(t, r)
		}
	})
}
