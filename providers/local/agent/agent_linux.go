package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// together is how many processes are being started at one moment without
// anybody asking for them: after a reboot, hundreds at once would all be late.
const together = 16

// An Agent holds the objects of one lineage.
type Agent struct {
	opts    Options
	place   control.Place
	book    *book
	boot    string
	self    string // this program, for built-in components
	log     *slog.Logger
	started time.Time

	ctx   context.Context // ends when the agent leaves; what runs is not stopped by that
	leave context.CancelFunc
	work  sync.WaitGroup
	turns chan struct{}

	mu       sync.Mutex
	roles    map[control.Key]*role
	hosts    map[control.Key]*host
	ops      map[control.Key]chan struct{} // one operation on a key at a time
	asking   int                           // requests being answered
	closing  bool
	released bool // the last object has gone
}

// Run is the agent of a lineage: it takes over what an earlier one left
// running, starts what is missing, and serves its socket. It returns nil when the context
// ends or it is asked to quit (then what runs is left running), when all was brought down, and
// when its last object is gone. A second agent for the lineage is an error.
func Run(ctx context.Context, o Options) error {
	o = o.filled()
	p, err := control.Locate(o.Lineage)
	if err != nil {
		return err
	}
	noInheritance()
	if err := p.Prepare(); err != nil {
		return err
	}
	unlock, err := alone(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	a, err := newAgent(ctx, o, p)
	if err != nil {
		return err
	}
	defer a.tidy()
	defer a.book.close()
	defer a.work.Wait()
	defer a.leave()
	if err := a.sit(); err != nil {
		return err
	}
	// The socket comes first: who waits for an agent is answered at once, and
	// waits for what it asks about.
	srv, err := a.listen()
	if err != nil {
		return err
	}
	defer srv.close()
	if err := a.takeOver(); err != nil {
		if a.ctx.Err() != nil {
			return nil // it was asked to quit meanwhile, and left all as it was
		}
		return err
	}
	srv.open()
	a.log.Info("agent runs", "pid", os.Getpid(), "version", o.Version, "lineage", o.Lineage)
	idle := time.NewTimer(o.Idle)
	defer idle.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return nil
		case <-idle.C:
			a.endIfUseless(true)
			idle.Reset(o.Idle)
		}
	}
}

// tidy removes the copies of the program where nothing is held any more: some 30 MB
// that nobody would miss. The folder is still locked, and who starts the next
// agent waits for that before it makes a copy.
func (a *Agent) tidy() {
	if !a.book.empty() {
		return
	}
	if err := os.RemoveAll(a.place.Programs()); err != nil {
		a.log.Warn("cannot remove the program's copy", "error", err)
	}
}

// alone locks the folder; an agent that has just been killed may still be
// about to let go.
func alone(ctx context.Context, p control.Place) (unlock func(), err error) {
	f, err := os.OpenFile(p.AgentLock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the agent's folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		ok, err := control.Lock(f)
		if ok {
			return func() { f.Close() }, nil
		}
		if err != nil || pause(ctx, 10*time.Millisecond) != nil {
			f.Close()
			seat, _ := p.Seat()
			return nil, errors.Join(fmt.Errorf("an agent for this state runs already (pid %d, lineage %s): `msgflo status` shows what it holds, `kill %d` ends it and leaves the participants running", seat.PID, diag.Escape(p.Lineage), seat.PID), err)
		}
	}
}

func newAgent(ctx context.Context, o Options, p control.Place) (*Agent, error) {
	a := &Agent{
		opts: o, place: p, boot: o.Boot, log: o.Log, started: o.Now(),
		turns: make(chan struct{}, together),
		roles: map[control.Key]*role{}, hosts: map[control.Key]*host{}, ops: map[control.Key]chan struct{}{},
	}
	if a.boot == "" {
		a.boot = bootID()
	}
	var err error
	if a.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	if a.book, err = openBook(p, o.Compact); err != nil {
		return nil, err
	}
	a.ctx, a.leave = context.WithCancel(ctx)
	return a, nil
}

// turn waits for one's turn to start a process; false if that is not to be any
// more.
func (a *Agent) turn(asked <-chan struct{}) (done func(), ok bool) {
	select {
	case a.turns <- struct{}{}:
		return func() { <-a.turns }, true
	case <-asked:
	case <-a.ctx.Done():
	}
	return func() {}, false
}

// sit writes down where the agent listens, for who looks in another
// environment; and drops programs of earlier agents.
func (a *Agent) sit() error {
	b, err := json.Marshal(control.Seat{Socket: a.place.Socket, PID: os.Getpid(), Lineage: a.opts.Lineage, Dir: a.opts.Dir, State: a.opts.State})
	if err != nil {
		return err
	}
	bin := a.place.Programs()
	others, _ := os.ReadDir(bin)
	for _, o := range others {
		if dir := filepath.Join(bin, o.Name()); dir != filepath.Dir(a.self) && filepath.Dir(filepath.Dir(a.self)) == bin {
			_ = os.RemoveAll(dir)
		}
	}
	return renameio.WriteFile(a.place.AgentFile(), b, 0o600)
}

// compared notes how a participant's announcement differs from its
// declaration.
func (a *Agent) compared(s launch.Spec, mismatch string) {
	a.mu.Lock()
	ro := a.roles[control.Key{Kind: control.Process, Name: s.Broker + "/" + s.Role}]
	a.mu.Unlock()
	if ro != nil {
		ro.mu.Lock()
		ro.mismatch = mismatch
		ro.mu.Unlock()
	}
}

// enters counts a request; false when the agent is about to end.
func (a *Agent) enters() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return false
	}
	a.asking++
	return true
}

// leaves ends a request, and the agent with it if that was the last use.
func (a *Agent) leaves() {
	a.mu.Lock()
	a.asking--
	a.mu.Unlock()
	a.endIfUseless(false)
}

// endIfUseless ends the agent when it holds nothing and nobody asks: at once
// after its last object went, else when it was idle.
func (a *Agent) endIfUseless(idle bool) {
	empty := a.book.empty()
	a.mu.Lock()
	defer a.mu.Unlock()
	if empty && a.asking == 0 && (a.released || idle) && !a.closing {
		a.closing = true
		a.leave()
	}
}
