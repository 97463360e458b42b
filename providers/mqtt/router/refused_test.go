package router_test

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// bouncer is a broker's hook that lets nobody read one topic while it is shut.
type bouncer struct {
	mochi.HookBase
	topic string
	shut  *atomic.Bool
}

func (b *bouncer) Provides(what byte) bool {
	return what == mochi.OnConnectAuthenticate || what == mochi.OnACLCheck
}

func (b *bouncer) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (b *bouncer) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return write || topic != b.topic || !b.shut.Load()
}

// TestRefusedAfterRestart: a broker that has forgotten the router's session, and
// lets it read a source no more, is told of; once it does the route is carried again.
func TestRefusedAfterRestart(t *testing.T) {
	addr := child.Address(t)
	proxy := transporttest.NewProxy(t, addr, nil)
	var shut atomic.Bool
	start := func() (stop func()) {
		b := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
		if err := b.AddHook(&bouncer{topic: "a", shut: &shut}, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: addr})); err != nil {
			t.Fatal(err)
		}
		if err := b.Serve(); err != nil {
			t.Fatal(err)
		}
		stop = sync.OnceFunc(func() {
			// A broker of this library that ends stands still for ever where a client comes
			// or goes just then (see embedded's gate).
			proxy.Down()
			eventually(t, "all clients are gone", func() bool { return atomic.LoadInt64(&b.Info.ClientsConnected) == 0 })
			_ = b.Close()
		})
		t.Cleanup(stop)
		proxy.Up()
		return stop
	}
	stop := start()
	w := newWorld(t, "mqtt://"+proxy.Addr, t.Name())
	r := w.router()
	w.route(routes.Route{From: "a", To: "to", QoS: 1})
	shut.Store(true)
	stop()
	start()
	eventually(t, "it is told", func() bool { return strings.Contains(r.note(), `refused the subscription to "a"`) })
	shut.Store(false)
	out := w.listen("to")
	eventually(t, "it is carried again", func() bool {
		w.send(mqtt.Outgoing{Topic: "a", Body: []byte("x"), QoS: 1})
		return len(out.all()) > 0
	})
	eventually(t, "it is told no more", func() bool { return !strings.Contains(r.note(), "refused") })
}
