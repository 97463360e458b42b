package discovery

import (
	"testing"

	"github.com/msgflo/msgflo/providers/launch"
)

func TestMismatch(t *testing.T) {
	spec := launch.Spec{Role: "r",
		Inports:  []launch.Port{{ID: "in", Queue: "r.IN"}, {ID: "job", Queue: "r.JOB"}},
		Outports: []launch.Port{{ID: "out", Queue: "r.OUT"}},
	}
	for name, c := range map[string]struct {
		role    string
		in, out []Port
		want    string
	}{
		"equal, and more": {"r", []Port{{ID: "in", Queue: "r.IN"}, {ID: "job", Queue: "r.JOB"}, {ID: "more", Queue: "m"}}, []Port{{ID: "out", Queue: "r.OUT"}}, ""},
		"case":            {"r", []Port{{ID: "IN", Queue: "r.IN"}, {ID: "Job", Queue: "r.JOB"}}, []Port{{ID: "OUT", Queue: "r.OUT"}}, ""},
		"queue": {"r", []Port{{ID: "in", Queue: "r/in"}, {ID: "job"}}, []Port{{ID: "out", Queue: "r.OUT"}},
			`it announces its inport "in" at "r/in", where "r.IN" is declared; it announces its inport "job" without a queue, where "r.JOB" is declared`},
		"absent": {"r", []Port{{ID: "in", Queue: "r.IN"}, {ID: "jop", Queue: "r.JOB"}}, nil,
			`it announces no inport "job" (but "jop"); it announces no outport "out"`},
		"role": {"r\x1b", []Port{{ID: "in", Queue: "r.IN"}, {ID: "job", Queue: "r.JOB"}}, []Port{{ID: "out", Queue: "r.OUT"}},
			`it announces the role "r\x1b", not "r"`},
	} {
		if got := Mismatch(spec, Announcement{Role: c.role, Inports: c.in, Outports: c.out}); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
