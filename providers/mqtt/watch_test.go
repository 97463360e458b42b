package mqtt

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// TestRouterGoes: a router that goes while it is waited for, however late, is
// absent from then on.
func TestRouterGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const absent = time.Second
		w := &watch{
			provider: &provider{settings: &settings{link: &url.URL{}}, catalogue: &catalogue{limits: limits{absent: absent, behind: time.Minute}}},
			client:   new(mqtt.Client), changed: make(chan struct{}),
			there: true, last: routes.Announcement{Revision: 1},
		}
		time.AfterFunc(3*absent, func() { w.receive(mqtt.Received{}) })
		if alone, err := w.carried(t.Context(), 2, absent); !alone || err != nil {
			t.Errorf("alone %t: %v", alone, err)
		}
	})
}
