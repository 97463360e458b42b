package agent

import (
	"os"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/launch"
)

func TestLife(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("a/b ü", "sleep")
	s.Replicas = 2
	held := w.put(c, s)
	if n := len(w.pids(c, s)); n != 2 || held.Status.Wanted != 2 {
		t.Fatalf("%d run: %+v", n, held.Status)
	}
	for _, r := range held.Status.Replicas {
		if r.State != launch.Running || !living(r.PID) {
			t.Errorf("%+v", r)
		}
		// That it runs says nothing of what it has written by now.
		w.eventually("the first line of "+r.Log, func() bool {
			b, err := os.ReadFile(r.Log)
			return err == nil && strings.Contains(string(b), "hello from")
		})
	}
	pids := w.pids(c, s)
	w.delete(c, s)
	for _, pid := range pids {
		if living(pid) {
			t.Errorf("%d lives", pid)
		}
	}
}
