package discovery

import (
	"fmt"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
)

// Mismatch says, for people, how an announcement differs from what was
// declared for its role: in the queue of a port, or in a declared port that is not
// announced. "" where it does not. Ports are matched as they are written, else without
// regard to case: files of the .fbp kind know lower case only. What is announced
// beyond the declaration is no difference: nothing is wired to it.
func Mismatch(spec launch.Spec, a Announcement) string {
	var out []string
	if spec.Role != a.Role {
		out = append(out, fmt.Sprintf("it announces the role %s, not %s", quote(a.Role), quote(spec.Role)))
	}
	out = append(out, mismatches("inport", spec.Inports, a.Inports)...)
	out = append(out, mismatches("outport", spec.Outports, a.Outports)...)
	return strings.Join(out, "; ")
}

// shown is how many differences are told; a client library named wrongly makes
// all ports differ in the same way.
const shown = 4

func mismatches(kind string, declared []launch.Port, announced []Port) []string {
	var out []string
	for _, d := range declared {
		p := find(announced, d.ID)
		switch {
		case p == nil:
			out = append(out, fmt.Sprintf("it announces no %s %s%s", kind, quote(d.ID), known(d.ID, announced)))
		case p.Queue == "" && d.Queue != "":
			out = append(out, fmt.Sprintf("it announces its %s %s without a queue, where %s is declared", kind, quote(d.ID), quote(d.Queue)))
		case p.Queue != d.Queue:
			out = append(out, fmt.Sprintf("it announces its %s %s at %s, where %s is declared", kind, quote(d.ID), quote(p.Queue), quote(d.Queue)))
		}
	}
	if more := len(out) - shown; more > 0 {
		out = append(out[:shown], fmt.Sprintf("and so for %d more", more))
	}
	return out
}

func known(wrong string, announced []Port) string {
	var ids []string
	for _, p := range announced {
		ids = append(ids, p.ID)
	}
	if near := diag.Nearest(wrong, ids); near != "" {
		return " (but " + quote(near) + ")"
	}
	return ""
}

func find(ports []Port, id string) *Port {
	var loose *Port
	for i := range ports {
		switch {
		case ports[i].ID == id:
			return &ports[i]
		case loose == nil && strings.EqualFold(ports[i].ID, id):
			loose = &ports[i]
		}
	}
	return loose
}

func quote(s string) string { return `"` + diag.Escape(s) + `"` }
