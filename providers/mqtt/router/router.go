package router

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
	"github.com/msgflo/msgflo/providers/transport/retry"
)

// Options of a router. URL and Lineage are needed.
type Options struct {
	URL     string // of the broker, with its credentials; as mqtt.Options has it
	Lineage string
	Log     *slog.Logger
	// Ready is called once, when the routes are carried, or another router
	// carries them. Note says how it fares, for people, "" for well. May be nil.
	Ready func()
	Note  func(string)
	// RetryMin and RetryMax bound the pause between attempts to connect; 0 are
	// the transport's.
	RetryMin, RetryMax time.Duration
	// Grace is for how long a router that stands by waits before it takes over
	// from one that is gone, since it may be on its way back; with jitter. 0 is a second.
	Grace time.Duration
}

// A Service carries the routes of a lineage until its context ends.
type Service struct {
	opts     Options
	instance string
	log      *slog.Logger
	ready    func()
	note     func(string)
}

// spec and secret are what the agent keeps of a router: its object in
// providers/local writes them.
type (
	spec struct {
		Broker  string `json:"broker"`
		Lineage string `json:"lineage"` // "" is the agent's
	}
	secret struct {
		URL string `json:"url"`
	}
)

// Make is New from what an agent keeps. Its options say the rest; the lineage
// in them is the agent's.
func Make(rawSpec, rawSecret json.RawMessage, o Options) (*Service, error) {
	var s spec
	var sec secret
	for _, part := range []struct {
		name string
		raw  json.RawMessage
		into any
	}{{"spec", rawSpec, &s}, {"secret", rawSecret, &sec}} {
		d := json.NewDecoder(bytes.NewReader(part.raw))
		d.DisallowUnknownFields()
		if d.Decode(part.into) != nil { // its error may repeat a secret
			return nil, errors.New("the " + part.name + " of the router cannot be read: it is not what this version of msgflo writes")
		}
	}
	o.URL, o.Lineage = sec.URL, cmp.Or(s.Lineage, o.Lineage)
	return New(o)
}

// New checks the options, and starts nothing.
func New(o Options) (*Service, error) {
	if o.Lineage == "" {
		return nil, errors.New("a router needs the lineage whose routes it carries")
	}
	if err := mqtt.CheckURL(o.URL); err != nil {
		return nil, err
	}
	s := &Service{opts: o, instance: rand.Text(), log: o.Log, note: o.Note, ready: func() {}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.note == nil {
		s.note = func(string) {}
	}
	if o.Ready != nil {
		s.ready = sync.OnceFunc(o.Ready)
	}
	return s, nil
}

func (s *Service) transport() mqtt.Options {
	return mqtt.Options{URL: s.opts.URL, Log: s.log, RetryMin: s.opts.RetryMin, RetryMax: s.opts.RetryMax}
}

// A run is the service from the first connection to the end of its context.
type run struct {
	*Service
	ctx   context.Context
	desk  *mqtt.Client // publishes, and hears of documents and other routers
	dots  bool         // the broker takes . and / for the same
	dials mqtt.Options

	// sends ends later than ctx: what was begun is brought to its end.
	sends    context.Context
	endSends context.CancelFunc

	inbox  inbox
	others rivals
	doc    *routes.Document // what is carried
	holder bool             // we carry it; else we stand by
	lanes  map[int]*lane
	wiped  map[int]bool // lanes whose sessions the broker was made to forget
	faults faults
	noted  string // what was said last

	applied applied
	targets map[[2]string]*target // of the document, by source and target

}

// Run carries routes. It returns only when ctx has ended.
func (s *Service) Run(ctx context.Context) error {
	r := &run{Service: s, ctx: ctx, dials: s.transport(), lanes: map[int]*lane{}, wiped: map[int]bool{}}
	r.sends, r.endSends = context.WithCancel(context.WithoutCancel(ctx))
	defer r.endSends()
	r.inbox.init()
	r.faults.changed = r.inbox.wake
	pause := retry.New(s.opts.RetryMin, s.opts.RetryMax)
	for {
		err := r.open(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		s.log.Warn("the router cannot connect, trying again", "error", err)
		r.noted = err.Error() // for tell to take back
		s.note(r.noted)
		if !pause.Wait(ctx) {
			return nil
		}
	}
	defer r.close()
	r.loop(ctx)
	return nil
}

// open connects the desk and learns how things stand: what is retained comes
// before the sentinel does, so that an absent document is known to be absent.
func (r *run) open(ctx context.Context) error {
	reader, err := retained.Dial(ctx, r.dials)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // it has no error
	own := []string{routes.Topic(r.opts.Lineage), routes.RouterTopic(r.opts.Lineage)}
	now, err := reader.Read(ctx, own...)
	if err != nil {
		return err
	}
	r.dots = reader.Dots()
	for _, topic := range own {
		r.hear(topic, now[topic])
	}
	desk := r.dials
	desk.ClientID = routes.ClientID(r.opts.Lineage, 0) + "-desk-" + r.instance[:10]
	r.desk, err = mqtt.DialClient(ctx, mqtt.ClientOptions{
		Options: desk, Receive: r.receive, Up: r.inbox.up,
		Will: &mqtt.Outgoing{Topic: own[1], Body: []byte(nobody), QoS: mqtt.AtLeastOnce, Retained: true},
	})
	if err != nil {
		return err
	}
	if err = r.desk.Subscribe(ctx, mqtt.Filter{Topic: own[0]}, mqtt.Filter{Topic: own[1]}); err != nil {
		_ = r.desk.Close() // it has no error
	}
	return err
}

// close takes leave: sessions stay, so that the broker queues for who comes
// next; the announcement goes, since nobody carries now.
func (r *run) close() {
	r.stepBack()
	if seen, there := r.others.seen(); there && seen.Instance == r.instance {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), farewell)
		defer cancel()
		if err := retained.Send(ctx, r.desk, mqtt.Outgoing{Topic: routes.RouterTopic(r.opts.Lineage), QoS: mqtt.AtLeastOnce, Retained: true}); err != nil {
			r.log.Debug("the router could not say that it ends", "error", err)
		}
	}
	_ = r.desk.Close() // it has no error
}

// nobody is what the last will says: some brokers take no empty one.
const nobody = "{}"

// farewell bounds the last word of a router that ends.
const farewell = 2 * time.Second

// receive hears what the desk subscribed to.
func (r *run) receive(m mqtt.Received) { r.hear(m.Topic, m.Body) }

func (r *run) hear(topic string, body []byte) {
	switch topic {
	case routes.Topic(r.opts.Lineage):
		r.inbox.document(body)
	case routes.RouterTopic(r.opts.Lineage):
		r.others.hear(body)
		r.inbox.wake()
	}
}
