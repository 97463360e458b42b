package diagram

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// A paint is the fill and stroke of what a plan touches.
type paint struct{ class, fill, stroke string }

func paintOf(a plan.Action) paint {
	switch a {
	case plan.Create:
		return paint{"create", "#dcf5dc", "#2e7d32"}
	case plan.Update, plan.Restart:
		return paint{"update", "#fff4cc", "#b28704"}
	case plan.Delete:
		return paint{"delete", "#fbdcdc", "#c62828"}
	case plan.Replace, plan.Migrate:
		return paint{"replace", "#f3dcfb", "#7b1fa2"}
	case plan.Adopt:
		return paint{"adopt", "#dceffb", "#0277bd"}
	case plan.Forget:
		return paint{"forget", "#eeeeee", "#757575"}
	}
	return paint{}
}

// Dot writes a drawing for Graphviz. Labels in dot know escapes with a backslash
// and HTML entities; the rest is made harmless by diag.Escape.
func Dot(w io.Writer, d Drawing) error {
	m := build(d)
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "digraph msgflo {\n  rankdir=LR\n  node [fontname=\"sans-serif\" shape=box style=filled fillcolor=white]\n  edge [fontname=\"sans-serif\"]\n")
	cluster := 0
	m.boxes(func(name string) {
		fmt.Fprintf(b, "  subgraph cluster_%d {\n  label=%s\n", cluster, dotQuote(name))
		cluster++
	}, func(v vertex) {
		fmt.Fprintf(b, "  %s [label=%s%s]\n", v.id, dotLabel(v), dotLook(v))
	}, func() { fmt.Fprint(b, "  }\n") })
	for _, a := range m.arrows {
		var attrs []string
		if a.label != "" {
			attrs = append(attrs, "label="+dotQuote(a.label))
		}
		if p := paintOf(a.action); p.class != "" {
			attrs = append(attrs, fmt.Sprintf("color=%q fontcolor=%q", p.stroke, p.stroke))
		}
		if a.dotted {
			attrs = append(attrs, "style=dotted arrowhead=open")
			if a.loose {
				attrs = append(attrs, "constraint=false")
			}
		} else if a.dashed || a.action == plan.Delete {
			attrs = append(attrs, "style=dashed")
		}
		fmt.Fprintf(b, "  %s -> %s [%s]\n", dotPort(a.from, "o", a.outport), dotPort(a.to, "i", a.inport), strings.Join(attrs, " "))
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

func dotLook(v vertex) string {
	shape := ""
	switch v.kind {
	case "participant":
		shape = " shape=Mrecord"
	case "topic":
		shape = " shape=parallelogram"
	case "packet":
		shape = " shape=note"
	case "exchange":
		shape = " shape=hexagon"
	case "queue":
		shape = " shape=cylinder"
	case "vhost", "user":
		shape = " shape=folder"
	case "other":
		shape = ` style="dashed"`
	}
	if v.foreign {
		shape += ` style="filled,dashed"`
	}
	if p := paintOf(v.action); p.class != "" {
		shape += fmt.Sprintf(" fillcolor=%q color=%q", p.fill, p.stroke)
	}
	return shape
}

// dotLabel is a label in quotes; a participant's is a record: its inports, its
// names, its outports.
func dotLabel(v vertex) string {
	if v.kind != "participant" {
		return dotQuote(v.label)
	}
	middle := dotField(v.label)
	if v.below != "" {
		middle += `\n` + dotField(v.below)
	}
	fields := []string{middle}
	if len(v.in) > 0 {
		fields = []string{dotPorts("i", v.in), middle}
	}
	if len(v.out) > 0 {
		fields = append(fields, dotPorts("o", v.out))
	}
	return `"{` + strings.Join(fields, "|") + `}"`
}

func dotPorts(prefix string, names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("<%s%d> %s", prefix, i+1, dotField(n))
	}
	return "{" + strings.Join(out, "|") + "}"
}

// dotPort is an arrow's end: a vertex, or the n-th of its ports.
func dotPort(id, prefix string, n int) string {
	if n == 0 {
		return id
	}
	return fmt.Sprintf("%s:%s%d", id, prefix, n)
}

func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`).Replace(diag.Escape(s)) + `"`
}

