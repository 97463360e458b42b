package mqtt

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A watch hears what our router says of itself, from the first change on.
type watch struct {
	provider *provider

	dialling sync.Mutex
	client   *mqtt.Client

	mu      sync.Mutex
	last    routes.Announcement
	there   bool
	changed chan struct{} // closed at the next word
}

func (w *watch) begin(ctx context.Context) error {
	w.dialling.Lock()
	defer w.dialling.Unlock()
	if w.client != nil {
		return nil
	}
	o, err := w.provider.options(ctx)
	if err != nil {
		return err
	}
	w.changed = make(chan struct{})
	c, err := mqtt.DialClient(ctx, mqtt.ClientOptions{Options: o, Receive: w.receive})
	if err != nil {
		return access.ConnectionError(err)
	}
	if err := c.Subscribe(ctx, mqtt.Filter{Topic: routes.RouterTopic(w.provider.lineage)}); err != nil {
		_ = c.Close() // it has no error
		return err
	}
	w.client = c
	return nil
}

func (w *watch) receive(m mqtt.Received) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.there = routes.ParseAnnouncement(m.Body)
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) close() {
	w.dialling.Lock()
	defer w.dialling.Unlock()
	if w.client != nil {
		_ = w.client.Close() // it has no error
	}
}

// carried waits until the router carries a revision. Absent is for how long
// it may stay away; alone says that none is there.
func (w *watch) carried(ctx context.Context, revision int64, absent time.Duration) (alone bool, err error) {
	if err := w.begin(ctx); err != nil {
		return false, err
	}
	behind := time.NewTimer(w.provider.catalogue.limits.behind)
	defer behind.Stop()
	gone := time.NewTimer(absent)
	defer gone.Stop()
	for {
		w.mu.Lock()
		last, there, changed := w.last, w.there, w.changed
		w.mu.Unlock()
		if there && last.Revision >= revision {
			return false, nil
		}
		select {
		case <-changed:
			gone.Reset(absent) // it may have gone just now
		case <-gone.C:
			if !there {
				return true, nil
			}
		case <-behind.C:
			return false, w.late(last, there)
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

func (w *watch) late(last routes.Announcement, there bool) error {
	where := w.provider.settings.where()
	if !there {
		return fmt.Errorf("the router of this configuration at %s comes and goes; see the agent's log (msgflo logs)", where)
	}
	if last.Note != "" {
		return fmt.Errorf("the router of this configuration at %s does not carry the change: %s", where, diag.Escape(last.Note))
	}
	return fmt.Errorf("the router of this configuration announces itself at %s, but has not taken the change up within %s. "+
		"It may be gone without the broker knowing (another start of the agent replaces it), or be stuck; see the agent's log", where, w.provider.catalogue.limits.behind)
}
