package embedded

import (
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// A gate lets connections in until it is shut. The broker waits for its clients
// when it ends, and would miss, or wait for, one that comes just then.
type gate struct {
	broker   *mochi.Server
	patience time.Duration // with a client that does not read

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

// pass runs f for a connection, unless the gate is shut.
func (g *gate) pass(c net.Conn, f func()) {
	g.mu.Lock()
	if g.shut {
		g.mu.Unlock()
		c.Close()
		return
	}
	g.broker.Listeners.ClientsWg.Add(1)
	if g.conns == nil {
		g.conns = map[net.Conn]bool{}
	}
	g.conns[c] = true
	g.mu.Unlock()
	defer g.broker.Listeners.ClientsWg.Done()
	f()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// close shuts the gate of a listener: the clients that are known get a farewell,
// and the connections of all others are closed.
//
// It is not left to the broker's own listeners.CloseFn: that locks the table of
// clients for reading twice (Clients.GetByListener, v2.7.9), and stands still for
// ever where a client is taken out of it in between.
func (g *gate) close(listener string) {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	for _, c := range g.broker.Clients.GetAll() {
		if c.Net.Listener == listener && !c.Closed() {
			_ = g.broker.DisconnectClient(c, packets.ErrServerShuttingDown) // it says why it was disconnected
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Close()
	}
}

// A plain is a listener for MQTT over TCP.
type plain struct {
	gate
	net.Listener
}

func (p *plain) ID() string              { return "tcp" }
func (p *plain) Address() string         { return p.Addr().String() }
func (p *plain) Protocol() string        { return "tcp" }
func (p *plain) Init(*slog.Logger) error { return nil }

// Serve implements listeners.Listener.
func (p *plain) Serve(establish listeners.EstablishFn) {
	for {
		c, err := p.Accept()
		if err != nil {
			return // closed
		}
		go p.pass(c, func() { _ = establish(p.ID(), steady{c, p.patience}) }) // how a client ended is no news
	}
}

// Close implements listeners.Listener.
func (p *plain) Close(listeners.CloseFn) {
	p.Listener.Close()
	p.close(p.ID())
}