// dotField is a text in a record, where more is syntax. A quote with a backslash
// is one for the file and for the record alike.
func dotField(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`, `{`, `\{`, `}`, `\}`, `|`, `\|`, `<`, `\<`, `>`, `\>`, ` `, `\ `).Replace(diag.Escape(s))
}

// Mermaid writes a drawing as a mermaid flowchart.
func Mermaid(w io.Writer, d Drawing) error {
	m := build(d)
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "flowchart LR\n")
	classes := map[string][]string{}
	styles := map[string]paint{}
	var foreign []string
	cluster := 0
	m.boxes(func(name string) {
		fmt.Fprintf(b, "  subgraph m%d [%s]\n", cluster, mermaidQuote(name))
		cluster++
	}, func(v vertex) {
		open, end := mermaidShape(v.kind)
		fmt.Fprintf(b, "  %s%s%s%s\n", v.id, open, mermaidLabel(v), end)
		if v.foreign {
			foreign = append(foreign, v.id)
		}
		if p := paintOf(v.action); p.class != "" {
			classes[p.class] = append(classes[p.class], v.id)
			styles[p.class] = p
		}
	}, func() { fmt.Fprint(b, "  end\n") })
	for i, a := range m.arrows {
		line := "-->"
		if a.dotted {
			line = "-.->"
		}
		if label := a.text(); label != "" {
			line += "|" + mermaidQuote(label) + "|"
		}
		fmt.Fprintf(b, "  %s %s %s\n", a.from, line, a.to)
		var style []string // a second linkStyle would undo the first
		if a.dashed {
			style = append(style, "stroke-dasharray:6")
		}
		if p := paintOf(a.action); p.class != "" {
			style = append(style, "stroke:"+p.stroke, "color:"+p.stroke)
		}
		if len(style) > 0 {
			fmt.Fprintf(b, "  linkStyle %d %s\n", i, strings.Join(style, ","))
		}
	}
	if len(foreign) > 0 {
		fmt.Fprintf(b, "  classDef foreign stroke-dasharray:6\n  class %s foreign\n", strings.Join(foreign, ","))
	}
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		fmt.Fprintf(b, "  classDef %s fill:%s,stroke:%s,color:#111\n  class %s %s\n", c, styles[c].fill, styles[c].stroke, strings.Join(classes[c], ","), c)
	}
	return b.Flush()
}

func mermaidShape(kind string) (open, end string) {
	switch kind {
	case "participant":
		return "(", ")"
	case "topic":
		return "[/", "/]"
	case "packet":
		return ">", "]"
	case "exchange":
		return "{{", "}}"
	case "queue":
		return "[(", ")]"
	case "other":
		return "([", "])"
	}
	return "[", "]"
}

// mermaidLabel is a label in quotes; a participant's tells its ports, too.
func mermaidLabel(v vertex) string {
	lines := []string{mermaidText(v.label)}
	if v.below != "" {
		lines = append(lines, mermaidText(v.below))
	}
	if ports := strings.TrimSpace(strings.Join(v.in, ", ") + " → " + strings.Join(v.out, ", ")); ports != "→" {
		lines = append(lines, mermaidText(ports))
	}
	return `"` + strings.Join(lines, "<br/>") + `"`
}

// text is what stands at an arrow in a format that does not show ports where
// they are: `out → in, round-robin`, `dead letter → in`.
func (a arrow) text() string {
	switch {
	case a.out == "" && a.in == "":
		return a.label
	case a.out == "":
		return strings.TrimSpace(a.label + " → " + a.in)
	case a.label == "":
		return strings.TrimSpace(a.out + " → " + a.in)
	}
	return strings.TrimSpace(a.out+" → "+a.in) + ", " + a.label
}

func mermaidQuote(s string) string { return `"` + mermaidText(s) + `"` }

// mermaidText escapes a text for a label: mermaid reads #NN; as a character, so
// whatever could be syntax, Markdown or HTML is written that way.
func mermaidText(s string) string {
	var b strings.Builder
	s = diag.Escape(s)
	for i, r := range s {
		list := strings.ContainsRune(".-+", r) && (i == 0 || strings.HasPrefix(s[i+1:], " ")) // `1. x`, `- x`, `---`
		if list || strings.ContainsRune("\"#;<>&`\\|{}[]()*_~", r) {
			fmt.Fprintf(&b, "#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
