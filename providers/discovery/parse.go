package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/msgflo/msgflo/providers/discovery/wire"
)

// The bounds of an announcement. Real ones have a few kilobytes: every client
// sends a handful of ports.
const (
	maxSize  = 256 << 10
	maxDepth = 32   // of nested arrays and objects
	maxPorts = 1000 // in each direction
	maxName  = 1024 // bytes of a role, id, port or queue; AMQP's names have 255 at most
	maxText  = 4096 // bytes of a label or description; longer ones are left out
)

// Why something on the discovery queue is not taken, for errors.Is.
var (
	ErrTooLarge  = errors.New("it is larger than any announcement")
	ErrMalformed = errors.New("it is not a participant's announcement")
	// ErrOther: something else is spoken there, in order: another command or
	// protocol.
	ErrOther = errors.New("it is another message than an announcement")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Parse reads a message of the discovery queue. It is as tolerant as the many
// client libraries are different (msgflo-wire.md §1.2): unknown keys, ports without a
// queue, ports as a list or as an object by name, an empty id, texts that are null
// or of another type where they are not needed. What has no role, no component or
// no ports is malformed, as for the original.
func Parse(body []byte) (Announcement, error) {
	if len(body) > maxSize {
		return Announcement{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	if err := shallow(body); err != nil {
		return Announcement{}, err
	}
	message, err := object(body)
	if err != nil {
		return Announcement{}, malformed("no JSON object")
	}
	var protocol, command string
	if !text(message["protocol"], &protocol) || !text(message["command"], &command) {
		return Announcement{}, malformed("no protocol or no command")
	}
	if protocol != wire.Protocol || command != wire.Command {
		return Announcement{}, fmt.Errorf("%w: protocol %q, command %q", ErrOther, short(protocol), short(command))
	}
	payload, err := object(message["payload"])
	if err != nil {
		return Announcement{}, malformed("the payload is no JSON object")
	}
	return participant(payload)
}

// short keeps a stranger's words out of errors but for their beginning.
func short(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}

// shallow refuses what is nested deeper than any announcement before anything
// is decoded. Brackets in strings do not count.
func shallow(body []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return malformed("nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// object decodes an object by its exact keys: encoding/json's structs take
// them in any case.
func object(raw []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("null")
	}
	return m, nil
}

// text decodes a string; false for anything else.
func text(raw json.RawMessage, into *string) bool {
	var s *string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || s == nil {
		return false
	}
	*into = *s
	return true
}

// name decodes a string that names something; "" for what is no such string.
func name(raw json.RawMessage) string {
	var s string
	if !text(raw, &s) || len(s) > maxName {
		return ""
	}
	return s
}

// words decodes a text for people; "" for what is none or too long.
func words(raw json.RawMessage) string {
	var s string
	if !text(raw, &s) || len(s) > maxText {
		return ""
	}
	return s
}

func participant(payload map[string]json.RawMessage) (Announcement, error) {
	a := Announcement{
		ID: name(payload["id"]), Role: name(payload["role"]), Component: name(payload["component"]),
		Label: words(payload["label"]), Icon: words(payload["icon"]),
	}
	switch {
	case a.Role == "":
		return Announcement{}, malformed("no role")
	case a.Component == "":
		return Announcement{}, malformed("no component")
	case a.ID == "":
		a.ID = a.Role
	}
	var err error
	if a.Inports, err = ports("inports", payload["inports"]); err != nil {
		return Announcement{}, err
	}
	if a.Outports, err = ports("outports", payload["outports"]); err != nil {
		return Announcement{}, err
	}
	return a, nil
}

// ports decodes a list of ports, or an object of ports by their ids, in the
// order of the ids.
func ports(what string, raw json.RawMessage) ([]Port, error) {
	raw = bytes.TrimSpace(raw)
	var list []json.RawMessage
	var ids []string
	switch {
	case len(raw) > 0 && raw[0] == '[':
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, malformed("%s cannot be read", what)
		}
	case len(raw) > 0 && raw[0] == '{':
		m, err := object(raw)
		if err != nil {
			return nil, malformed("%s cannot be read", what)
		}
		for id := range m {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			list = append(list, m[id])
		}
	default:
		return nil, malformed("no %s", what)
	}
	if len(list) > maxPorts {
		return nil, malformed("more than %d %s", maxPorts, what)
	}
	out := make([]Port, 0, len(list))
	for i, item := range list {
		m, err := object(item)
		if err != nil {
			return nil, malformed("a port among the %s is no JSON object", what)
		}
		id := name(m["id"])
		if id == "" && ids != nil && len(ids[i]) <= maxName && utf8.ValidString(ids[i]) {
			id = ids[i]
		}
		if id == "" {
			return nil, malformed("a port among the %s has no id", what)
		}
		out = append(out, port(id, m))
	}
	return out, nil
}

func port(id string, m map[string]json.RawMessage) Port {
	return Port{
		ID: id, Queue: name(m["queue"]), Type: words(m["type"]), Description: words(m["description"]), Schema: words(m["schema"]),
		Hidden: string(m["hidden"]) == "true", Transient: string(m["persistent"]) == "false",
	}
}
