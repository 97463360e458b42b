// Package providers is the contract between the engine and what it manages:
// a Provider reads and changes the live objects behind one broker or launcher
// block; a Type and its Schemas describe them as data, before any connection.
//
// It imports cty and the ground floor only. Providers see cty values: they
// know neither config nor state.
package providers

import (
	"context"
	"log/slog"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers/transport"
)

// A Provider manages the live objects behind one broker or launcher block.
// It is safe for concurrent use.
type Provider interface {
	// Read returns the live object that each query names, in order. Absent is
	// null, not an error; what cannot be observed is unknown, and is left out
	// of comparisons. One query may fail without the others (Result.Err); the
	// error return means that nothing could be read at all.
	Read(ctx context.Context, queries []Query) ([]Result, error)
	// Apply makes one change and returns what it left behind, also when it
	// fails: null if nothing is there, cty.NilVal if that is not known. An
	// error that is a *ConnectionError stops the provider's remaining steps. A
	// create that is refused because something else has the name leaves null: of
	// this change nothing is there. Deleting what is absent succeeds.
	Apply(ctx context.Context, c Change) (cty.Value, error)
	Close() error
}

// A Query asks for one object. Its Value is the wanted (or recorded) value;
// the identity attributes in it name the object.
type Query struct {
	Type  string
	Value cty.Value
	// Recorded is what state has of the object, cty.NilVal for nothing: facts
	// that nobody can want, such as the machine that a process runs on. It is given
	// for types with such facts (computed, read-only attributes; all else may be
	// null) and for what is only recorded.
	Recorded cty.Value
}

// A Result is the answer to one Query.
type Result struct {
	Value cty.Value // of the schema's type, wholly null where absent; sensitive attributes that cannot be read are unknown
	Owner string    // the lineage marked on the live object, "" where unmarked or where marks do not exist
	// Note is why an object may be absent without that being drift ("its queue is
	// auto-delete"); of one that is there, why it is not as it was left though nobody
	// changed it ("brought down by msgflo down"). "" for neither.
	Note string
	// Needs is what must be there before an absent object can be made, is not,
	// and is in none of the queries (the vhost of a queue); zero for nothing.
	Needs Need
	Err   error
}

// A Need names an object by its type and its attribute name: vhost "eu".
type Need struct{ Type, Name string }

// A Change is one step on one object.
type Change struct {
	Addr      addr.Instance
	Type      string
	Before    cty.Value // null: create
	After     cty.Value // null: delete
	AllowLoss bool      // messages or consumers at risk may be lost: consent was given for this address
	// Collateral are the objects that go with a delete and were shown in the
	// plan (bindings of a queue): the check at the moment allows these only.
	Collateral []Object
	Progress   func(done, total int64) // may be nil
	// Say tells meanwhile what goes on ("work[0] ended with exit status 1, and is started again
	// in 2s"), Warn what should be known of the object once it is done. Texts are escaped.
	// They may be nil, and are not called after Apply has returned.
	Say  func(text string)
	Warn func(summary, detail string)
	// Shared: the object belongs to all who use the broker (MsgFlo's queue fbp);
	// it is made without an ownership mark.
	Shared bool
}

// An Object is a live object that a provider found by itself.
type Object struct {
	Provider addr.Provider // where it is; zero where only one provider is in question
	Addr     addr.Instance // zero where it is not (or not yet) one of ours
	Type     string
	Value    cty.Value
	Owner    string
	Decl     hcl.Range // where it is wanted; zero for live ones
}

// Env is what a provider is opened with.
type Env struct {
	Config  cty.Value // of Type.Config's type: the broker block's values, secrets included
	Lineage string    // of the state; written as ownership mark
	State   string    // where the state is kept, without anything secret; "" where nothing is launched
	Marks   bool      // whether ownership marks are written
	Dir     string    // the configuration's directory, for relative paths and launched processes
	// Log takes what a provider does, for who looks for a fault: connections
	// and calls at LevelTrace, never a header, a body or a password. Nil: nobody
	// listens; Logger gives a logger in any case.
	Log *slog.Logger
}

// LevelTrace is the level of MSGFLO_LOG=trace: one line a request.
const LevelTrace = slog.LevelDebug - 4

// Logger is Log, or one that drops everything.
func (e Env) Logger() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

