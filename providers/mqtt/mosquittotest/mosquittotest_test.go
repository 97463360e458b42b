package mosquittotest_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
)

func TestMain(m *testing.M) { mosquittotest.Main(m) }

func reachable(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestBroker(t *testing.T) {
	var dir string
	t.Run("life", func(t *testing.T) {
		b := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"u": "p"}, Persist: true, WebSocket: true})
		dir = b.Dir
		first := b.Pid()
		if first == 0 || !reachable(b.Addr) || !reachable(strings.TrimPrefix(b.WebSocketURL, "ws://")) {
			t.Error("a started broker is not there")
		}
		b.Kill()
		if b.Pid() != 0 || reachable(b.Addr) {
			t.Error("a killed broker is there")
		}
		b.Restart(t)
		if b.Pid() == first || !reachable(b.Addr) {
			t.Error("a restarted broker is not there")
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s was left behind", dir)
	}
}

func TestShared(t *testing.T) {
	if first := mosquittotest.Shared(t); mosquittotest.Shared(t) != first {
		t.Error("not shared")
	}
	if a, b := mosquittotest.Prefix(t), mosquittotest.Prefix(t); a == b || strings.ContainsAny(a, "+#") {
		t.Errorf("prefixes %q and %q", a, b)
	}
}
