package transporttest

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands between a client and a broker, and breaks what is between
// them whenever a test wants.
type Proxy struct {
	Addr string // host:port for the client

	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// NewProxy forwards to a TCP address until the test ends. With a configuration
// it speaks TLS to the client.
func NewProxy(t testing.TB, target string, secure *tls.Config) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]bool{}}
	p.tasks.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Down()
		p.tasks.Wait()
	})
	return p
}

// Cut breaks all connections; new ones are served.
func (p *Proxy) Cut() {
	p.Down()
	p.Up()
}

// Down breaks all connections, and new ones at once, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// Up serves new connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	down := p.down
	if !down {
		p.conns[client], p.conns[server] = true, true
	}
	p.mu.Unlock()
	if down {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}
