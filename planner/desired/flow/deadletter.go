package flow

import (
	"cmp"
	"slices"
)

// A letterbox is where the dead letters of one queue go.
type letterbox struct {
	queue string
	first *link // the first edge that wants it
	links []*link
}

// deadLetter notes that an edge's target has dead letters; deadLetters makes
// what that needs, once for each queue.
func (l *lowering) deadLetter(k *link) {
	at := cmp.Or(k.DeadLetter.Decl, k.Decl)
	if k.dead.Queue == k.to.Queue {
		l.errorf(at, "Dead letters in a circle", "%s would get back what it refuses, at once and for ever. Send the dead letters to another port.", k.to)
		return
	}
	b := l.boxes[k.to.Queue]
	if b == nil {
		b = &letterbox{queue: k.to.Queue}
		l.boxes[k.to.Queue] = b
	}
	b.links = append(b.links, k)
	if why := k.to.party.client.keeps; why != "" {
		l.warnf(at, "Few dead letters", "%s is written with the client %s, and %s. Only what expires or overflows becomes a dead letter.", k.to, k.to.party.Client, why)
	}
	k.to.party.sendsTo(k.dead)
}

func (l *lowering) deadLetters() {
	boxes := make([]*letterbox, 0, len(l.boxes))
	for _, b := range l.boxes {
		// Whoever has the queue first by address has its dead letters, whichever edge asks.
		b.first = slices.MinFunc(b.links, func(x, y *link) int {
			return cmp.Or(x.to.party.owner().compare(y.to.party.owner()), cmp.Compare(x.to.ID, y.to.ID), compareRanges(x.Decl, y.Decl))
		})
		boxes = append(boxes, b)
	}
	slices.SortFunc(boxes, func(x, y *letterbox) int {
		return cmp.Or(x.first.to.party.owner().compare(y.first.to.party.owner()), cmp.Compare(x.queue, y.queue))
	})
	for _, b := range boxes {
		l.letterbox(b)
	}
}

// letterbox makes the exchange of a queue's dead letters and binds the queues
// that take them (§3.2). A client that does not name that exchange as the queue's
// argument needs a policy that does (§2.3).
func (l *lowering) letterbox(b *letterbox) {
	name, queue := DeadPrefix+b.queue, place{typeQueue, b.queue}
	if !l.short(name, b.first) {
		return
	}
	c := b.first.to.derived(DeadPrefix, "dead letter", "the dead letters of", b.first.Decl)
	box := l.declare(place{typeExchange, name}, declaration{kind: fanout, durable: true}, c)
	if box.made == nil && box.how.kind != fanout {
		l.errorf(l.declared.things[place{typeExchange, name}].decl, "Dead letters would be lost", "%s is a %s exchange, and dead letters of %s go to it. They keep the routing key that they came with, "+
			"and are taken from it without one: it must be a fanout exchange.", box.at, box.how.kind, b.first.to)
	}
	needs := []*thing{box}
	target := l.find(queue)
	switch {
	case target == nil || target.how.deadLetter == "":
		needs = append(needs, l.deadLetterPolicy(b, box, c))
	case target.how.deadLetter != name:
		l.errorf(cmp.Or(b.first.DeadLetter.Decl, b.first.Decl), "Dead letters go elsewhere", "%s sends the dead letters of %s to the exchange %q by an argument, and what a policy says does not count beside it. "+
			"Let it say %q, or leave dead_letter out of the edge and bind a queue to that exchange.", target.at, b.first.to, target.how.deadLetter, name)
	}
	if target != nil && target.made != nil {
		target.made.after(needs...)
	}
	for _, k := range b.links {
		got := l.bind(name, place{typeQueue, k.dead.Queue}, k.claim(k.to.String()+" -dead-> "+k.dead.String()), false)
		k.to.party.relations.after(append(needs, got)...)
	}
}
