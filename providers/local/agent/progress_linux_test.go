package agent

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// heard are the texts that come beside the count of what is done.
func (w *world) heard(c *control.Client, s launch.Spec) (texts []string, err error) {
	_, err = c.Put(w.Context(), w.object(s), func(e control.Event) { texts = append(texts, e.Text) })
	return texts, err
}

// Each start that fails is told to who waits, before the verdict.
func TestFailedStartsAreTold(t *testing.T) {
	w := newWorld(t)
	defer w.agent(nil)()
	c := w.client()
	s := w.shell("resize", "exit 3")
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"false"}, Timeout: 30 * time.Second}
	got, err := w.heard(c, s)
	if err == nil {
		t.Fatal("no error")
	}
	told := 0
	for _, text := range got {
		if strings.HasPrefix(text, "resize[0] ended (exit status 3); starting it again in ") {
			told++
		}
	}
	if told != s.Restart.Max {
		t.Errorf("%d of %d restarts were told: %q", told, s.Restart.Max, got)
	}
	w.contains(err.Error(), "exit status 3", "it was restarted 3 times within 1m0s")
}

// What takes long says what it waits for: the broker, or the process.
func TestWaitingIsTold(t *testing.T) {
	w := newWorld(t)
	silent := make(chan struct{})
	quit := w.agent(func(o *Options) {
		o.Patience = time.Millisecond
		o.Probers = map[string]launch.Prober{launch.Announced: func(ctx context.Context, _ launch.Spec, _ string, _ int) (launch.Probe, error) {
			select {
			case <-silent:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		}}
	})
	defer quit()
	defer close(silent)
	c := w.client()
	s := w.spec("resize", "sleep")
	s.Ready = launch.Ready{When: launch.Announced, Timeout: time.Second}
	got, err := w.heard(c, s)
	if err == nil || !slices.ContainsFunc(got, func(text string) bool {
		return strings.HasPrefix(text, `waiting up to 1s for broker "main" to answer: resize is started once `)
	}) {
		t.Errorf("%q, %v", got, err)
	}
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"false"}, Timeout: time.Second}
	got, err = w.heard(c, s)
	if err == nil || !slices.ContainsFunc(got, func(text string) bool {
		return strings.HasPrefix(text, "resize[0] runs (pid ") && strings.Contains(text, "is waited for, up to 1s (readiness exec: `false`")
	}) {
		t.Errorf("%q, %v", got, err)
	}
}
