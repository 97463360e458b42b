package mqtt

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{ // MQTT 3.1.1, 4.7.1 and 4.7.2
		{"a", "a", true}, {"a", "b", false}, {"a", "a/b", false}, {"a/b", "a", false},
		{"#", "a", true}, {"#", "a/b/c", true}, {"#", "/", true}, {"a/#", "a", true}, {"a/#", "a/b/c", true}, {"a/#", "ab", false}, {"a/b/#", "a", false},
		{"+", "a", true}, {"+", "a/b", false}, {"+/+", "a/b", true}, {"+/+", "/b", true}, {"+", "/b", false}, {"/+", "/b", true},
		{"a/+", "a", false}, {"a/+", "a/", true}, {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false}, {"+/#", "a", true},
		{"#", "$SYS/x", false}, {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"$SYS/+", "$SYS/x", true}, {"a/#", "a/$x", true},
	} {
		if got := Match(c.filter, c.topic); got != c.want {
			t.Errorf("%q matches %q: %v", c.filter, c.topic, got)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 65536)
	for name, want := range map[string][2]bool{ // as a topic, as a filter
		"a": {true, true}, "/": {true, true}, "a b/é": {true, true}, "$share/g/t": {true, true},
		"+": {false, true}, "a/#": {false, true}, "#": {false, true}, "+/+/#": {false, true},
		"": {}, "a#": {}, "#/a": {}, "a/+b": {}, "\xff": {}, "a\x00": {}, long: {},
	} {
		if CheckTopic(name) == nil != want[0] || CheckFilter(name) == nil != want[1] {
			t.Errorf("%.20q: as a topic %v, as a filter %v", name, CheckTopic(name), CheckFilter(name))
		}
	}
	if got := shared("a/b+#%", "t/+"); got != "$share/a%2Fb%2B%23%25/t/+" {
		t.Error(got)
	}
}

// FuzzMatch: a topic matches itself, everything under it, and what a level of
// it is replaced with.
func FuzzMatch(f *testing.F) {
	f.Add("a/b/c", 1)
	f.Fuzz(func(t *testing.T, topic string, level int) {
		if CheckTopic(topic) != nil {
			return
		}
		levels := strings.Split(topic, "/")
		i := max(level, 0) % len(levels)
		some := append(append([]string{}, levels[:i]...), "#")
		levels[i] = "+"
		hidden := strings.HasPrefix(topic, "$") && i == 0
		for filter, want := range map[string]bool{topic: true, strings.Join(levels, "/"): !hidden, strings.Join(some, "/"): !hidden, topic + "/x": false} {
			if err := CheckFilter(filter); err != nil {
				t.Fatal(err)
			}
			if Match(filter, topic) != want {
				t.Errorf("%q matches %q: %v", filter, topic, !want)
			}
		}
	})
}

// FuzzURL: an error never repeats what it could not read, and what is read
// names a host and a port.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"mqtt://u:hunter2@h:1/?clientId=x", "wss://h/p?a=b&share=false", "mqtts://[::1]?ca_certs=f", "://", "ws:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := parseURL(raw)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(e.address); err != nil || e.scheme == "" {
			t.Errorf("%q is read as %+v", raw, e)
		}
		if len(e.password) > 3 && strings.Contains(e.where(), e.password) && !strings.Contains(e.address, e.password) && !strings.Contains(e.scheme, e.password) {
			t.Errorf("%q shows the password", e.where())
		}
	})
}

// TestConnack: each answer to a login says what to do.
func TestConnack(t *testing.T) {
	anonymous, user := endpoint{scheme: "mqtt", address: "h:1"}, endpoint{scheme: "mqtt", address: "h:1", user: "u"}
	for code, want := range map[byte][2]string{
		packets.ErrRefusedBadProtocolVersion:    {"does not speak MQTT 3.1.1", "does not speak MQTT 3.1.1"},
		packets.ErrRefusedIDRejected:            {"another as ?clientId=", "another as ?clientId="},
		packets.ErrRefusedServerUnavailable:     {"not available now", "not available now"},
		packets.ErrRefusedBadUsernameOrPassword: {"wants a user", "check user and password"},
		packets.ErrRefusedNotAuthorised:         {"wants a user", "check user and password"},
	} {
		for i, e := range []endpoint{anonymous, user} {
			if err := e.dialError(packets.ConnErrors[code]); !strings.Contains(err.Error(), want[i]) {
				t.Errorf("%d: %v", code, err)
			}
		}
	}
}

// TestSilence: that nothing is answered reads the same whoever finds out, and
// names no port of ours, which is another each time.
func TestSilence(t *testing.T) {
	e := endpoint{scheme: "mqtt", address: "h:1"}
	read := &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 4711}, Err: os.ErrDeadlineExceeded}
	asTheLibrary := fmt.Errorf("%w : %w", packets.ErrorNetworkError, read)
	for _, err := range []error{errNoAnswer, context.DeadlineExceeded, read, asTheLibrary} {
		if text := e.dialError(err).Error(); !strings.Contains(text, "did not answer within") || strings.Contains(text, "4711") {
			t.Errorf("%v: %s", err, text)
		}
	}
}
