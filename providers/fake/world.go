package fake

import (
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// The methods of this file are the world's own hand: what somebody does on the
// broker beside msgflo. They are no calls and never fail by fault.

// Put makes or overwrites an object, as a foreign client would. Attributes
// left out take their defaults.
func (w *World) Put(typ string, attrs map[string]cty.Value) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.schemas[typ]
	if s == nil {
		return fmt.Errorf("a fake broker has no %q", typ)
	}
	v := Complete(s, attrs)
	null := cty.NullVal(s.ImpliedType())
	k := keyOf(typ, v)
	if o := w.objects[k]; o != nil {
		o.value = w.stored(typ, v, o.value)
		return nil
	}
	_, err := w.create(null, "", providers.Change{Type: typ, Before: null, After: v})
	return err
}

// Remove takes an object away, with what dies with it.
func (w *World) Remove(typ string, attrs map[string]cty.Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(keyOf(typ, Complete(w.schemas[typ], attrs)))
}

// Fill puts messages into a queue, and takes them out where n is negative.
func (w *World) Fill(vhost, queue string, n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.objects[key{"queue", vhost, queue}]
	if o == nil {
		return fmt.Errorf("no queue %q in vhost %q", queue, vhost)
	}
	o.ready += n
	return nil
}

// Consume sets a queue's consumers and what they hold unacknowledged.
func (w *World) Consume(vhost, queue string, consumers, unacked int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.objects[key{"queue", vhost, queue}]
	if o == nil {
		return fmt.Errorf("no queue %q in vhost %q", queue, vhost)
	}
	o.consumers, o.unacked = consumers, unacked
	return nil
}

// LostMessages is how many messages went with a queue that was deleted.
func (w *World) LostMessages() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Objects is everything there is, in order of type, vhost and name, passwords
// unknown.
func (w *World) Objects() []providers.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, _ := w.list("", "")
	return out
}

// Password is what a user's password is, for tests that must see it arrive.
func (w *World) Password(user string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.objects[key{typ: "user", name: user}]; o != nil {
		return attr.Text(o.value, "password")
	}
	return ""
}

// Complete is Schema.Complete with the vhost "/" where none is given.
func Complete(s *providers.Schema, attrs map[string]cty.Value) cty.Value {
	if s.Attr("vhost") != nil {
		filled := map[string]cty.Value{"vhost": cty.StringVal("/")}
		maps.Copy(filled, attrs)
		attrs = filled
	}
	return s.Complete(attrs)
}
