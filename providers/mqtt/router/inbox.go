package router

import (
	"fmt"
	"sync"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
)

// An inbox holds what the loop has to look at: the last document that came,
// and that the connection was made anew. It never makes the connection wait.
type inbox struct {
	signal chan struct{} // holds one: there is something

	mu     sync.Mutex
	body   []byte
	fresh  bool // body is new
	again  bool // the desk connected again
	before bool // it was connected before
}

func (b *inbox) init() { b.signal = make(chan struct{}, 1) }

func (b *inbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

func (b *inbox) document(body []byte) {
	b.mu.Lock()
	b.body, b.fresh = body, true
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) up(bool) {
	b.mu.Lock()
	b.again = b.before
	b.before = true
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) take() (body []byte, fresh, again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, fresh, again = b.body, b.fresh, b.again
	b.fresh, b.again = false, false
	return body, fresh, again
}

// rivals is what is known of the lineage's routers, this one among them.
type rivals struct {
	mu    sync.Mutex
	last  routes.Announcement
	there bool
	epoch int64 // the highest ever heard of
}

func (o *rivals) hear(body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last, o.there = routes.ParseAnnouncement(body)
	o.epoch = max(o.epoch, o.last.Epoch)
}

// seen is what is announced now.
func (o *rivals) seen() (routes.Announcement, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last, o.there
}

// forget makes what is announced unknown until it comes again.
func (o *rivals) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.there = false
}

func (o *rivals) next() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.epoch++
	return o.epoch
}

// faults are what is wrong, by what it is about; the router goes on.
type faults struct {
	changed func()

	mu      sync.Mutex
	of      map[string]string
	refused int64 // messages that the broker would not have
}

func (f *faults) set(about, text string) {
	f.mu.Lock()
	if f.of == nil {
		f.of = map[string]string{}
	}
	same := f.of[about] == text
	if text == "" {
		delete(f.of, about)
	} else {
		f.of[about] = text
	}
	f.mu.Unlock()
	if !same {
		f.changed()
	}
}

func (f *faults) lost() {
	f.mu.Lock()
	f.refused++
	n := f.refused
	f.mu.Unlock()
	f.set(aboutMessages, fmt.Sprintf("the broker refused %d messages that were to be forwarded; see the agent's log", n))
}

func (f *faults) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, about := range []string{aboutDocument, aboutRoutes, aboutMessages, aboutSession} {
		if t := f.of[about]; t != "" {
			return t
		}
	}
	return ""
}

// What can be wrong, the worst first.
const (
	aboutDocument = "document"
	aboutRoutes   = "routes"
	aboutMessages = "messages"
	aboutSession  = "session"
)
