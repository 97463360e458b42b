// Package storetest is the conformance suite of stores: what every place that
// keeps state must do. A store's own test calls Run and adds what only that
// place can get wrong.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/state"
)

// A Place is one place that keeps state, empty at first. Open returns another
// handle to it, as another run would have.
type Place struct {
	Open func(t *testing.T) state.Store
	// Previous returns the version before the stored one, nil where the store
	// keeps none.
	Previous func(t *testing.T) *state.Snapshot
	// LocksDie says that a lock is freed with its holder, so that one that
	// lives cannot be taken by force.
	LocksDie bool
}

// Run runs the suite; place makes a new place for every test.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"load none":               loadNone,
		"save and load":           saveLoad,
		"previous version":        previous,
		"moved under a reader":    movedReader,
		"moved under a writer":    movedWriter,
		"moved under a first run": movedFirst,
		"push over anything":      pushOver,
		"lock excludes":           lockExcludes,
		"lock is waited for":      lockWaits,
		"lock wait is cancelled":  lockCancelled,
		"one lock of many runs":   lockMany,
		"force-unlock":            forceUnlock,
		"a run and its end":       runEnds,
		"a run that was killed":   runKilled,
		"killed twice":            runKilledTwice,
		"a run that never saved":  runWithoutState,
	} {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

// Snapshot returns a state with n queues.
func Snapshot(lineage string, serial uint64, n int) *state.Snapshot {
	s := state.New(lineage)
	s.Serial, s.MsgfloVersion = serial, "0.1.0"
	for i := range n {
		s.Objects = append(s.Objects, *queue(i))
	}
	return s
}

func queueAt(i int) addr.Instance {
	return addr.Instance{Type: "queue", Name: "q", Key: addr.IntKey(i)}
}

func queue(i int) *state.Object {
	return &state.Object{
		Addr: queueAt(i), Provider: addr.Provider{Kind: "broker", Name: "main"}, ProviderType: "rabbitmq",
		Attrs: json.RawMessage(fmt.Sprintf(`{"name":"q%d"}`, i)), Owned: true,
	}
}

// Info returns what a run called id writes into a lock.
func Info(id string) state.LockInfo {
	return state.LockInfo{ID: id, Operation: "apply", Who: "ada@elsewhere", Version: "0.1.0", Created: time.Unix(1700000000, 0).UTC(), PID: 42}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s state.Store) *state.Snapshot {
	t.Helper()
	snap, err := s.Load(t.Context())
	must(t, err)
	return snap
}

func serial(t *testing.T, p Place, want uint64) {
	t.Helper()
	if got := load(t, p.Open(t)); got == nil || got.Serial != want {
		t.Fatalf("stored: %+v, want serial %d", got, want)
	}
}

func loadNone(t *testing.T, p Place) {
	s := p.Open(t)
	if got := load(t, s); got != nil {
		t.Fatalf("%+v", got)
	}
	if in, outs, err := s.Unfinished(t.Context()); in != nil || outs != nil || err != nil {
		t.Fatal(in, outs, err)
	}
	must(t, s.End(t.Context()))
	if s.Describe() == "" {
		t.Error("no name")
	}
}

func saveLoad(t *testing.T, p Place) {
	want := Snapshot("l", 1, 3)
	must(t, p.Open(t).Save(t.Context(), want))
	got := load(t, p.Open(t))
	same(t, got, want)
}

func same(t *testing.T, got, want *state.Snapshot) {
	t.Helper()
	a, err1 := state.Encode(got)
	b, err2 := state.Encode(want)
	must(t, errors.Join(err1, err2))
	if string(a) != string(b) {
		t.Fatalf("got %s\nwant %s", a, b)
	}
}

func previous(t *testing.T, p Place) {
	s := p.Open(t)
	for i := range uint64(3) {
		must(t, s.Save(t.Context(), Snapshot("l", i+1, int(i))))
	}
	if p.Previous == nil {
		return
	}
	if got := p.Previous(t); got == nil || got.Serial != 2 {
		t.Fatalf("%+v", got)
	}
}

func movedReader(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 1, 1)))
	a, b := p.Open(t), p.Open(t)
	load(t, a)
	load(t, b)
	must(t, a.Save(t.Context(), Snapshot("l", 2, 2)))
	if err := b.Save(t.Context(), Snapshot("l", 2, 3)); !errors.Is(err, state.ErrMoved) {
		t.Fatal(err)
	}
	must(t, a.Save(t.Context(), Snapshot("l", 3, 4)))
	serial(t, p, 3)
}

