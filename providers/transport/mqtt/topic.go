package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of MQTT 3.1.1: a topic has 16 bits for its length, a packet 28.
const (
	maxTopic = 65535
	maxBody  = 268435455 - maxTopic - 4
)

// CheckTopic reports why a name cannot be published to (MQTT 3.1.1, 4.7).
func CheckTopic(name string) error {
	if err := checkText(name); err != nil {
		return err
	}
	if strings.ContainsAny(name, "+#") {
		return fmt.Errorf("the topic %q has a wildcard (+ or #) in it, which only a subscription may have", name)
	}
	return nil
}

// CheckFilter reports why a name cannot be subscribed to (MQTT 3.1.1, 4.7.1).
func CheckFilter(filter string) error {
	if err := checkText(filter); err != nil {
		return err
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		switch {
		case l == "#" && i != len(levels)-1:
			return fmt.Errorf("the topic filter %q has a # that is not at its end", filter)
		case l != "#" && l != "+" && strings.ContainsAny(l, "+#"):
			return fmt.Errorf("the topic filter %q has a wildcard beside other characters of its level; it must stand alone between slashes", filter)
		}
	}
	return nil
}

func checkText(name string) error {
	switch {
	case name == "":
		return errors.New("a topic cannot be empty")
	case len(name) > maxTopic:
		return fmt.Errorf("a topic has at most %d bytes, and this one %d", maxTopic, len(name))
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("the topic %q is not UTF-8 text without NUL", name)
	}
	return nil
}

// Match reports whether a topic is among those of a filter. Topics that begin
// with $ are matched by no filter that begins with a wildcard (4.7.2).
func Match(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, restT, moreT := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		switch {
		case !moreF:
			return !moreT
		case !moreT: // a/# is also a
			return restF == "#"
		}
		filter, topic = restF, restT
	}
}

// shared is the filter of a shared subscription (MQTT 5, 4.8.2, which brokers
// have for 3.1.1 too). A group's name is one level, without wildcards.
func shared(group, filter string) string {
	return "$share/" + groupName.Replace(group) + "/" + filter
}

var groupName = strings.NewReplacer("%", "%25", "/", "%2F", "+", "%2B", "#", "%23", "\x00", "%00") //nolint:gochecknoglobals // a table
