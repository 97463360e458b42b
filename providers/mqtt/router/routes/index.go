package routes

import "strings"

// An Index finds what belongs to the filters that match a topic, in time that
// grows with the topic's levels and not with the filters.
type Index[T any] struct {
	root node[T]
	// Dots says that . and / are the same to the broker (RabbitMQ translates
	// one into the other). It is set before the first Add.
	Dots bool
}

type node[T any] struct {
	levels map[string]*node[T]
	here   []T // of the filter that ends here
	rest   []T // of the filter that ends in # below here
}

// Add puts a value under a filter.
func (x *Index[T]) Add(filter string, v T) {
	n := &x.root
	for rest, more := x.plain(filter), true; more; {
		var l string
		if l, rest, more = strings.Cut(rest, "/"); l == "#" {
			n.rest = append(n.rest, v)
			return
		}
		next := n.levels[l]
		if next == nil {
			next = &node[T]{}
			if n.levels == nil {
				n.levels = map[string]*node[T]{}
			}
			n.levels[l] = next
		}
		n = next
	}
	n.here = append(n.here, v)
}

// Each visits what is under filters that match a topic.
func (x *Index[T]) Each(topic string, visit func(T)) {
	topic = x.plain(topic)
	// Topics that begin with $ are matched by no filter that begins with a
	// wildcard (MQTT 3.1.1, 4.7.2).
	x.root.each(topic, !strings.HasPrefix(topic, "$"), visit)
}

func (n *node[T]) each(topic string, wild bool, visit func(T)) {
	if wild {
		all(n.rest, visit)
	}
	l, rest, more := strings.Cut(topic, "/")
	n.below(l, rest, more, visit)
	if wild {
		n.below("+", rest, more, visit)
	}
}

func (n *node[T]) below(l, rest string, more bool, visit func(T)) {
	next := n.levels[l]
	switch {
	case next == nil:
	case more:
		next.each(rest, true, visit)
	default:
		all(next.here, visit)
		all(next.rest, visit) // a/# is also a
	}
}

func all[T any](vs []T, visit func(T)) {
	for _, v := range vs {
		visit(v)
	}
}

func (x *Index[T]) plain(topic string) string {
	if x.Dots {
		return strings.ReplaceAll(topic, ".", "/")
	}
	return topic
}

func wild(filter string) bool { return strings.ContainsAny(filter, "+#") }

// Overlap reports whether a topic can match both filters.
func Overlap(f, g string) bool {
	if f == g {
		return true
	}
	// Only a filter that names it matches a topic that begins with $.
	if strings.HasPrefix(f, "$") != strings.HasPrefix(g, "$") {
		return false
	}
	for {
		a, restF, moreF := strings.Cut(f, "/")
		b, restG, moreG := strings.Cut(g, "/")
		if a == "#" || b == "#" {
			return true
		}
		if a != b && a != "+" && b != "+" {
			return false
		}
		switch {
		case !moreF && !moreG:
			return true
		case !moreF:
			return restG == "#"
		case !moreG:
			return restF == "#"
		}
		f, g = restF, restG
	}
}