func movedWriter(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 5, 1)))
	for _, s := range []*state.Snapshot{Snapshot("l", 5, 2), Snapshot("l", 4, 2), Snapshot("m", 6, 2)} {
		if err := p.Open(t).Save(t.Context(), s); !errors.Is(err, state.ErrMoved) {
			t.Fatalf("%s %d: %v", s.Lineage, s.Serial, err)
		}
	}
	serial(t, p, 5)
}

func movedFirst(t *testing.T, p Place) {
	a, b := p.Open(t), p.Open(t)
	load(t, a)
	load(t, b)
	must(t, a.Save(t.Context(), Snapshot("l", 1, 1)))
	if err := b.Save(t.Context(), Snapshot("m", 1, 1)); !errors.Is(err, state.ErrMoved) {
		t.Fatal(err)
	}
}

// pushOver: who has read what is stored may replace it by anything.
func pushOver(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 5, 1)))
	s := p.Open(t)
	load(t, s)
	must(t, s.Save(t.Context(), Snapshot("m", 2, 0)))
	same(t, load(t, p.Open(t)), Snapshot("m", 2, 0))
}

func lock(t *testing.T, s state.Store, id string) state.Unlocker {
	t.Helper()
	l, err := s.Lock(t.Context(), Info(id), 0)
	must(t, err)
	return l
}

func lockExcludes(t *testing.T, p Place) {
	a, b := p.Open(t), p.Open(t)
	l := lock(t, a, "one")
	must(t, l.Check())
	_, err := b.Lock(t.Context(), Info("two"), 0)
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder.ID != "one" || locked.Holder.Who != "ada@elsewhere" || !locked.Holder.Created.Equal(Info("").Created) {
		t.Fatalf("%v", err)
	}
	must(t, l.Check())
	must(t, l.Unlock())
	l = lock(t, b, "two")
	must(t, l.Unlock())
	must(t, l.Unlock())
}

func lockWaits(t *testing.T, p Place) {
	l := lock(t, p.Open(t), "one")
	got := make(chan error)
	b := p.Open(t)
	go func() {
		l, err := b.Lock(context.WithoutCancel(t.Context()), Info("two"), time.Minute)
		if err == nil {
			err = l.Unlock()
		}
		got <- err
	}()
	must(t, l.Unlock())
	must(t, <-got)
}

func lockCancelled(t *testing.T, p Place) {
	l := lock(t, p.Open(t), "one")
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	b := p.Open(t)
	go func() {
		_, err := b.Lock(ctx, Info("two"), time.Hour)
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, l.Unlock())
}

