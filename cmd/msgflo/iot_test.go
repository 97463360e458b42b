package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// TestIot is the example on a Mosquitto and a RabbitMQ, with its device
// running: a reading goes through the route and through the bridge to the other
// broker, also after the bridge has lost that one; the retained setting reaches
// the device and so does a changed one, of which nothing else takes notice;
// destroy leaves both brokers and the process table as they were.
func TestIot(t *testing.T) {
	s := newSystem(t, "iot")
	home := mosquittotest.Start(t, mosquittotest.Options{})
	s.env = append(s.env, "MSGFLO_VAR_mqtt="+home.URL, "MSGFLO_VAR_interval=0.5")
	before := s.definitions()

	s.run("validate")
	s.run("apply", "-auto-approve")
	was := s.pids()
	if was["bridge.0"] == 0 || was["archive.0"] == 0 || len(was) != 2 {
		t.Fatalf("bridge and archive should run; it is %v", was)
	}
	s.unchanged()

	display := listen(t, home.URL, "display/#")
	device := s.device(home.URL)
	device.prints("interval 0.5 s")
	s.await("a reading at the display", func() bool { return len(display.all()) > 0 })
	for _, m := range display.all() {
		if m.Topic != "display/livingroom/celsius" {
			t.Errorf("the display got %q on %s", m.Body, m.Topic)
		}
		device.prints("celsius " + string(m.Body)) // byte for byte
	}
	s.await("a reading at the archive", func() bool { return len(s.archived()) > 0 })
	for _, reading := range s.archived() {
		if !strings.Contains(reading, ".") {
			reading += ".0" // a number on its way through JSON
		}
		device.prints("celsius " + reading)
	}
	s.unchanged()

	s.changeInterval(device)
	s.loseTheOffice()
	if now := s.pids(); !maps.Equal(now, was) {
		t.Errorf("nothing should have started again; %v became %v", was, now)
	}

	if there := retainedOn(t, home.URL); string(there["thermometer/interval"]) != "0.25" || len(there) < 2 {
		t.Errorf("the broker should retain the interval and the routes; it does %q", there)
	}
	device.stop()
	s.await("the last readings to be archived", func() bool { // else destroying their queue would lose them, and is refused
		out, _ := s.exits("plan", "-destroy")
		return strings.Contains(out, " 0 messages at risk")
	})
	s.run("destroy", "-auto-approve")
	if after := s.definitions(); after != before {
		t.Errorf("destroy left\n%s\nwhere there was\n%s", after, before)
	}
	s.await("the agent to end", func() bool { return len(s.home.processes()) == 0 })
	if left := retainedOn(t, home.URL); len(left) > 0 {
		t.Errorf("destroy left retained messages: %q", left)
	}
}

// printed is a line of the archive's log that is a reading.
var printed = regexp.MustCompile(`(?m)^archive\.0 \| (\d+(?:\.\d)?)$`)

// archived are the readings that the archive printed.
func (s *system) archived() []string {
	s.t.Helper()
	var out []string
	for _, m := range printed.FindAllStringSubmatch(s.run("logs", "-n", "1000", "archive"), -1) {
		out = append(out, m[1])
	}
	return out
}

// changeInterval changes the setting while the device runs.
func (s *system) changeInterval(d *device) {
	t := s.t
	t.Helper()
	agents := s.home.agents()
	s.env = append(s.env, "MSGFLO_VAR_interval=0.25")
	plan := s.run("plan")
	for _, want := range []string{"retained.interval will be updated in place", "Plan: 0 to add, 1 to change, 0 to destroy."} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	s.run("apply", "-auto-approve")
	d.prints("interval 0.25 s")
	if now := s.home.agents(); !slices.Equal(now, agents) {
		t.Errorf("the agent %v became %v", agents, now)
	}
	s.unchanged()
}

// loseTheOffice makes RabbitMQ close the bridge's connection: the readings that
// follow arrive.
func (s *system) loseTheOffice() {
	s.t.Helper()
	var name string
	s.await("RabbitMQ to know of the bridge's connection", func() bool {
		name = s.bridged()
		return name != ""
	})
	if code, answer, err := call(http.MethodDelete, s.broker.ManagementURL+"/api/connections/"+url.PathEscape(name), ""); err != nil || code != http.StatusNoContent {
		s.t.Fatalf("closing a connection: %d %s %v", code, answer, err)
	}
	s.await("another connection of the bridge", func() bool {
		now := s.bridged()
		return now != "" && now != name
	})
	n := len(s.archived())
	s.await("more readings at the archive", func() bool { return len(s.archived()) > n+1 })
}

// bridged is the name that RabbitMQ has for the bridge's connection: the one of
// amqplib in the vhost. "": there is none.
func (s *system) bridged() string {
	s.t.Helper()
	_, answer, err := call(http.MethodGet, s.broker.ManagementURL+"/api/vhosts/"+s.vhost+"/connections", "")
	if err != nil {
		s.t.Fatal(err)
	}
	var list []struct {
		Name       string `json:"name"`
		Properties struct {
			Product string `json:"product"`
		} `json:"client_properties"`
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		s.t.Fatalf("%v: %s", err, answer)
	}
	for _, c := range list {
		if c.Properties.Product == "amqplib" {
			return c.Name
		}
	}
	return ""
}

// A device is the example's device.js at work.
type device struct {
	s    *system
	mu   sync.Mutex
	out  bytes.Buffer
	stop func()
}

// device starts it, as a user does; it ends with the test.
func (s *system) device(broker string) *device {
	s.t.Helper()
	d := &device{s: s}
	cmd := exec.Command("node", "device.js")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, d, d
	cmd.Env = append(slices.Clip(s.env), "MSGFLO_BROKER="+broker)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("starting the device: %v", err)
	}
	d.stop = sync.OnceFunc(func() {
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	s.t.Cleanup(func() {
		d.stop()
		if s.t.Failed() {
			s.t.Logf("the device:\n%s", d)
		}
	})
	return d
}

func (d *device) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.Write(p)
}

// prints waits until it has printed a line.
func (d *device) prints(line string) {
	d.s.t.Helper()
	d.s.await("the device to print "+line, func() bool { return strings.Contains("\n"+d.String(), "\n"+line+"\n") })
}

// String is what it printed so far.
func (d *device) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

// A listener has what comes on an MQTT broker.
type listener struct {
	mu  sync.Mutex
	got []mqtt.Received
}

// listen subscribes until the test ends.
func listen(t *testing.T, url, filter string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l := &listener{}
	c, err := mqtt.DialClient(ctx, mqtt.ClientOptions{Options: mqtt.Options{URL: url}, Receive: l.receive})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Subscribe(ctx, mqtt.Filter{Topic: filter}); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *listener) receive(m mqtt.Received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, m)
}

func (l *listener) all() []mqtt.Received {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// retainedOn is all that a broker retains, by topic.
func retainedOn(t *testing.T, url string) map[string][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := retained.Dial(ctx, mqtt.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.Read(ctx, "#")
	if err != nil {
		t.Fatal(err)
	}
	return all
}
