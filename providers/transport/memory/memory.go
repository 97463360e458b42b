// Package memory is a broker inside the process, for tests and for systems
// that need no other: queues, fanout exchanges, bindings, prefetch,
// acknowledgements and dead letters behave as RabbitMQ's do. It keeps nothing
// when the process ends.
//
// It imports the standard library and providers/transport only.
package memory

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/msgflo/msgflo/providers/transport"
)

// A Broker holds queues and exchanges.
type Broker struct {
	mu        sync.Mutex
	queues    map[string]*queue
	exchanges map[string]transport.Exchange
	bindings  map[transport.Binding]bool
	links     map[transport.Link]bool // between exchanges
	taps      int                     // made so far; their names
}

type queue struct {
	decl      transport.Queue
	messages  []message // ready, in order
	consumers []*subscription
	next      int // the consumer whose turn it is
}

type message struct {
	transport.Message
	redelivered bool
}

// New makes an empty broker.
func New() *Broker {
	return &Broker{
		queues: map[string]*queue{}, exchanges: map[string]transport.Exchange{}, bindings: map[transport.Binding]bool{},
		links: map[transport.Link]bool{},
	}
}

// Connect makes a connection to the broker.
func (b *Broker) Connect() *Conn {
	return &Conn{broker: b, subs: map[*subscription]bool{}, changed: make(chan struct{})}
}

// Ready is the number of messages of a queue that wait for a consumer.
func (b *Broker) Ready(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[name]; q != nil {
		return len(q.messages)
	}
	return 0
}

func (b *Broker) declare(t transport.Topology) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range t.Exchanges {
		if have, ok := b.exchanges[e.Name]; ok && !reflect.DeepEqual(have, e) {
			return fmt.Errorf("declaring exchange %q: it exists and differs", e.Name)
		}
		b.exchanges[e.Name] = e
	}
	for _, q := range t.Queues {
		have, ok := b.queues[q.Name]
		if ok && !reflect.DeepEqual(have.decl, q) {
			return fmt.Errorf("declaring queue %q: it exists and differs", q.Name)
		}
		if !ok {
			b.queues[q.Name] = &queue{decl: q}
		}
	}
	for _, bi := range t.Bindings {
		if _, ok := b.exchanges[bi.Exchange]; !ok || b.queues[bi.Queue] == nil {
			return fmt.Errorf("binding queue %q to exchange %q: one of them does not exist", bi.Queue, bi.Exchange)
		}
		b.bindings[bi] = true
	}
	return nil
}

func (b *Broker) publish(to transport.Address, m transport.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to.Exchange == "" {
		q := b.queues[to.Key]
		if q == nil {
			return fmt.Errorf("publishing to queue %q: %w", to.Key, transport.ErrNoQueue)
		}
		q.put(message{Message: m})
		return nil
	}
	if _, ok := b.exchanges[to.Exchange]; !ok {
		return fmt.Errorf("publishing to exchange %q: %w", to.Exchange, transport.ErrNoExchange)
	}
	if b.fanOut(to.Exchange, m) == 0 && to.Mandatory {
		return fmt.Errorf("publishing to exchange %q: %w", to.Exchange, transport.ErrUnroutable)
	}
	return nil
}

// delete removes a queue with its bindings. Under mu.
func (b *Broker) delete(name string) {
	delete(b.queues, name)
	for bi := range b.bindings {
		if bi.Queue == name {
			delete(b.bindings, bi)
		}
	}
}

// fanOut gives every queue that the exchange leads to one copy, and says to
// how many. Under mu.
func (b *Broker) fanOut(exchange string, m transport.Message) int {
	to := map[string]bool{}
	b.reach(exchange, map[string]bool{}, to)
	for name := range to {
		b.queues[name].put(message{Message: m})
	}
	return len(to)
}

// reach collects the queues that an exchange leads to, over other exchanges.
func (b *Broker) reach(exchange string, seen, queues map[string]bool) {
	if seen[exchange] {
		return
	}
	seen[exchange] = true
	for bi := range b.bindings {
		if bi.Exchange == exchange {
			queues[bi.Queue] = true
		}
	}
	for l := range b.links {
		if l.Source == exchange {
			b.reach(l.Destination, seen, queues)
		}
	}
}

// refuse is a nack without requeue. Under mu.
func (b *Broker) refuse(q *queue, m message) {
	if dlx, ok := q.decl.Arguments[transport.KeyDeadLetter].(string); ok {
		b.fanOut(dlx, m.Message)
	}
}

func (q *queue) put(m message) {
	q.messages = append(q.messages, m)
	q.dispatch()
}

// dispatch gives ready messages to consumers that have room, by turns.
func (q *queue) dispatch() {
	for len(q.messages) > 0 {
		s := q.roomy()
		if s == nil {
			return
		}
		m := q.messages[0]
		q.messages = q.messages[1:]
		s.deliver(m)
	}
}

func (q *queue) roomy() *subscription {
	for range q.consumers {
		s := q.consumers[q.next%len(q.consumers)]
		q.next++
		if len(s.unsettled) < s.prefetch {
			return s
		}
	}
	return nil
}
