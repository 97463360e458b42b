package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/state"
)

func TestMain(m *testing.M) {
	lighten()
	leaktest.Main(m)
}

// A bench carries out plans made by hand, on brokers a and b.
type bench struct {
	worlds map[addr.Provider]*fake.World
	deps   apply.Deps
	rec    *recorder
	events []string
}

type recorder struct {
	mu   sync.Mutex
	got  []state.Outcome
	fail func(n int) error
}

func (r *recorder) Record(_ context.Context, o state.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(len(r.got) + 1); err != nil {
			return err
		}
	}
	r.got = append(r.got, o)
	return nil
}

func (r *recorder) Close() error { return nil }

var provA, provB = addr.Provider{Kind: "broker", Name: "a"}, addr.Provider{Kind: "broker", Name: "b"}

func newBench(t testing.TB) *bench {
	b := &bench{worlds: map[addr.Provider]*fake.World{provA: fake.NewWorld(), provB: fake.NewWorld()}, rec: &recorder{}}
	open := map[addr.Provider]providers.Provider{}
	types := map[addr.Provider]*providers.Type{}
	decl := map[addr.Provider]hcl.Range{}
	for p, w := range b.worlds {
		types[p] = w.Type()
		decl[p] = hcl.Range{Filename: p.Name + ".flo.hcl", Start: hcl.Pos{Line: 1, Column: 1}}
		var err error
		if open[p], err = types[p].Open(context.Background(), providers.Env{Config: cty.NilVal, Lineage: "l", Marks: true}); err != nil {
			t.Fatal(err)
		}
	}
	b.deps = apply.Deps{
		Open:  func(p addr.Provider) (providers.Provider, error) { return open[p], nil },
		Types: types, Decl: decl, Recorder: b.rec, RunID: "run", Parallelism: 4,
		Events: func(e plan.Event) { b.events = append(b.events, string(e.Kind)+" "+e.Step.Addr.Name) },
	}
	return b
}

// step makes a step of a type that fake has.
func (b *bench) step(a plan.Action, p addr.Provider, typ, name string, attrs map[string]cty.Value, needs ...string) plan.Step {
	s := b.deps.Types[p].Resources[typ]
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	if s.Attr("name") != nil && attrs["name"] == cty.NilVal {
		attrs["name"] = str(name)
	}
	raw, err := recorded.Of(s).Encode(fake.Complete(s, attrs), nil)
	if err != nil {
		panic(err)
	}
	i := at(typ, name)
	st := plan.Step{ID: plan.ID(a, i), Addr: i, Provider: p, Action: a, Record: plan.Recorded{Owned: true},
		Decl: hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: len(name), Column: 1}}}
	switch a {
	case plan.Delete:
		st.Before = raw
	case plan.Update, plan.Restart:
		st.Before, st.After = raw, raw
	case plan.Forget:
	default:
		st.After = raw
	}
	for _, n := range needs {
		st.Needs = append(st.Needs, plan.StepID(n))
	}
	return st
}

func (b *bench) run(ctx context.Context, steps ...plan.Step) (apply.Result, hcl.Diagnostics) {
	return apply.Run(ctx, &plan.Plan{Lineage: "l", Steps: steps}, b.deps)
}

func counts(r apply.Result) string { return fmt.Sprintf("%d/%d/%d", r.Done, r.Failed, r.Skipped) }

func TestFailureSkipsDependantsOnly(t *testing.T) {
	b := newBench(t)
	bad := b.step(plan.Create, provA, "queue", "bad", map[string]cty.Value{"vhost": str("nowhere")})
	r, diags := b.run(context.Background(), bad,
		b.step(plan.Create, provA, "queue", "child", nil, string(bad.ID)),
		b.step(plan.Create, provA, "queue", "grandchild", nil, "+ queue.child"),
		b.step(plan.Create, provA, "queue", "other", nil))
	if counts(r) != "1/1/2" || len(diags) != 1 || r.Interrupted {
		t.Fatalf("%s %v", counts(r), diags)
	}
	d := diags[0]
	if d.Summary != "Object not created" || !strings.Contains(d.Detail, "queue.bad: ") || d.Subject.Start.Line != 3 {
		t.Errorf("%v", d)
	}
	if len(b.rec.got) != 1 || b.rec.got[0].Addr.Name != "other" || b.rec.got[0].Run != "run" {
		t.Errorf("recorded: %+v", b.rec.got)
	}
	for _, e := range []string{"skip child", "skip grandchild", "complete other", "errored bad"} {
		if want := strings.Replace(e, "skip ", string(plan.Skipped)+" ", 1); !slices.Contains(b.events, want) {
			t.Errorf("no event %q in %v", want, b.events)
		}
	}
}

