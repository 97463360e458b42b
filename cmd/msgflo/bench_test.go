package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// A measure is one run of a process: how long, how long on a processor (which
// says more on a machine that others use, too), and how much memory at most.
type measure struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

func measured(b *testing.B, program string, args ...string) measure {
	b.Helper()
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	m := measure{wall: time.Since(begin)}
	if err != nil {
		text := out.String()
		b.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, text[max(0, len(text)-4000):])
	}
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.peak = ru.Maxrss * 1024
	}
	return m
}

// A series is what the runs of one command took.
type series []measure

func (s series) median() time.Duration {
	return s.middle(func(m measure) time.Duration { return m.wall })
}

func (s series) cpu() time.Duration {
	return s.middle(func(m measure) time.Duration { return m.cpu })
}

func (s series) middle(of func(measure) time.Duration) time.Duration {
	ds := make([]time.Duration, len(s))
	for i, m := range s {
		ds[i] = of(m)
	}
	slices.Sort(ds)
	return ds[len(ds)/2]
}

func (s series) peak() (most int64) {
	for _, m := range s {
		most = max(most, m.peak)
	}
	return most
}

// built compiles the program as users run it: the test binary carries the
// tests' weight.
func built(b testing.TB) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "msgflo")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// roles writes a configuration of n roles, each a durable queue with a
// dead-letter argument, a fanout exchange and a binding.
func roles(b *testing.B, brokerBlock string, n int, literal bool) string {
	b.Helper()
	dir := b.TempDir()
	var s strings.Builder
	s.WriteString(brokerBlock)
	if !literal {
		fmt.Fprintf(&s, forEachRoles, n)
	}
	for i := range n {
		if literal {
			fmt.Fprint(&s, strings.ReplaceAll(literalRole, "ROLE", roleName(i)))
		}
	}
	write(b, filepath.Join(dir, "roles.flo.hcl"), s.String())
	return dir
}

func brokerBlock(b *rabbittest.Broker, url string) string {
	return fmt.Sprintf("broker \"main\" {\n  url        = %q\n  management = %q\n}\n", url, b.ManagementURL)
}

const forEachRoles = `
locals {
  roles = toset([for i in setproduct(range(%[1]d / 100), range(100)) : format("role-%%05d", i[0] * 100 + i[1])])
}
queue "role" {
  for_each = local.roles
  name     = each.key
  dead_letter {
    exchange = "dead-${each.key}"
  }
}
exchange "role" {
  for_each = local.roles
  name     = each.key
  type     = "fanout"
}
binding "role" {
  for_each    = local.roles
  source      = exchange.role[each.key]
  destination = queue.role[each.key]
}
`

const literalRole = `
queue "ROLE" {
  dead_letter {
    exchange = "dead-ROLE"
  }
}
exchange "ROLE" {
  type = "fanout"
}
binding "ROLE" {
  source      = exchange.ROLE
  destination = queue.ROLE
}
`

