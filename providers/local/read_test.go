package local_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/state/journal"
)

type attrs = map[string]cty.Value

func str(s string) cty.Value { return cty.StringVal(s) }

func words(w ...string) cty.Value {
	out := make([]cty.Value, len(w))
	for i := range w {
		out[i] = str(w[i])
	}
	return cty.ListVal(out)
}

func texts(kv ...string) cty.Value {
	m := attrs{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = str(kv[i+1])
	}
	return cty.MapVal(m)
}

// value is a complete wanted value of a type.
func value(typ string, a attrs) cty.Value { return local.Type().Resources[typ].Complete(a) }

func with(v cty.Value, a attrs) cty.Value {
	m := v.AsValueMap()
	maps.Copy(m, a)
	return cty.ObjectVal(m)
}

const lineage = "11111111-2222-3333-4444-555555555555"

// home gives the test places of its own for agents; their paths are short,
// for sockets.
func home(t testing.TB) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ml") //nolint:usetesting // its paths hold the test's name: too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for name, sub := range map[string]string{"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "state"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, filepath.Join(dir, sub))
	}
}

func open(t testing.TB, typ *providers.Type, dir string) providers.Provider {
	t.Helper()
	p, err := typ.Open(context.Background(), providers.Env{Config: cty.EmptyObjectVal, Lineage: lineage, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func read(t testing.TB, p providers.Provider, q providers.Query) providers.Result {
	t.Helper()
	rs, err := p.Read(context.Background(), []providers.Query{q})
	if err != nil {
		t.Fatal(err)
	}
	return rs[0]
}

// A folder is what an agent that does not run left behind.
type folder struct {
	t       testing.TB
	place   control.Place
	records []control.Record
	secrets map[string]control.Secret
}

func newFolder(t testing.TB) *folder {
	home(t)
	p, err := control.Locate(lineage)
	if err == nil {
		err = p.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, place: p, secrets: map[string]control.Secret{}}
	f.note(control.Record{Op: control.OpAll, All: &control.Dump{}}) // every journal begins with all that was known
	return f
}

// holds adds an object as the provider would have given it.
func (f *folder) holds(k control.Key, spec any, secret string, dir string) {
	f.t.Helper()
	raw, err := json.Marshal(spec)
	if err != nil {
		f.t.Fatal(err)
	}
	e := control.Entry{Key: k, Spec: raw, Dir: dir}
	if secret != "" {
		e.Secret = k.Name
		f.secrets[k.Name] = control.Secret{Salt: []byte("salt"), Secret: json.RawMessage(secret)}
	}
	f.note(control.Record{Op: control.OpKeep, Want: &e})
}

func (f *folder) note(r control.Record) { f.records = append(f.records, r) }

func (f *folder) write() {
	f.t.Helper()
	j, err := journal.Create(f.place.Journal())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range f.records {
		b, err := json.Marshal(r)
		if err == nil {
			err = j.Append(b)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		f.t.Fatal(err)
	}
	if err := control.WriteSecrets(f.place.Secrets(), f.secrets); err != nil {
		f.t.Fatal(err)
	}
}

// resize is a process, wanted and as its spec.
func resize(t *testing.T, more attrs) (cty.Value, launch.Spec) {
	t.Helper()
	a := attrs{"broker": str("main"), "role": str("eu/resize"), "command": words("node", "resize.js"), "component": str("Resize"),
		"env": texts("SIZE", "10"), "secret_env": texts("MSGFLO_BROKER", "amqp://u:geheim@h", "KEY", "k")}
	maps.Copy(a, more)
	v := value("process", a)
	s, _, err := launch.SpecOf(v)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

var resizeKey = control.Key{Kind: control.Process, Name: "main/eu/resize"}

const resizeSecret = `{"KEY":"k", "MSGFLO_BROKER":"amqp://u:geheim@h"}`

// Read without an agent: from its folder, in the words of what is wanted.
func TestReadFolder(t *testing.T) {
	f := newFolder(t)
	dir := t.TempDir()
	want, spec := resize(t, attrs{"replicas": cty.Zero})
	f.holds(resizeKey, spec, resizeSecret, dir)
	f.write()
	p := open(t, local.Type(), dir)
	r := read(t, p, providers.Query{Type: "process", Value: want})
	if r.Err != nil || r.Owner != lineage || r.Value.GetAttr("machine").AsString() != control.Machine() {
		t.Fatalf("%+v", r)
	}
	if live := with(r.Value, attrs{"machine": cty.UnknownVal(cty.String)}); !live.RawEquals(want) {
		t.Errorf("read  %#v\nwant %#v", live, want)
	}
	ws := p.(providers.Warner).Warnings()
	if len(ws) != 1 || !strings.Contains(ws[0].Detail, "msgflo apply") {
		t.Errorf("warnings %v", ws)
	}
	other, _ := resize(t, attrs{"role": str("other")})
	if r := read(t, p, providers.Query{Type: "process", Value: other}); r.Err != nil || !r.Value.IsNull() {
		t.Errorf("what is not held: %+v", r)
	}
}

// differ lists the attributes in which two values differ.
func differ(a, b cty.Value) string {
	var out []string
	for name := range a.Type().AttributeTypes() {
		if name != "machine" && !a.GetAttr(name).RawEquals(b.GetAttr(name)) {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

func TestReadTellsDifferences(t *testing.T) {
	f := newFolder(t)
	dir := t.TempDir()
	_, spec := resize(t, attrs{"replicas": cty.Zero})
	f.holds(resizeKey, spec, resizeSecret, dir)
	f.write()
	linked := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		more attrs
		dir  string
		want string
	}{
		{"nothing", nil, dir, ""},
		{"through a link", nil, linked, ""},
		{"written otherwise", attrs{"directory": str("./"), "initial": cty.MapValEmpty(cty.String)}, dir, ""},
		{"another variable", attrs{"env": texts("SIZE", "11")}, dir, "env"},
		{"another secret", attrs{"secret_env": texts("MSGFLO_BROKER", "amqp://u:other@h", "KEY", "k")}, dir, "secret_env"},
		{"a secret less", attrs{"secret_env": texts("KEY", "k")}, dir, "secret_env"},
		{"no secret any more", attrs{"secret_env": cty.NullVal(cty.Map(cty.String))}, dir, "secret_env"},
		{"a secret that is not known yet", attrs{"secret_env": cty.UnknownVal(cty.Map(cty.String))}, dir, ""},
		{"the directory was moved", nil, t.TempDir(), "directory"},
	} {
		all := attrs{"replicas": cty.Zero}
		maps.Copy(all, c.more)
		a := attrs{"broker": str("main"), "role": str("eu/resize"), "command": words("node", "resize.js"), "component": str("Resize"),
			"env": texts("SIZE", "10"), "secret_env": texts("MSGFLO_BROKER", "amqp://u:geheim@h", "KEY", "k")}
		maps.Copy(a, all)
		want := value("process", a)
		r := read(t, open(t, local.Type(), c.dir), providers.Query{Type: "process", Value: want})
		if r.Err != nil {
			t.Fatalf("%s: %v", c.name, r.Err)
		}
		if got := differ(want, r.Value); got != c.want {
			t.Errorf("%s: differs in %q, want %q", c.name, got, c.want)
		}
	}
}

// A replica counts as there while something looks after it or it ended on
// purpose; one that failed, or that died with the machine, is to be started.
func TestReadReplicas(t *testing.T) {
	for _, c := range []struct {
		name string
		held bool
		down bool
		runs []control.Run
		live []int // indexes that run
		want int64
		note string
	}{
		{"none since the machine was started", false, false, nil, nil, 0, "ended while no agent ran"},
		{"stopped by hand", true, false, nil, nil, 3, ""},
		{"stopped by hand, and brought down", true, true, nil, nil, 3, ""},
		{"brought down", false, true, nil, nil, 0, "brought down by `msgflo down`"},
		{"failed, and brought down", false, true, []control.Run{{Index: 2, Final: launch.Failed, Reason: "exit status 3"}}, nil, 0, "1 of 3 failed, as eu/resize.2: exit status 3"},
		{"all run", false, false, []control.Run{{Index: 0, Ready: true}, {Index: 1, Ready: true}, {Index: 2}}, []int{0, 1, 2}, 3, ""},
		{"one died with its shim", false, false, []control.Run{{Index: 0, Ready: true}, {Index: 1, Ready: true}, {Index: 2, Ready: true}}, []int{0, 2}, 2, "ended while no agent ran"},
		{"one failed", false, false, []control.Run{{Index: 0}, {Index: 1, Final: launch.Failed, Reason: "exit status 1"}, {Index: 2}}, []int{0, 2}, 2, "exit status 1. `msgflo logs eu/resize`"},
		{"one is done", false, false, []control.Run{{Index: 0}, {Index: 1, Final: launch.Stopped, Reason: "exit status 0"}, {Index: 2}}, []int{0, 2}, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			dir := t.TempDir()
			want, spec := resize(t, attrs{"replicas": cty.NumberIntVal(3)})
			f.holds(resizeKey, spec, resizeSecret, dir)
			if c.held {
				f.note(control.Record{Op: control.OpHold, Key: resizeKey, Held: true})
			}
			for i, run := range c.runs {
				run.Nonce, run.Key = "n"+string(rune('0'+i)), resizeKey
				f.note(control.Record{Op: control.OpStart, Run: &run})
				if run.Ready {
					f.note(control.Record{Op: control.OpReady, Run: &run})
				}
				if run.Final != "" {
					f.note(control.Record{Op: control.OpEnd, Run: &run})
				}
				f.run(run.Nonce, slices.Contains(c.live, i))
			}
			if c.down {
				f.note(control.Record{Op: control.OpBegun, Down: true})
			}
			f.write()
			r := read(t, open(t, local.Type(), dir), providers.Query{Type: "process", Value: want})
			if !strings.Contains(r.Note, c.note) || (r.Note == "") != (c.note == "") {
				t.Errorf("it says %q, want %q", r.Note, c.note)
			}
			if n, _ := r.Value.GetAttr("replicas").AsBigFloat().Int64(); n != c.want {
				t.Errorf("%d replicas, want %d", n, c.want)
			}
			// Just as many are wanted as are left: the agent holds to three still.
			fewer, _ := resize(t, attrs{"replicas": cty.NumberIntVal(c.want)})
			r = read(t, open(t, local.Type(), dir), providers.Query{Type: "process", Value: fewer})
			if n, _ := r.Value.GetAttr("replicas").AsBigFloat().Int64(); n != 3 || r.Note != "" {
				t.Errorf("of %d wanted: %d replicas, %q", c.want, n, r.Note)
			}
		})
	}
}

// run leaves the folder of a start, with its lock held if it lives.
func (f *folder) run(nonce string, lives bool) {
	f.t.Helper()
	dir := f.place.Proc(nonce)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	b, err := json.Marshal(control.ShimStatus{Child: control.Identity{PID: os.Getpid(), Start: 1}, Started: time.Unix(1, 0)})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "status.json"), b, 0o600)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { lock.Close() })
	if lives {
		if ok, err := control.Lock(lock); !ok || err != nil {
			f.t.Fatal(ok, err)
		}
	}
}

// What state says to run on another machine is neither there nor absent.
func TestAnotherMachine(t *testing.T) {
	f := newFolder(t)
	f.write()
	p := open(t, local.Type(), t.TempDir())
	want, _ := resize(t, nil)
	on := func(machine string) providers.Query {
		return providers.Query{Type: "process", Value: want, Recorded: with(want, attrs{"machine": str(machine)})}
	}
	r := read(t, p, on("box\x1b[31m/0123456789ab"))
	if r.Err == nil || !strings.Contains(r.Err.Error(), `box\x1b[31m`) || !strings.Contains(r.Err.Error(), "msgflo state rm") || r.Value != cty.NilVal {
		t.Errorf("%+v", r)
	}
	if ds := diag.At(r.Err, hcl.Range{}); ds[0].Summary != "Running on another machine" {
		t.Error(ds[0].Summary)
	}
	_, digest, _ := strings.Cut(control.Machine(), "/")
	for _, same := range []string{control.Machine(), "renamed/" + digest} {
		if r := read(t, p, on(same)); r.Err != nil || !r.Value.IsNull() {
			t.Errorf("%s: %+v", same, r)
		}
	}
}

// What the agent holds besides processes, there and back.
func TestServices(t *testing.T) {
	binding := attrs{"vhost": str("/"), "source": str("a.OUT"), "destination": str("b.IN"), "destination_type": str("queue"), "routing_key": str("")}
	const url = "amqp://u:geheim@h"
	for _, c := range []struct {
		typ, key, spec, secret string
		a, other               attrs
	}{
		{"keeper", "main/participant.a", `{"bindings":[{"destination":"b.IN","destination_type":"queue","routing_key":"","source":"a.OUT","vhost":"/"}],"broker":"main","name":"participant.a"}`,
			`{"url":"` + url + `"}`, attrs{"name": str("participant.a"), "url": str(url), "bindings": cty.ListVal([]cty.Value{cty.ObjectVal(binding)})},
			attrs{"url": str(url + "2")}},
		{"announcement", "main/door", `{"broker":"main","message":"{\"role\":\"door\"}","period":"60s","role":"door"}`, `{"url":"` + url + `"}`,
			attrs{"role": str("door"), "url": str(url), "message": str(`{"role":"door"}`)}, attrs{"period": str("30s")}},
		{"server", "main", `{"broker":"main","listen":":1883","persist":true,"websocket":null}`, "", attrs{"listen": str(":1883")}, attrs{"persist": cty.False}},
		{"router", "main", `{"broker":"main"}`, `{"url":"` + url + `"}`, attrs{"url": str(url)}, attrs{"url": cty.NullVal(cty.String)}},
	} {
		t.Run(c.typ, func(t *testing.T) {
			c.a["broker"] = str("main")
			want := value(c.typ, c.a)
			f := newFolder(t)
			dir := t.TempDir()
			f.holds(control.Key{Kind: c.typ, Name: c.key}, json.RawMessage(c.spec), c.secret, dir)
			f.write()
			p := open(t, local.Type(), dir)
			if r := read(t, p, providers.Query{Type: c.typ, Value: want}); r.Err != nil || r.Value.IsNull() || differ(want, r.Value) != "" {
				t.Errorf("%+v differs in %q", r, differ(want, r.Value))
			}
			other := with(want, c.other)
			if r := read(t, p, providers.Query{Type: c.typ, Value: other}); differ(other, r.Value) == "" {
				t.Errorf("no difference to %#v", other)
			}
		})
	}
}

// No plan is made from a folder that cannot be understood.
func TestDamagedFolder(t *testing.T) {
	f := newFolder(t)
	dir := t.TempDir()
	want, spec := resize(t, nil)
	f.holds(resizeKey, spec, resizeSecret, dir)
	f.write()
	if err := os.WriteFile(f.place.Secrets(), []byte(`{"geheim`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, local.Type(), dir).Read(context.Background(), []providers.Query{{Type: "process", Value: want}})
	if err == nil || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), "secrets.json") {
		t.Errorf("%v", err)
	}
}