func TestLostConnectionEndsOneProvider(t *testing.T) {
	b := newBench(t)
	b.worlds[provA].Fail(1, fake.Lost)
	var steps []plan.Step
	for i := range 20 {
		steps = append(steps, b.step(plan.Create, provA, "queue", fmt.Sprint("a", i), nil), b.step(plan.Create, provB, "queue", fmt.Sprint("b", i), nil))
	}
	steps = append(steps, b.step(plan.Record, provA, "queue", "known", nil))
	r, diags := b.run(context.Background(), steps...)
	if r.Done != 21 || len(diags) != 1 || diags[0].Summary != "Connection lost" || diags[0].Subject.Filename != "a.flo.hcl" {
		t.Fatalf("%s %v", counts(r), diags)
	}
	if !strings.Contains(diags[0].Detail, "remaining steps on broker.a") {
		t.Errorf("%s", diags[0].Detail)
	}
	if r.Failed == 0 || r.Skipped == 0 || r.Failed > 4 || len(r.Unknown) != r.Failed {
		t.Errorf("%s, unknown %v", counts(r), r.Unknown)
	}
}

func TestUnansweredIsReadAgain(t *testing.T) {
	b := newBench(t)
	b.worlds[provA].Fail(1, fake.Unanswered)
	r, diags := b.run(context.Background(), b.step(plan.Create, provA, "queue", "q", nil))
	if diags.HasErrors() || counts(r) != "1/0/0" || b.worlds[provA].Calls() != 2 {
		t.Errorf("%s %v, %d calls", counts(r), diags, b.worlds[provA].Calls())
	}
	// Another's object of that name proves nothing.
	if err := b.worlds[provA].Put("exchange", map[string]cty.Value{"name": str("e"), "type": str("fanout")}); err != nil {
		t.Fatal(err)
	}
	b.worlds[provA].Fail(3, fake.Refused)
	r, diags = b.run(context.Background(), b.step(plan.Create, provA, "exchange", "e", nil))
	if !diags.HasErrors() || len(r.Outcomes) != 1 || !r.Outcomes[0].Pending || len(r.Unknown) != 1 {
		t.Errorf("%+v %v", r, diags)
	}
}

func TestStop(t *testing.T) {
	b := newBench(t)
	stop := make(chan struct{})
	b.deps.Stop, b.deps.Parallelism = stop, 2
	held, release := make(chan struct{}), make(chan struct{})
	b.worlds[provA].Before = func(_ context.Context, call int, _ string) {
		if call == 1 {
			close(held)
			<-release
		}
	}
	go func() {
		<-held
		close(stop)
		close(release)
	}()
	first := b.step(plan.Create, provA, "queue", "q", nil)
	r, diags := b.run(context.Background(), first, b.step(plan.Create, provA, "queue", "r", nil, string(first.ID)))
	if !r.Interrupted || diags.HasErrors() || counts(r) != "1/0/1" || len(b.rec.got) != 1 {
		t.Errorf("%+v %v, recorded %v", r, diags, b.rec.got)
	}
}

func TestStoppedBeforeItBegan(t *testing.T) {
	b := newBench(t)
	stop := make(chan struct{})
	close(stop)
	b.deps.Stop = stop
	r, diags := b.run(context.Background(), b.step(plan.Create, provA, "queue", "q", nil))
	if !r.Interrupted || counts(r) != "0/0/1" || diags.HasErrors() {
		t.Errorf("%+v %v", r, diags)
	}
	if r, _ := b.run(context.Background()); r.Interrupted {
		t.Error("nothing to do was interrupted")
	}
}

func TestCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	b.worlds[provA].Before = func(ctx context.Context, _ int, _ string) {
		cancel()
		<-ctx.Done()
	}
	r, diags := b.run(ctx, b.step(plan.Create, provA, "queue", "q", nil), b.step(plan.Create, provA, "queue", "r", nil, "+ queue.q"))
	if !r.Interrupted || counts(r) != "0/1/1" || diags.HasErrors() {
		t.Errorf("%+v %v", r, diags)
	}
	// The cancelled create may have arrived: it must be remembered in spite of the
	// context.
	if len(b.rec.got) != 1 || !b.rec.got[0].Pending {
		t.Errorf("recorded %+v", b.rec.got)
	}
}