// lockMany: runs that come and go never hold the lock together.
func lockMany(t *testing.T, p Place) {
	var mu sync.Mutex // fails to be free if two hold the lock
	var wg sync.WaitGroup
	for i := range 6 {
		s := p.Open(t)
		wg.Go(func() {
			l, err := s.Lock(t.Context(), Info(fmt.Sprint(i)), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			if !mu.TryLock() {
				t.Error("two runs hold the lock")
			} else {
				if err := l.Check(); err != nil {
					t.Error(err)
				}
				mu.Unlock()
			}
			if err := l.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func forceUnlock(t *testing.T, p Place) {
	a, b := p.Open(t), p.Open(t)
	l := lock(t, a, "one")
	err := b.ForceUnlock(t.Context(), "two")
	if _, refused := errors.AsType[*state.UnlockError](err); !refused {
		t.Fatal(err)
	}
	must(t, l.Check())
	must(t, b.ForceUnlock(t.Context(), "one"))
	l2 := lock(t, b, "two")
	if p.LocksDie {
		if err := l.Check(); err == nil {
			t.Error("the robbed run does not know")
		}
	}
	_ = l.Unlock() // what a run does that lost its lock; it must not free the other's
	if p.LocksDie {
		must(t, l2.Check())
	}
	if _, err := a.Lock(t.Context(), Info("three"), 0); err == nil {
		t.Error("the robbed run freed the other's lock")
	}
	must(t, l2.Unlock())
}

func begin(t *testing.T, s state.Store, id string, serial uint64, outcomes ...int) {
	t.Helper()
	r, err := s.Begin(t.Context(), state.Intent{ID: id, Lineage: "l", Serial: serial, Plan: json.RawMessage(`{"run":"` + id + `"}`)})
	must(t, err)
	var wg sync.WaitGroup
	for _, i := range outcomes {
		wg.Go(func() {
			if err := r.Record(t.Context(), state.Outcome{Run: id, Addr: queueAt(i), Object: queue(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, r.Close())
}

func unfinished(t *testing.T, p Place, id string, outcomes int) {
	t.Helper()
	in, outs, err := p.Open(t).Unfinished(t.Context())
	must(t, err)
	if in == nil || in.ID != id || string(in.Plan) != `{"run":"`+id+`"}` || in.Lineage != "l" {
		t.Fatalf("intent %+v, want that of %s", in, id)
	}
	if len(outs) != outcomes {
		t.Fatalf("%d outcomes, want %d: %v", len(outs), outcomes, outs)
	}
	for _, o := range outs {
		if o.Object == nil || o.Object.Addr != o.Addr || len(o.Object.Attrs) == 0 || !o.Object.Owned {
			t.Fatalf("outcome %+v", o)
		}
	}
}

func finished(t *testing.T, p Place) {
	t.Helper()
	if in, outs, err := p.Open(t).Unfinished(t.Context()); in != nil || outs != nil || err != nil {
		t.Fatal(in, outs, err)
	}
}

func runEnds(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 1, 1)))
	s := p.Open(t)
	load(t, s)
	begin(t, s, "r1", 1, 1, 2, 3)
	must(t, s.Save(t.Context(), Snapshot("l", 2, 4)))
	unfinished(t, p, "r1", 3) // until it says that it ended
	must(t, s.End(t.Context()))
	finished(t, p)
	serial(t, p, 2)
	begin(t, s, "r2", 2) // nothing of the first one is left
	unfinished(t, p, "r2", 0)
	must(t, s.End(t.Context()))
	must(t, s.Save(t.Context(), Snapshot("l", 3, 0)))
	finished(t, p)
	serial(t, p, 3)
}

func runKilled(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 1, 1)))
	s := p.Open(t)
	load(t, s)
	begin(t, s, "r1", 1, 1, 2)
	unfinished(t, p, "r1", 2)
	s = p.Open(t)
	load(t, s)
	must(t, s.Save(t.Context(), Snapshot("l", 2, 3)))
	must(t, s.End(t.Context()))
	finished(t, p)
	serial(t, p, 2)
}

// runKilledTwice: what the first run did counts until a state has it, though
// a second one began and was killed as well.
func runKilledTwice(t *testing.T, p Place) {
	must(t, p.Open(t).Save(t.Context(), Snapshot("l", 1, 1)))
	for i, id := range []string{"r1", "r2", "r3"} {
		s := p.Open(t)
		load(t, s)
		begin(t, s, id, 1, i+1)
	}
	unfinished(t, p, "r3", 3)
	s := p.Open(t)
	load(t, s)
	must(t, s.End(t.Context()))
	finished(t, p)
}

func runWithoutState(t *testing.T, p Place) {
	s := p.Open(t)
	if load(t, s) != nil {
		t.Fatal("something is there")
	}
	begin(t, s, "r1", 0, 1)
	unfinished(t, p, "r1", 1)
	next := p.Open(t)
	load(t, next)
	must(t, next.Save(t.Context(), Snapshot("l", 1, 1)))
	must(t, next.End(t.Context()))
	finished(t, p)
	same(t, load(t, p.Open(t)), Snapshot("l", 1, 1))
}
