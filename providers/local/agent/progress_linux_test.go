package agent

import (
	"context"
	"errors"
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
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"false"}, Timeout: time.Minute}
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

// What takes long says what it waits for: the broker, or the process. Who waits goes away
// once that was said; so it does not matter how long the rest takes.
func TestWaitingIsTold(t *testing.T) {
	w := newWorld(t)
	quit := w.agent(func(o *Options) {
		o.Patience = time.Millisecond
		o.Probers = map[string]launch.Prober{launch.Announced: func(ctx context.Context, _ launch.Spec, _ string, _ int) (launch.Probe, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	})
	defer quit()
	c := w.client()
	s := w.spec("resize", "sleep")
	s.Ready = launch.Ready{When: launch.Announced, Timeout: time.Minute}
	w.told(c, s, func(text string) bool {
		return strings.HasPrefix(text, `waiting up to 1m0s for broker "main" to answer: resize is started once `)
	})
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"false"}, Timeout: time.Minute}
	w.told(c, s, func(text string) bool {
		return strings.HasPrefix(text, "resize[0] runs (pid ") && strings.Contains(text, "is waited for, up to 1m0s (readiness exec: `false`")
	})
}

// told puts what will not become ready, and goes away when the text was said.
func (w *world) told(c *control.Client, s launch.Spec, is func(string) bool) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	var texts []string
	_, err := c.Put(ctx, w.object(s), func(e control.Event) {
		if texts = append(texts, e.Text); is(e.Text) {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		w.Errorf("%q, %v", texts, err)
	}
}