// A Type is a kind of provider: data, known before any connection is made.
type Type struct {
	Name      string   // rabbitmq, mqtt, fake
	Schemes   []string // URL schemes that pick this type: amqp, amqps
	Config    Schema
	Resources map[string]*Schema
	Data      map[string]*Schema // data sources by block type; Query.Type is "data." + that
	// Launcher: picked by a launcher block's kind, which is Name, not by a URL's
	// scheme; Config is what that block takes.
	Launcher bool
	// Open is lazy: it connects at first use, per vhost; a vhost that is not
	// there yet reads as "everything absent".
	Open func(ctx context.Context, env Env) (Provider, error)
	// Lint reports what only several objects together can get wrong. Want are
	// the desired objects of one broker, live what was read. May be nil.
	Lint func(want, live []Object) hcl.Diagnostics
	// Defaults fills what the broker block implies for an object before it is
	// compared: the default vhost from the broker's URL. May be nil. It is pure.
	Defaults func(config cty.Value, typ string, attrs map[string]cty.Value)
}

// Depth says what would be lost with an object.
type Depth struct {
	Ready, Unacked int64 // messages
	Consumers      int64
	Unknown        bool // the broker could not say; counts as "at risk"
	// Inside counts unmanaged objects within it (a vhost's queues), Collateral
	// names what goes with it (a queue's bindings, live, also unmanaged ones).
	Collateral []Object
}

// Messages is the number of messages at risk.
func (d Depth) Messages() int64 { return d.Ready + d.Unacked }

// Traffic is how a queue fares. A number below 0 is one that the broker does
// not tell.
type Traffic struct {
	Absent         bool // there is no such queue; the rest is 0
	Ready, Unacked int64
	Consumers      int64
	In, Out        float64 // messages a second that came in and were handed out
}

// The rest of what a provider may be able to do, found by type assertion.
type (
	// A Lister finds every object of a broker, for import and -unmanaged.
	// Match is a glob over names, "" for all; vhost "" means all.
	Lister interface {
		List(ctx context.Context, vhost, match string) ([]Object, error)
	}
	// A Meter counts what a step puts at risk. It is asked only about objects
	// that the plan would delete or replace.
	Meter interface {
		Depth(ctx context.Context, queries []Query) ([]Depth, error)
	}
	// A Migrator replaces a queue without losing a message.
	Migrator interface {
		Migrate(ctx context.Context, c Change, resume []byte, record func([]byte) error) error
	}
	// A Normalizer compares values: two are equal if their normal forms are.
	// Without one, values are compared as they are.
	Normalizer interface {
		Normalize(typ string, v cty.Value) cty.Value
	}
	// A Pinger checks that the other side answers, for `init`.
	Pinger interface {
		Ping(ctx context.Context) (string, error) // a line for people: "RabbitMQ 3.10.8 at localhost:5672"
	}
	// A Checker tells, once a plan has changes there and again before the first of them,
	// whether any can be made at all: what would make all of them fail is found before
	// another broker was touched. It changes nothing.
	Checker interface {
		Check(ctx context.Context) error
	}
	// A Waker is behind objects that live in a process of ours: Wake is called
	// at the start of every apply (not of a plan) while state has objects there, also where there is
	// no step to carry out, and brings that process back if it died.
	Waker interface {
		Wake(ctx context.Context) error
	}
	// A Dialer gives a connection for messages, for send, tap and discovery. The
	// caller closes it.
	Dialer interface {
		Dial(ctx context.Context) (transport.Conn, error)
	}
	// An Observer tells how queues fare now, for `status`: by lists, however many
	// are asked about, never a request a queue. An answer may be seconds old.
	Observer interface {
		Observe(ctx context.Context, queries []Query) ([]Traffic, error)
	}
	// A Linter finds what wanted objects get wrong together with what is live and
	// not ours (routes in a circle with those of another state). Asked after Read,
	// which is when it saw that. What wanted objects get wrong alone is Type.Lint's.
	Linter interface {
		Lint(want []Object) hcl.Diagnostics
	}
	// A Warner has something to say about how it had to work (no management
	// API: passive declares only). Asked after Read.
	Warner interface {
		Warnings() hcl.Diagnostics
	}
)

// A ConnectionError says that the other side cannot be reached or does not
// answer sensibly: one event that ends all work with that provider.
type ConnectionError struct {
	Headline string // fixed text: "Broker unreachable", "Login refused"
	Detail   string // what, why, what to do; no secret
	Err      error
}

func (e *ConnectionError) Error() string   { return e.Detail }
func (e *ConnectionError) Unwrap() error   { return e.Err }
func (e *ConnectionError) Summary() string { return e.Headline }

// A RefusedError says that a change was not made because it would have lost
// messages or dragged unmanaged objects along.
type RefusedError struct{ Detail string }

func (e *RefusedError) Error() string   { return e.Detail }
func (e *RefusedError) Summary() string { return "Refused: messages or unmanaged objects at risk" }
