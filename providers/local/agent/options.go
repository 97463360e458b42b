package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
)

// Options is what an agent is made of. Lineage, Dir, Version, Build and
// Machine are what it says of itself; the rest may be left zero.
type Options struct {
	Lineage string
	Dir     string // of the configuration, absolute
	State   string // see control.Agent
	Version string
	Build   string // control.Build of this program
	Machine string // control.Machine()

	Kinds   map[string]ServiceFactory // by control.Key.Kind; processes are the agent's own
	Probers map[string]launch.Prober  // by launch.Ready.When; started, exec, http and tcp are the agent's own
	// Initial sends a role's initial packets, after each start, once it is
	// ready. The URL is that of its broker.
	Initial func(ctx context.Context, s launch.Spec, brokerURL string) error

	Log     *slog.Logger
	Environ []string // what processes inherit; nil is this process's environment

	Now  func() time.Time
	Rand func() float64 // in [0, 1), for jitter
	Boot string         // id of this boot; "" asks the kernel

	Settle   time.Duration // how long a process must live to count as started; 0 is 500 ms
	Patience time.Duration // after how long it is said what a start waits for; 0 is 2 s
	Idle     time.Duration // after how long an agent that was given nothing ends; 0 is a minute
	LogSize  int64         // of one log file before it is rotated, in bytes; 0 is 10 MB
	LogFiles int           // how many log files are kept a replica; 0 is 5
	Compact  int           // after how many records the journal is written anew; 0 is 2 000

	// Fault is called at named points between which a killed agent leaves
	// something half done, so that a test can kill it there. May be nil.
	Fault func(point string)
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Fault == nil {
		o.Fault = func(string) {}
	}
	o.Settle = orElse(o.Settle, 500*time.Millisecond)
	o.Patience = orElse(o.Patience, 2*time.Second)
	o.Idle = orElse(o.Idle, time.Minute)
	o.LogSize = orElse(o.LogSize, 10<<20)
	o.LogFiles = orElse(o.LogFiles, 5)
	o.Compact = orElse(o.Compact, 2000)
	return o
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// A ServiceFactory makes a service of one kind. It checks the spec and starts
// nothing.
type ServiceFactory func(spec, secret json.RawMessage, env ServiceEnv) (Service, error)

// A Service runs inside the agent until its context ends. When it returns
// before, it is made and run again, after a back-off.
type Service interface {
	Run(ctx context.Context) error
}

// ServiceEnv is what a service may know and say.
type ServiceEnv struct {
	Name    string // of its key
	Dir     string // of the configuration
	Lineage string
	Machine string
	Folder  string // private to the service, for what it must keep; it may not exist
	Log     *slog.Logger
	// Ready says that it does its work: what put it there waits for that. Note
	// says how it fares, for people, "" for well.
	Ready func()
	Note  func(string)
}