func vhost(b *testing.B, broker *rabbittest.Broker, name string) string {
	b.Helper()
	call := func(method string) {
		req := must(http.NewRequest(method, broker.ManagementURL+"/api/vhosts/"+url.PathEscape(name), strings.NewReader("{}")))
		req.SetBasicAuth(rabbittest.User, rabbittest.Password)
		resp := must(http.DefaultClient.Do(req))
		_ = resp.Body.Close()
	}
	call(http.MethodPut)
	b.Cleanup(func() { call(http.MethodDelete) })
	return name
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// BenchmarkRoles measures first apply, empty plan and destroy of N roles as
// whole processes, in one run with the floor: a bare program that makes the
// same reads, or the same declares with the same parallelism. Ratios are
// against that floor; the table of docs/benchmarks.md is made of its output.
func BenchmarkRoles(b *testing.B) {
	broker := rabbittest.Shared(b)
	msgflo, floor := built(b), must(exec.LookPath("floor"))
	for _, n := range []int{100, 1000, 5000} {
		for _, form := range []string{"for_each", "literal"} {
			b.Run(fmt.Sprintf("%d/%s", n, form), func(b *testing.B) {
				benchRoles(b, broker, msgflo, floor, n, form == "literal")
			})
		}
	}
}

func benchRoles(b *testing.B, broker *rabbittest.Broker, msgflo, floor string, n int, literal bool) {
	name := vhost(b, broker, fmt.Sprintf("bench-%d-%v", n, literal))
	target := broker.VhostURL(name)
	var floorApply, floorRead, floorDestroy, apply, plan, destroy series
	for b.Loop() {
		floorApply = append(floorApply, measured(b, floor, "declare", target, fmt.Sprint(n)))
		floorDestroy = append(floorDestroy, measured(b, floor, "delete", target, fmt.Sprint(n)))
		dir := roles(b, brokerBlock(broker, target), n, literal)
		apply = append(apply, measured(b, msgflo, "apply", "-auto-approve", dir))
		for range 3 {
			floorRead = append(floorRead, measured(b, floor, "read", broker.ManagementURL, name))
			plan = append(plan, measured(b, msgflo, "plan", "-detailed-exitcode", dir))
		}
		destroy = append(destroy, measured(b, msgflo, "destroy", "-auto-approve", dir))
	}
	b.ReportMetric(0, "ns/op")
	report(b, "apply", apply, floorApply)
	report(b, "plan", plan, floorRead)
	report(b, "destroy", destroy, floorDestroy)
	b.ReportMetric(float64(plan.peak())/1e6, "plan-MB")
	b.ReportMetric(apply.median().Seconds()*1000/float64(3*n), "apply-ms/object")
}

func report(b *testing.B, what string, got, floor series) {
	b.ReportMetric(got.median().Seconds(), what+"-s")
	b.ReportMetric(floor.median().Seconds(), what+"-floor-s")
	b.ReportMetric(got.median().Seconds()/floor.median().Seconds(), what+"-ratio")
}

// BenchmarkAmongOthers plans ten objects on a broker that holds 20 000 others
// and on one that holds none: the ratio should be about one.
func BenchmarkAmongOthers(b *testing.B) {
	broker := rabbittest.Shared(b)
	msgflo, floor := built(b), must(exec.LookPath("floor"))
	alone := broker.VhostURL(vhost(b, broker, "bench-alone"))
	crowded := broker.VhostURL(vhost(b, broker, "bench-crowded"))
	measured(b, floor, "declare", crowded, "6667")
	dirs := map[string]string{}
	for _, target := range []string{alone, crowded} {
		dirs[target] = b.TempDir()
		text := brokerBlock(broker, target) + "queue \"mine\" {\n  count = 10\n  name = \"mine-${count.index}\"\n}\n"
		write(b, filepath.Join(dirs[target], "ten.flo.hcl"), text)
		measured(b, msgflo, "apply", "-auto-approve", dirs[target])
	}
	var few, many series
	for b.Loop() {
		few = append(few, measured(b, msgflo, "plan", "-detailed-exitcode", dirs[alone]))
		many = append(many, measured(b, msgflo, "plan", "-detailed-exitcode", dirs[crowded]))
	}
	b.ReportMetric(0, "ns/op")
	report(b, "crowded-plan", many, few)
}

// participants writes a ring of n participants, each with a queue, its
// exchanges and bindings, and every fifth with a second edge: foreign ones,
// or processes of this machine that do nothing.
func participants(b *testing.B, brokerBlock string, n int, foreign bool) string {
	b.Helper()
	var s strings.Builder
	s.WriteString(brokerBlock + workComponent)
	for i := range n {
		fmt.Fprintf(&s, "participant \"w-%d\" {\n  component = component.Work\n", i)
		if foreign {
			s.WriteString("  foreign = true\n}\n")
		} else {
			fmt.Fprintf(&s, "  env = { NEXT = participant.w-%d.in.jobs.queue }\n  ready {\n    when = \"started\"\n  }\n}\n", (i+1)%n)
		}
	}
	s.WriteString("graph \"ring\" {\n")
	for i := range n {
		fmt.Fprintf(&s, "  edge \"w-%d.done\" \"w-%d.jobs\" {}\n", i, (i+1)%n)
		if i%5 == 0 {
			fmt.Fprintf(&s, "  edge \"w-%d.error\" \"w-%d.jobs\" {}\n", i, (i+7)%n)
		}
	}
	s.WriteString("}\n")
	dir := b.TempDir()
	write(b, filepath.Join(dir, "ring.flo.hcl"), s.String())
	return dir
}

const workComponent = `
component "Work" {
  command = ["sleep", "100000"]
  client  = "nodejs"
  env     = { LEVEL = "info" }
}
`

// BenchmarkParticipants measures the empty plan of a system of 500
// participants, whole processes: of foreign ones, and of ones that the agent
// holds, all of which really run meanwhile. The floor is a bare program that
// makes the same reads of the broker.
func BenchmarkParticipants(b *testing.B) {
	const n = 500
	broker := rabbittest.Shared(b)
	msgflo, floor := built(b), must(exec.LookPath("floor"))
	for _, form := range []string{"foreign", "running"} {
		b.Run(fmt.Sprintf("%d/%s", n, form), func(b *testing.B) {
			h := must(newHousehold())
			b.Cleanup(h.end)
			h.set(b.Setenv)
			name := vhost(b, broker, "bench-"+form)
			dir := participants(b, brokerBlock(broker, broker.VhostURL(name)), n, form == "foreign")
			apply := measured(b, msgflo, "apply", "-auto-approve", dir)
			var plan, floorRead series
			for b.Loop() {
				floorRead = append(floorRead, measured(b, floor, "read", broker.ManagementURL, name))
				plan = append(plan, measured(b, msgflo, "plan", "-detailed-exitcode", dir))
			}
			destroy := measured(b, msgflo, "destroy", "-auto-approve", dir)
			b.ReportMetric(0, "ns/op")
			report(b, "plan", plan, floorRead)
			b.ReportMetric(float64(plan.peak())/1e6, "plan-MB")
			b.ReportMetric(plan.cpu().Seconds(), "plan-cpu-s")
			b.ReportMetric(apply.wall.Seconds(), "apply-s")
			b.ReportMetric(destroy.wall.Seconds(), "destroy-s")
		})
	}
}
