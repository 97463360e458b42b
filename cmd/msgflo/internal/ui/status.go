package ui

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Status writes a running system for people: who there is and how they are,
// then the edges with what waits on them, then what is not known.
func Status(w io.Writer, s *workspace.Status, now time.Time, color bool) error {
	p := newPrinter(w, color)
	p.agent(s)
	p.roles(s, now)
	p.edges(s.Edges)
	p.brokers(s)
	if len(s.Notes) > 0 {
		p.line()
	}
	for _, n := range s.Notes {
		p.line(p.pal.with(p.pal.yellow, n))
	}
	p.flush()
	return p.err
}

// StatusJSON writes it for machines, in one line.
func StatusJSON(w io.Writer, s *workspace.Status) error {
	b, err := tfjson.Encode(s)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// agent says who supervises, where anything is to be supervised.
func (p *printer) agent(s *workspace.Status) {
	here := 0
	for i := range s.Roles {
		if r := &s.Roles[i]; r.State != workspace.Foreign && r.State != workspace.LeftOver && r.State != workspace.Elsewhere && r.State != workspace.NotApplied {
			here++
		}
	}
	switch {
	case s.Agent != nil || here == 0:
	case s.Lineage == "":
		p.line(p.pal.with(p.pal.faint, "Nothing has been applied yet: `msgflo apply` starts what is declared."))
		p.line()
	default:
		p.line(p.pal.with(p.pal.yellow, "No agent runs here, so nobody restarts what ends: `msgflo agent` or the next apply starts it."))
		p.line()
	}
}

func (p *printer) roles(s *workspace.Status, now time.Time) {
	if len(s.Roles) == 0 {
		p.line("There are no participants here.")
		return
	}
	var g grid
	var head []cell
	for i, h := range []string{"ROLE", "COMPONENT", "STATE", "READY", "RESTARTS", "UP", "PID", "INPORT", "DEPTH", "CONSUMERS", "IN/S", "OUT/S"} {
		head = append(head, cell{text: h, paint: p.pal.faint, right: i == 4 || i > 7})
	}
	g.row(head...)
	names := roleNames(s.Roles)
	for i := range s.Roles {
		p.role(&g, &s.Roles[i], names[i], now)
	}
	p.grid(&g)
}

// roleNames are the roles, with their brokers where there are several.
func roleNames(roles []workspace.Role) []string {
	out := make([]string, len(roles))
	several := false
	for i := range roles {
		several = several || roles[i].Broker != roles[0].Broker
	}
	for i := range roles {
		out[i] = diag.Escape(roles[i].Role)
		if several {
			out[i] = diag.Escape(roles[i].Broker) + "/" + out[i]
		}
	}
	return out
}

func (p *printer) role(g *grid, r *workspace.Role, name string, now time.Time) {
	row := []cell{{text: name, paint: p.pal.bold}, {text: orDash(diag.Escape(r.Component))}, {text: stateText(r), paint: p.state(r.State)}, {text: "-"}, {text: "-", right: true}, {text: "-"}, {text: "-"}}
	if r.Wanted > 0 || len(r.Replicas) > 0 {
		row[3].text = fmt.Sprintf("%d/%d", r.Ready, r.Wanted)
	}
	if len(r.Replicas) > 0 {
		row[4].text = strconv.Itoa(r.Restarts)
		row[6].text = pids(r.Replicas)
	}
	if r.Since != nil {
		row[5].text = age(now.Sub(*r.Since))
	}
	for i, port := range r.Inports {
		if i > 0 {
			row = make([]cell, 7)
		}
		g.row(slices.Concat(row, p.port(port))...)
	}
	if len(r.Inports) == 0 {
		g.row(slices.Concat(row, make([]cell, 5))...)
	}
	for _, n := range troubles(r) {
		g.note("  "+n, p.pal.yellow)
	}
}

func (p *printer) port(port workspace.Port) []cell {
	out := []cell{{text: diag.Escape(port.ID)}}
	t := port.Traffic
	if t == nil {
		none := cell{text: "-", right: true} // a topic has no depth; where a queue has none, a note says why
		return append(out, none, none, none, none)
	}
	if t.Missing {
		return append(out, cell{text: "no queue", paint: p.pal.red, right: true}, cell{}, cell{}, cell{})
	}
	consumers := cell{text: whole(t.Consumers), right: true}
	if t.Consumers != nil && *t.Consumers == 0 {
		consumers.paint = p.pal.yellow
	}
	return append(out, cell{text: depthText(t), right: true}, consumers, cell{text: rate(t.InRate), right: true}, cell{text: rate(t.OutRate), right: true})
}

// troubles are lines about what is not as it should be.
func troubles(r *workspace.Role) []string {
	var out []string
	for _, rep := range r.Replicas {
		if rep.Reason == "" || rep.Reason == control.NoAgent || rep.Reason == control.ByDown { // that is said once, above
			continue
		}
		out = append(out, fmt.Sprintf("%s.%d %s: %s", diag.Escape(r.Role), rep.Index, rep.State, diag.Escape(rep.Reason)))
	}
	if r.Mismatch != "" {
		out = append(out, "announces itself differently: "+diag.Escape(r.Mismatch))
	}
	switch {
	case r.Declared:
	case r.State == workspace.LeftOver:
		out = append(out, "no longer declared: the next apply removes its queues")
	case r.Address == "": // a removed block or `state rm` says so
		out = append(out, "neither declared nor recorded: it runs on until `msgflo stop` or `msgflo down`")
	default:
		out = append(out, "no longer declared: the next apply stops it")
	}
	return out
}

func stateText(r *workspace.Role) string {
	s := diag.Escape(string(r.State))
	switch {
	case r.State == workspace.Elsewhere:
		host, _, _ := strings.Cut(r.Machine, "/") // what follows is for programs
		return "on " + diag.Escape(host)
	case r.Held:
		return s + " (held)"
	}
	return s
}

func (p *printer) state(s workspace.State) *color.Color {
	switch s {
	case workspace.State(launch.Running):
		return p.pal.green
	case workspace.State(launch.Starting), workspace.State(launch.Waiting), workspace.State(launch.Stopping), workspace.Unknown:
		return p.pal.yellow
	case workspace.State(launch.Failed):
		return p.pal.red
	}
	return p.pal.faint
}

// maxPIDs is how many process ids stand in a row.
const maxPIDs = 3

func pids(rs []launch.Replica) string {
	var out []string
	for _, r := range rs {
		if r.PID > 0 {
			out = append(out, strconv.Itoa(r.PID))
		}
	}
	if len(out) > maxPIDs {
		out = append(out[:maxPIDs-1], fmt.Sprintf("+%d", len(out)-maxPIDs+1))
	}
	return orDash(strings.Join(out, ","))
}

func (p *printer) edges(es []workspace.Edge) {
	if len(es) == 0 {
		return
	}
	p.line()
	var g grid
	g.row(cell{text: "FROM", paint: p.pal.faint}, cell{}, cell{text: "TO", paint: p.pal.faint},
		cell{text: "DEPTH", paint: p.pal.faint, right: true}, cell{text: "IN/S", paint: p.pal.faint, right: true})
	for _, e := range es {
		row := []cell{{text: diag.Escape(e.From)}, {text: "→", paint: p.pal.faint}, {text: diag.Escape(e.To)}, {}, {}}
		if t := e.Traffic; t != nil && t.Missing {
			row[3] = cell{text: "no queue", paint: p.pal.red, right: true}
		} else if t != nil {
			row[3], row[4] = cell{text: depthText(t), right: true}, cell{text: rate(t.InRate), right: true}
		}
		g.row(row...)
	}
	p.grid(&g)
}

// depthText is what waits, and what is worked on: "18 +3".
func depthText(t *workspace.Traffic) string {
	s := whole(t.Ready)
	if t.Unacked != nil && *t.Unacked > 0 {
		s += " +" + change.Number(*t.Unacked)
	}
	return s
}

func whole(n *int64) string {
	if n == nil {
		return "?"
	}
	return change.Number(*n)
}

func rate(r *float64) string {
	switch {
	case r == nil:
		return "?"
	case *r == 0:
		return "0"
	}
	return strconv.FormatFloat(*r, 'f', 1, 64)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// age is a duration in its largest unit: 12s, 5m, 3h, 2d.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
