// Package component knows components by name: what ports they have and what
// they are for. Here are those that come with msgflo, as data; what they do is
// in providers/participant/builtin. It imports nothing.
package component

import "slices"

// A Component is what can play a role in a graph.
type Component struct {
	Name        string
	Description string
	Icon        string // a Font Awesome icon, without its prefix
	Inports     []Port
	Outports    []Port
}

// A Port of a component.
type Port struct {
	ID          string
	Type        string
	Description string
}

// Builtins are the components that need no command: `msgflo component run` is
// theirs. Sorted by name.
func Builtins() []Component {
	return []Component{
		{
			Name: "msgflo/Delay", Icon: "clock-o",
			Description: "Sends each message on after a while, in order; it stays unacknowledged until then, so that a crash loses none",
			Inports: []Port{
				{"in", "any", "what to delay"},
				{"delay", "any", "for how long: milliseconds, or a duration as \"1m30s\"; 1s until said"},
			},
			Outports: []Port{{"out", "any", "the same, byte for byte"}},
		},
		{
			Name: "msgflo/Drop", Icon: "trash-o",
			Description: "Takes every message and does nothing with it",
			Inports:     []Port{{"in", "any", "what to drop"}},
		},
		{
			Name: "msgflo/Kick", Icon: "bolt",
			Description: "Sends one value: when it is given, at an interval, and whenever something comes in",
			Inports: []Port{
				{"in", "any", "anything: send the value now"},
				{"data", "any", "the value to send, now and later; null until said"},
				{"interval", "any", "how often to send it: milliseconds, or a duration as \"10s\"; 0 for never, which it is until said"},
			},
			Outports: []Port{{"out", "any", "the value"}},
		},
		{
			Name: "msgflo/Output", Icon: "terminal",
			Description: "Prints every message on a line of its own, and sends it on",
			Inports:     []Port{{"in", "any", "what to print"}},
			Outports:    []Port{{"out", "any", "the same, byte for byte"}},
		},
		{
			Name: "msgflo/Repeat", Icon: "forward",
			Description: "Sends every message on as it is",
			Inports:     []Port{{"in", "any", "what to repeat"}},
			Outports:    []Port{{"out", "any", "the same, byte for byte"}},
		},
		{
			Name: "msgflo/Split", Icon: "expand",
			Description: "Sends the elements of an array one by one; what is no array it sends on as it is",
			Inports:     []Port{{"in", "any", "an array"}},
			Outports:    []Port{{"out", "any", "each of its elements"}},
		},
	}
}

// Builtin finds one by its name.
func Builtin(name string) (Component, bool) {
	all := Builtins()
	i := slices.IndexFunc(all, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return Component{}, false
	}
	return all[i], true
}

// Names of all built-in components, sorted.
func Names() []string {
	var names []string
	for _, c := range Builtins() {
		names = append(names, c.Name)
	}
	return names
}