func TestJournalFails(t *testing.T) {
	b := newBench(t)
	b.deps.Parallelism = 1
	b.rec.fail = func(n int) error {
		if n == 2 {
			return errors.New("no space left on device")
		}
		return nil
	}
	r, diags := b.run(context.Background(), b.step(plan.Create, provA, "queue", "p", nil), b.step(plan.Create, provA, "queue", "q", nil), b.step(plan.Create, provA, "queue", "r", nil))
	if counts(r) != "1/1/1" || len(diags) != 1 || diags[0].Summary != "Outcome cannot be recorded" {
		t.Fatalf("%s %v", counts(r), diags)
	}
	if len(r.Outcomes) != 2 || r.Interrupted {
		t.Errorf("the outcome that is not in the journal is lost: %+v", r)
	}
}

func TestLockLost(t *testing.T) {
	b := newBench(t)
	b.deps.BeforeStep = func() error { return errors.New("the lock is gone") }
	r, diags := b.run(context.Background(), b.step(plan.Create, provA, "queue", "p", nil), b.step(plan.Create, provA, "queue", "q", nil))
	if r.Done != 0 || len(diags) != 1 || b.worlds[provA].Calls() != 0 {
		t.Errorf("%s %v", counts(r), diags)
	}
}

func TestOpenFails(t *testing.T) {
	b := newBench(t)
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return nil, errors.New("no password given") }
	r, diags := b.run(context.Background(), b.step(plan.Create, provA, "queue", "p", nil), b.step(plan.Create, provA, "queue", "q", nil))
	if r.Done != 0 || len(diags) != 1 || diags[0].Subject.Filename != "a.flo.hcl" {
		t.Errorf("%s %v", counts(r), diags)
	}
}

func TestRefusedPlans(t *testing.T) {
	b := newBench(t)
	q := b.step(plan.Create, provA, "queue", "q", nil)
	self, other := q, b.step(plan.Create, provA, "queue", "r", nil, "+ queue.q")
	self.Needs = []plan.StepID{"+ queue.r"}
	blocked := b.step(plan.Delete, provA, "queue", "s", nil)
	blocked.Risk = &plan.Risk{Ready: 3}
	nowhere, strange, migrate := q, q, q
	nowhere.Provider.Name = "c"
	strange.Addr.Type = "teapot"
	migrate.Action = plan.Migrate
	missing := q
	missing.Needs = []plan.StepID{"+ queue.none"}
	for name, steps := range map[string][]plan.Step{
		"circle": {self, other}, "twice": {q, q}, "a need that is not there": {missing}, "no consent": {blocked},
		"no such broker": {nowhere}, "no such type": {strange}, "an action of later versions": {migrate},
	} {
		r, diags := b.run(context.Background(), append(steps, b.step(plan.Create, provA, "queue", "fine", nil))...)
		if !diags.HasErrors() || r.Done+r.Failed > 0 || r.Skipped != len(steps)+1 || b.worlds[provA].Calls() > 0 {
			t.Errorf("%s: %s %v", name, counts(r), diags)
		}
	}
}

