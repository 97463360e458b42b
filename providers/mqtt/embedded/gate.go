package embedded

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// A gate lets connections in until it is shut. The broker waits for its clients
// when it ends, and would miss, or wait for, one that comes just then.
type gate struct {
	clients  *sync.WaitGroup // the broker's
	patience time.Duration   // with a client that does not read

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
	g.clients.Add(1)
	if g.conns == nil {
		g.conns = map[net.Conn]bool{}
	}
	g.conns[c] = true
	g.mu.Unlock()
	defer g.clients.Done()
	f()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// close shuts the gate; leave says farewell to the clients that are known, and
// the connections of all others are closed.
func (g *gate) close(leave func()) {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	leave()
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
func (p *plain) Close(closeClients listeners.CloseFn) {
	p.Listener.Close()
	p.close(func() { closeClients(p.ID()) })
}
