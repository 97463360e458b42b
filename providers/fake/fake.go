// Package fake is a broker in memory that behaves like one: deletes cascade,
// a differing declare is refused, an auto_delete exchange dies with its last
// binding, queues hold messages. A World outlives the providers opened on it,
// as a broker outlives the processes that talk to it, and any numbered call
// can be made to fail (see Fault).
//
// It imports providers, cty and the ground floor only, and is meant for tests
// of the engine and for trying the language without a broker.
package fake

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// A World is one broker. The zero value is not usable; see NewWorld.
type World struct {
	// Before, if set before the first call, runs at the start of every call,
	// outside any lock. Tests use it to hold calls back and to count them.
	Before func(ctx context.Context, call int, what string)

	schemas map[string]*providers.Schema

	mu      sync.Mutex
	objects map[key]*object
	inside  map[key]map[key]bool // what dies with an object
	serial  int                  // of computed ids
	lost    int64                // messages that went with a queue
	calls   int
	faults  map[int]Fault
	epoch   int  // grows with Revive: providers of an older one are dead
	dead    bool // Killed, and nothing may happen any more in this epoch
}

// key names a live object.
type key struct{ typ, vhost, name string }

type object struct {
	value     cty.Value
	owner     string
	ready     int64
	unacked   int64
	consumers int64
	// bound: the exchange had a binding once, so that losing the last deletes
	// it where auto_delete is set.
	bound bool
}

// NewWorld returns a broker that has the vhost "/" and nothing else.
func NewWorld() *World {
	w := &World{
		schemas: resources(),
		objects: map[key]*object{},
		inside:  map[key]map[key]bool{},
		faults:  map[int]Fault{},
	}
	w.objects[key{typ: "vhost", name: "/"}] = &object{value: cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal("/"), "description": cty.StringVal("Default virtual host"),
	})}
	return w
}

// Type is the provider type whose every broker is this world.
func (w *World) Type() *providers.Type {
	return NewType(func(string) (*World, error) { return w, nil })
}

// NewType makes a provider type that finds the world by the URL of the broker
// block. It connects at first use: an error is that of an unreachable broker.
func NewType(world func(url string) (*World, error)) *providers.Type {
	return &providers.Type{
		Name:      "fake",
		Schemes:   []string{"fake"},
		Config:    configSchema(),
		Resources: resources(),
		Data:      dataSources(),
		Open: func(_ context.Context, env providers.Env) (providers.Provider, error) {
			url := attr.Text(env.Config, "url")
			p := &provider{lineage: env.Lineage, marks: env.Marks}
			p.connect = sync.OnceValues(func() (*World, error) {
				w, err := world(url)
				if err != nil {
					return nil, &providers.ConnectionError{
						Headline: "Broker unreachable",
						Detail:   fmt.Sprintf("there is no broker at %s; start one or correct the URL", url), Err: err,
					}
				}
				p.epoch = w.currentEpoch()
				return w, nil
			})
			return p, nil
		},
		Defaults: func(_ cty.Value, typ string, attrs map[string]cty.Value) {
			if v, has := attrs["vhost"]; has && (v == cty.NilVal || v.IsNull()) {
				attrs["vhost"] = cty.StringVal("/")
			}
		},
	}
}

type provider struct {
	connect func() (*World, error)
	lineage string
	marks   bool
	epoch   int

	mu   sync.Mutex
	lost bool
}

var errClosed = errors.New("the connection is gone")

func (p *provider) Close() error { return nil }

// Ping implements providers.Pinger.
func (p *provider) Ping(ctx context.Context) (string, error) {
	if _, _, err := p.begin(ctx, "ping"); err != nil {
		return "", err
	}
	return "fake broker in memory", nil
}

// Normalize implements providers.Normalizer: an empty map or set is as good as
// none.
func (p *provider) Normalize(typ string, v cty.Value) cty.Value { return Normalize(typ, v) }

// Normalize gives the form in which two values of one object are compared.
func Normalize(_ string, v cty.Value) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return v
	}
	var m map[string]cty.Value
	for name, at := range v.Type().AttributeTypes() {
		if !at.IsCollectionType() {
			continue
		}
		e := v.GetAttr(name)
		if e.IsKnown() && !e.IsNull() && e.LengthInt() == 0 {
			if m == nil {
				m = v.AsValueMap()
			}
			m[name] = cty.NullVal(at)
		}
	}
	if m == nil {
		return v
	}
	return cty.ObjectVal(m)
}