func TestSecrets(t *testing.T) {
	b := newBench(t)
	s := b.deps.Types[provA].Resources["user"]
	full := fake.Complete(s, map[string]cty.Value{"name": str("ann"), "password": str(password)})
	create := b.step(plan.Create, provA, "user", "ann", nil)
	create.Holes = []plan.Hole{{Path: "password", Secret: true}}
	b.deps.Secrets = func(addr.Instance) (cty.Value, error) { return full, nil }
	r, diags := b.run(context.Background(), create)
	if diags.HasErrors() || b.worlds[provA].Password("ann") != password {
		t.Fatalf("%+v %v", r, diags)
	}
	o := r.Outcomes[0].Object
	if ok, err := state.VerifySecret(o.Hashes["password"], []byte(password)); !ok || err != nil {
		t.Errorf("hash %v: %v", o.Hashes, err)
	}
	if j, _ := json.Marshal(r.Outcomes); strings.Contains(string(j), password) || !strings.Contains(string(o.Attrs), `"password":null`) {
		t.Errorf("recorded: %s", j)
	}
	// An update that leaves the secret alone keeps its hash where it is not given.
	update := b.step(plan.Update, provA, "user", "ann", map[string]cty.Value{"tags": cty.SetVal([]cty.Value{str("x")})})
	update.Record.Hashes = o.Hashes
	r, diags = b.run(context.Background(), update)
	if diags.HasErrors() || r.Outcomes[0].Object.Hashes["password"] != o.Hashes["password"] {
		t.Errorf("%+v %v", r, diags)
	}
	for name, secrets := range map[string]func(addr.Instance) (cty.Value, error){
		"none":  nil,
		"error": func(addr.Instance) (cty.Value, error) { return cty.NilVal, errors.New("variable pw is not set") },
		"unknown": func(addr.Instance) (cty.Value, error) {
			return fake.Complete(s, map[string]cty.Value{"name": str("x"), "password": cty.UnknownVal(cty.String)}), nil
		},
	} {
		b.deps.Secrets = secrets
		if r, diags := b.run(context.Background(), create); r.Failed != 1 || !diags.HasErrors() || diags[0].Subject == nil {
			t.Errorf("%s: %+v %v", name, r, diags)
		}
	}
}

// blurter is a provider that repeats what it is given.
type blurter struct{ providers.Provider }

func (blurter) Apply(_ context.Context, c providers.Change) (cty.Value, error) {
	c.Progress(1, 2)
	return cty.NullVal(c.After.Type()), fmt.Errorf("cannot set %s \x1b[31mred", c.After.GetAttr("password").AsString())
}

func TestErrorsAreClean(t *testing.T) {
	b := newBench(t)
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return blurter{}, nil }
	s := b.deps.Types[provA].Resources["user"]
	b.deps.Secrets = func(addr.Instance) (cty.Value, error) {
		return fake.Complete(s, map[string]cty.Value{"name": str("ann"), "password": str(password)}), nil
	}
	create := b.step(plan.Create, provA, "user", "ann", nil)
	create.Holes = []plan.Hole{{Path: "password", Secret: true}}
	_, diags := b.run(context.Background(), create)
	if len(diags) != 1 || strings.Contains(diags[0].Detail, password) || strings.Contains(diags[0].Detail, "\x1b") {
		t.Errorf("%q", diags)
	}
	if !slices.Contains(b.events, string(plan.Progress)+" ann") {
		t.Errorf("no progress in %v", b.events)
	}
}

func TestComputedValuesAreHandedOn(t *testing.T) {
	b := newBench(t)
	first := b.step(plan.Create, provA, "widget", "a", nil)
	second := b.step(plan.Create, provA, "widget", "b", nil, string(first.ID))
	from := first.Addr
	second.Holes = []plan.Hole{{Path: "peer", Addr: &from, Attr: "id"}}
	r, diags := b.run(context.Background(), first, second)
	if diags.HasErrors() || !strings.Contains(string(r.Outcomes[1].Object.Attrs), `"peer":"w-1"`) {
		t.Fatalf("%+v %v", r, diags)
	}
	gone := at("widget", "gone")
	second.Holes[0].Addr = &gone
	second.Needs = nil
	if r, diags := b.run(context.Background(), second); r.Failed != 1 || !strings.Contains(diags[0].Detail, "not known") {
		t.Errorf("%+v %v", r, diags)
	}
}

// No more steps run at once than allowed, and as many as that.
func TestParallelism(t *testing.T) {
	b := newBench(t)
	b.deps.Parallelism = 3
	var mu sync.Mutex
	now, most := 0, 0
	all := make(chan struct{})
	b.worlds[provA].Before = func(context.Context, int, string) {
		mu.Lock()
		now++
		if most = max(most, now); now == 3 && most == 3 {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		<-all
		mu.Lock()
		now--
		mu.Unlock()
	}
	var steps []plan.Step
	for i := range 30 {
		steps = append(steps, b.step(plan.Create, provA, "queue", fmt.Sprint("q", i), nil))
	}
	if r, diags := b.run(context.Background(), steps...); diags.HasErrors() || r.Done != 30 || most != 3 {
		t.Errorf("%s, %d at once, %v", counts(r), most, diags)
	}
}
