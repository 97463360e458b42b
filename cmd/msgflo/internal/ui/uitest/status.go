package uitest

import (
	"time"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Status is a system with a role in every state that there is, at 03:04:05.
func Status() *workspace.Status {
	at := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	n := func(i int64) *int64 { return &i }
	yes := func(b bool) *bool { return &b }
	f := func(r float64) *float64 { return &r }
	in := func(queue string, t *workspace.Traffic) []workspace.Port {
		return []workspace.Port{{ID: "in", Queue: queue, Traffic: t}}
	}
	busy := &workspace.Traffic{Ready: n(18204), Unacked: n(12), Consumers: n(3), InRate: f(1.25), OutRate: f(1.1)}
	up := func(i, pid int) launch.Replica {
		return launch.Replica{Index: i, State: launch.Running, PID: pid, Started: at, Log: "/logs/resize.log"}
	}
	hostile := "\x1b[31mred\u202egnp.exe\n"
	return &workspace.Status{
		FormatVersion: workspace.StatusVersion, Lineage: "l-1", Machine: "here",
		Agent: &workspace.Agent{PID: 7, Version: "0.3.0", Started: at},
		Roles: []workspace.Role{
			{Broker: "main", Role: "resize", Address: "participant.resize", Component: "Resize", Client: "nodejs", State: "running", Wanted: 5, Ready: 5, Since: &at, Machine: "here", Declared: true,
				Replicas: []launch.Replica{up(0, 100), up(1, 101), up(2, 102), up(3, 103), up(4, 104)},
				Inports:  append(in("resize.IN", busy), workspace.Port{ID: "width", Queue: "resize.WIDTH", Traffic: &workspace.Traffic{Missing: true}})},
			{Broker: "main", Role: "store", Address: "participant.store", Component: "Store", State: "failed", Wanted: 1, Restarts: 5, Declared: true,
				Replicas: []launch.Replica{{State: launch.Failed, Restarts: 5, Reason: "exit status 1: " + hostile}},
				Inports:  in("store.IN", &workspace.Traffic{Ready: n(1), Unacked: n(0), Consumers: n(0), InRate: f(0)})},
			{Broker: "main", Role: "web", Component: "Web", State: "stopped", Held: true, Wanted: 1, Declared: true, Mismatch: "its outport out has exchange web.OUT2, declared is web.OUT"},
			{Broker: "main", Role: "sensor", State: workspace.Foreign, Declared: true, Outports: []workspace.Port{{ID: "out", Queue: "sensor.OUT"}}},
			{Broker: "main", Role: "gpu", Component: "Gpu", State: workspace.Elsewhere, Machine: "other.example", Wanted: 1, Declared: true},
			{Broker: "main", Role: "new", Component: "New", State: workspace.NotApplied, Wanted: 2, Declared: true, Inports: in("new.IN", nil)},
			{Broker: "main", Role: hostile, Component: hostile, State: "starting", Wanted: 1, Inports: in(hostile, nil)},
		},
		Edges: []workspace.Edge{
			{From: "web.out", To: "resize.in", Graph: "graph.thumbs", Broker: "main", Queue: "resize.IN", Traffic: busy},
			{From: "resize.out", To: "store.in", Graph: "graph.thumbs", Broker: "main"},
			{From: hostile, To: "store.in", Graph: "graph.thumbs", Broker: "main", Queue: "gone", Traffic: &workspace.Traffic{Missing: true}},
		},
		Brokers:  []workspace.Broker{{Name: "main", Answers: yes(true)}, {Name: "other", Answers: yes(false), Problem: "nothing listens at localhost:5672"}, {Name: "third", Problem: hostile}},
		Services: []workspace.Service{{Kind: control.Router, Name: "other", Note: "not connected: " + hostile}, {Kind: control.Keeper, Name: "main"}, {Kind: control.Announcement, Name: "main/web", Note: control.NoAgent}},
		Notes:    []string{"Queue depths of broker.other are not known: nothing listens at localhost:5672."},
	}
}
