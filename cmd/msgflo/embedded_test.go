package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// TestEmbedded runs the stories of testdata/embedded: the real main with the
// broker that its agent hosts. A story has in its environment PORT and OTHER, two
// ports that are free, and beside testscript's commands exits and processes (see TestScripts):
//
//	passes TOPIC BODY PROGRAM ARGS…   runs it until that message comes on the broker at PORT
//	killagent                         kills the story's agent, and waits until it is gone
func TestEmbedded(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/embedded", UpdateScripts: *update, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "processes": processes, "passes": passes, "killagent": killAgent, "until": until},
		Setup: func(e *testscript.Env) error {
			var port, other int
			if err := child.Ports(&port, &other); err != nil {
				return err
			}
			e.Setenv("PORT", strconv.Itoa(port))
			e.Setenv("OTHER", strconv.Itoa(other))
			e.Setenv("MSGFLO_VAR_port", strconv.Itoa(port))
			return joins(e)
		},
	})
}

func passes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: passes TOPIC BODY PROGRAM ARGS…")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got := make(chan string, 100)
	c, err := mqtt.DialClient(ctx, mqtt.ClientOptions{
		Options: mqtt.Options{URL: "mqtt://127.0.0.1:" + ts.Getenv("PORT")}, Receive: func(m mqtt.Received) { got <- string(m.Body) }})
	ts.Check(err)
	defer c.Close()
	ts.Check(c.Subscribe(ctx, mqtt.Filter{Topic: args[0]}))
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	ts.Check(ts.Exec(args[2], args[3:]...))
	for {
		select {
		case body := <-got:
			if body == args[1] {
				return
			}
		case <-again.C: // MQTT keeps nothing for who is about to connect again
			ts.Check(ts.Exec(args[2], args[3:]...))
		case <-ctx.Done():
			ts.Fatalf("%q never came on %q", args[1], args[0])
		}
	}
}

func killAgent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: killagent")
	}
	h := householdOf(ts)
	// One that is about to exec another program looks like two, and one that has been brought down still has to end.
	if !eventually(time.Minute, 20*time.Millisecond, func() bool { return len(h.agents()) == 1 }) {
		ts.Fatalf("%d agents", len(h.agents()))
	}
	ts.Check(h.killAgents())
}
