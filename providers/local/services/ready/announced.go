package ready

import (
	"context"
	"fmt"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/transport"
)

// announcedProbe waits until as many processes of the role announced
// themselves as were started, by ids that nobody had before.
type announcedProbe struct {
	lifetime
	ear      *ear
	spec     launch.Spec
	replicas int
	wake     chan struct{} // holds one
	// unique: each process has an id of its own. All processes of a msgflo-cpp
	// program have the same (msgflo-wire.md §1.3), and a sketch has the one in it.
	unique bool
	// counted are the consumers of its queues, nil where they cannot be counted.
	counted *consumers
	// proof: it must be seen from the consumers, too, that it is a new process
	// that speaks: one that ran before may be heard now for the first time.
	proof bool

	// Under ear.mu.
	announcements int // of new processes
	heartbeats    int // of the role, of processes known before
	others        []discovery.Announcement
	moreOthers    int
	mismatch      string
}

// keptOthers is how many strangers are remembered for the error.
const keptOthers = 50

// Announced is the launch.Prober of launch.Announced.
func (p *Prober) Announced(ctx context.Context, spec launch.Spec, brokerURL string, replicas int) (launch.Probe, error) {
	e := p.ear(brokerURL)
	conn, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	probe := &announcedProbe{
		ear: e, spec: spec, replicas: replicas, wake: make(chan struct{}, 1),
		unique: spec.Client != "cpp" && spec.Client != "arduino",
	}
	if err := probe.count(ctx, conn); err != nil {
		e.close()
		return nil, err
	}
	known := e.join(probe)
	if probe.counted != nil {
		probe.proof = !probe.unique || probe.counted.most() > known
	}
	probe.bind(ctx, func() { e.leave(probe); e.close() })
	return probe, nil
}

func (p *announcedProbe) count(ctx context.Context, conn transport.Conn) (err error) {
	queues := inQueues(p.spec)
	if at, ok := conn.(transport.Inspector); ok && len(queues) > 0 {
		p.counted, err = countConsumers(ctx, at, queues)
	}
	return err
}

func (p *announcedProbe) noteOther(a discovery.Announcement) {
	if len(p.others) < keptOthers {
		p.others = append(p.others, a)
	} else {
		p.moreOthers++
	}
}

// Wait implements launch.Probe.
func (p *announcedProbe) Wait(ctx context.Context) error {
	defer func() { _ = p.Close() }() // never fails
	err := poll(ctx, p.wake, func() (bool, error) {
		if !p.spoke() {
			return false, nil
		}
		if !p.proof {
			return true, nil
		}
		if err := p.counted.look(ctx); err != nil {
			return false, err
		}
		rose, _ := p.counted.rose(p.replicas) // some clients consume their first inport only
		return len(rose) > 0, nil
	})
	if err == nil || ctx.Err() == nil {
		return err
	}
	return p.unready()
}

// Mismatch implements launch.Comparer: how what the role announced last
// differs from its declaration.
func (p *announcedProbe) Mismatch() string {
	p.ear.mu.Lock()
	defer p.ear.mu.Unlock()
	return p.mismatch
}

// spoke reports whether enough was said.
func (p *announcedProbe) spoke() bool {
	p.ear.mu.Lock()
	defer p.ear.mu.Unlock()
	if !p.unique && p.proof {
		return p.announcements > 0
	}
	return p.announcements >= p.replicas
}

// unready says what was seen instead.
func (p *announcedProbe) unready() error {
	rivals, dropped := p.asides()
	p.ear.mu.Lock()
	defer p.ear.mu.Unlock()
	role := quote(p.spec.Role)
	var out []string
	switch {
	case p.announcements > 0 && p.proof:
		out = append(out, fmt.Sprintf("role %s was announced, perhaps by a process that ran before, and none of its queues has new consumers: %s",
			role, p.counted.describe(p.counted.queues[0], p.replicas)))
	case p.announcements > 0:
		out = append(out, fmt.Sprintf("%d of %d processes of role %s announced themselves", p.announcements, p.replicas, role))
	case p.heartbeats > 0:
		out = append(out, fmt.Sprintf("only processes of role %s that ran before were heard, none that is new", role))
	default:
		out = append(out, fmt.Sprintf("it did not announce itself as role %s", role), p.whoElse())
	}
	if p.mismatch != "" {
		out = append(out, p.mismatch)
	}
	if dropped > 0 && p.announcements < p.replicas {
		out = append(out, fmt.Sprintf("%s there could not be read", diag.Count(dropped, "message")))
	}
	if rivals > 0 {
		out = append(out, fmt.Sprintf("the queue %s has %s, by which announcements are taken away: an old coordinator, or `msgflo-setup --discover`; stop it",
			wire.Queue, diag.Count(rivals, "other consumer")))
	}
	return fmt.Errorf("%s", strings.Join(out, "; "))
}

// asides are who takes announcements away, 0 where that cannot be known, and
// how many messages were no announcements.
func (p *announcedProbe) asides() (rivals, dropped int) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	p.ear.opening.Lock()
	w := p.ear.watch
	p.ear.opening.Unlock()
	rivals, err := w.Rivals(ctx)
	if err != nil {
		rivals = 0
	}
	return rivals, w.Counts().Dropped()
}

// whoElse tells of who was heard, likeliest first: it may be the one that was
// waited for, under another role.
func (p *announcedProbe) whoElse() string {
	var roles []string
	for _, a := range p.others {
		if p.alike(a) {
			return fmt.Sprintf("it announced itself as role %s, not %s", quote(a.Role), quote(p.spec.Role))
		}
		roles = append(roles, a.Role)
	}
	switch n := len(roles) + p.moreOthers; {
	case n == 0:
		return "nobody was heard"
	case diag.Nearest(p.spec.Role, roles) != "":
		return fmt.Sprintf("role %s was heard", quote(diag.Nearest(p.spec.Role, roles)))
	default:
		return fmt.Sprintf("%s of other roles came meanwhile", diag.Count(n, "announcement"))
	}
}

// alike: the same component, or the same queue.
func (p *announcedProbe) alike(a discovery.Announcement) bool {
	if a.Component == p.spec.Component {
		return true
	}
	for _, mine := range p.spec.Inports {
		for _, theirs := range a.Inports {
			if mine.Queue != "" && mine.Queue == theirs.Queue {
				return true
			}
		}
	}
	return false
}

func quote(s string) string { return `"` + diag.Escape(s) + `"` }
