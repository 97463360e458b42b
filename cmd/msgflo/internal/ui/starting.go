package ui

import (
	"encoding/json"

	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers/launch"
)

// doingTo and didTo are doing and did; a process starts and stops.
func doingTo(s *plan.Step) string {
	if s.Addr.Type == processType {
		switch s.Action {
		case plan.Create:
			return "starting"
		case plan.Delete:
			return "stopping"
		}
	}
	return doing(s.Action)
}

func didTo(s *plan.Step) string {
	if s.Addr.Type == processType {
		switch s.Action {
		case plan.Create:
			return "started"
		case plan.Delete:
			return "stopped"
		}
	}
	return did(s.Action)
}

// waitingFor says what takes so long: of a process that starts, which sign of
// readiness has not come.
func waitingFor(s *plan.Step) string {
	if s.Addr.Type != processType || s.Action == plan.Delete || len(s.After) == 0 {
		return doingTo(s) + "…"
	}
	var v struct {
		Ready struct {
			When string `json:"when"`
		} `json:"ready"`
	}
	if json.Unmarshal(s.After, &v) != nil {
		return doingTo(s) + "…"
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
	return doingTo(s) + "…"
}
