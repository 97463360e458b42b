package ready

import (
	"context"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/transport"
)

// farewell bounds taking leave of a broker that may be gone.
const farewell = 5 * time.Second

// An ear hears what is announced on one broker while anything is probed
// there. Whom it heard it remembers longer: an announcement does not say whether it is
// the first one or a heartbeat, only its id being new does.
type ear struct {
	connections *services.Connections
	url         string

	opening sync.Mutex // one at a time listens or stops

	mu     sync.Mutex
	table  *discovery.Table
	probes []*announcedProbe // in the order of their beginnings

	// Under opening.
	users   int
	conn    transport.Conn
	release func()
	watch   *discovery.Watch
	heard   sync.WaitGroup
}

func (p *Prober) ear(url string) *ear {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.ears[url]
	if e == nil {
		e = &ear{connections: p.connections, url: url, table: discovery.NewTable()}
		p.ears[url] = e
	}
	return e
}

// open begins to listen unless somebody did; each open wants its close.
func (e *ear) open(ctx context.Context) (transport.Conn, error) {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.users == 0 {
		conn, release, err := e.connections.Take(ctx, e.url)
		if err != nil {
			return nil, err
		}
		w, err := discovery.Listen(ctx, conn)
		if err != nil {
			release()
			return nil, err
		}
		e.conn, e.release, e.watch = conn, release, w
		e.heard.Go(func() { e.listen(w) })
	}
	e.users++
	return e.conn, nil
}

func (e *ear) close() {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if e.watch.Close(ctx) == nil {
		e.heard.Wait()
	}
	e.release()
}

func (e *ear) listen(w *discovery.Watch) {
	for a := range w.Announcements() {
		e.hear(a)
	}
}

// hear enters an announcement and gives it to the probes. A new process is
// that of one probe: the first begun that lacks one.
func (e *ear) hear(a discovery.Announcement) {
	e.mu.Lock()
	defer e.mu.Unlock()
	news := e.table.Hear(a, a.Received) == discovery.New
	taken := false
	for _, p := range e.probes {
		if a.Role != p.spec.Role {
			if news {
				p.noteOther(a)
			}
			continue
		}
		p.mismatch = discovery.Mismatch(p.spec, a)
		switch {
		case !p.unique:
			p.announcements++
		case news && !taken && p.announcements < p.replicas:
			p.announcements++
			taken = true
		default:
			p.heartbeats++
			continue
		}
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// join adds a probe, and says how many processes of its role are known.
func (e *ear) join(p *announcedProbe) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.probes = append(e.probes, p)
	n := 0
	for _, k := range e.table.Participants() {
		if k.Role == p.spec.Role {
			n++
		}
	}
	return n
}

func (e *ear) leave(p *announcedProbe) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, q := range e.probes {
		if q == p {
			e.probes = append(e.probes[:i:i], e.probes[i+1:]...)
			return
		}
	}
}
