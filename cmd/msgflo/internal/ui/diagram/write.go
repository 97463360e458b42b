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
	m.byModule(func(module string, vs []vertex) {
		if module != "" {
			fmt.Fprintf(b, "  subgraph cluster_%d {\n  label=%s\n", cluster, dotQuote(module))
			cluster++
		}
		for _, v := range vs {
			fmt.Fprintf(b, "  %s [label=%s%s]\n", v.id, dotQuote(v.label), dotLook(v))
		}
		if module != "" {
			fmt.Fprint(b, "  }\n")
		}
	})
	for _, a := range m.arrows {
		var attrs []string
		if a.label != "" {
			attrs = append(attrs, "label="+dotQuote(a.label))
		}
		if p := paintOf(a.action); p.class != "" {
			attrs = append(attrs, fmt.Sprintf("color=%q fontcolor=%q", p.stroke, p.stroke))
		}
		if a.dotted {
			attrs = append(attrs, "style=dotted arrowhead=open constraint=false")
		} else if a.action == plan.Delete {
			attrs = append(attrs, "style=dashed")
		}
		fmt.Fprintf(b, "  %s -> %s [%s]\n", a.from, a.to, strings.Join(attrs, " "))
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

func dotLook(v vertex) string {
	shape := ""
	switch v.kind {
	case "exchange":
		shape = " shape=hexagon"
	case "queue":
		shape = " shape=cylinder"
	case "vhost", "user":
		shape = " shape=folder"
	case "other":
		shape = ` style="dashed"`
	}
	if p := paintOf(v.action); p.class != "" {
		shape += fmt.Sprintf(" fillcolor=%q color=%q", p.fill, p.stroke)
	}
	return shape
}

func dotQuote(s string) string {
	s = diag.Escape(s)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`).Replace(s) + `"`
}

// Mermaid writes a drawing as a mermaid flowchart.
func Mermaid(w io.Writer, d Drawing) error {
	m := build(d)
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "flowchart LR\n")
	classes := map[string][]string{}
	styles := map[string]paint{}
	cluster := 0
	m.byModule(func(module string, vs []vertex) {
		if module != "" {
			fmt.Fprintf(b, "  subgraph m%d [%s]\n", cluster, mermaidQuote(module))
			cluster++
		}
		for _, v := range vs {
			open, end := mermaidShape(v.kind)
			fmt.Fprintf(b, "  %s%s%s%s\n", v.id, open, mermaidQuote(v.label), end)
			if p := paintOf(v.action); p.class != "" {
				classes[p.class] = append(classes[p.class], v.id)
				styles[p.class] = p
			}
		}
		if module != "" {
			fmt.Fprint(b, "  end\n")
		}
	})
	for i, a := range m.arrows {
		line := "-->"
		if a.dotted {
			line = "-.->"
		}
		if a.label != "" {
			line += "|" + mermaidQuote(a.label) + "|"
		}
		fmt.Fprintf(b, "  %s %s %s\n", a.from, line, a.to)
		if p := paintOf(a.action); p.class != "" {
			fmt.Fprintf(b, "  linkStyle %d stroke:%s,color:%s\n", i, p.stroke, p.stroke)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		fmt.Fprintf(b, "  classDef %s fill:%s,stroke:%s,color:#111\n  class %s %s\n", c, styles[c].fill, styles[c].stroke, strings.Join(classes[c], ","), c)
	}
	return b.Flush()
}

func mermaidShape(kind string) (open, end string) {
	switch kind {
	case "exchange":
		return "{{", "}}"
	case "queue":
		return "[(", ")]"
	case "other":
		return "([", "])"
	}
	return "[", "]"
}

// mermaidQuote writes a label: mermaid reads #NN; as a character, so whatever
// could be syntax, Markdown or HTML is written that way.
func mermaidQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range diag.Escape(s) {
		if strings.ContainsRune("\"#;<>&`\\|{}[]()*_~", r) {
			fmt.Fprintf(&b, "#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}
