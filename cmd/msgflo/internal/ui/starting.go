package ui

import (
	"encoding/json"

	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers/launch"
)

// verbsTo are those of a step's action; a process starts and stops, and what an
// import block names is imported.
func verbsTo(s *plan.Step) Verbs {
	if s.Action == plan.Adopt && s.Imported {
		return Verbs{"importing", "imported"}
	}
	if s.Addr.Type == processType {
		switch s.Action {
		case plan.Create:
			return Verbs{"starting", "started"}
		case plan.Delete:
			return Verbs{"stopping", "stopped"}
		}
	}
	return verbsOf(s.Action)
}

// waitingFor says what takes so long: of a process that starts, which sign of
// readiness has not come.
func waitingFor(s *plan.Step) string {
	plain := verbsTo(s).Doing + "…"
	if s.Addr.Type != processType || s.Action == plan.Delete || len(s.After) == 0 {
		return plain
	}
	var v struct {
		Ready struct {
			When string `json:"when"`
		} `json:"ready"`
	}
	if json.Unmarshal(s.After, &v) != nil {
		return plain
	}
	switch v.Ready.When {
	case launch.Announced:
		return "waiting until it announces itself"
	case launch.Consuming:
		return "waiting until it consumes from its queues"
	case launch.Exec:
		return "waiting until its ready command ends with 0"
	case launch.HTTP:
		return "waiting until its ready URL answers"
	case launch.TCP:
		return "waiting until its ready address takes a connection"
	}
	return plain
}
