package ui

import (
	"io"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/state"
)

// ShowState writes a state for people: a block an object, as it might be
// declared, secrets masked, then the outputs.
func ShowState(w io.Writer, s *state.Snapshot, schemas change.Schemas, color bool) error {
	p := newPrinter(w, color)
	if s == nil || len(s.Objects)+len(s.Outputs)+len(s.Pending) == 0 {
		p.line("The state is empty: nothing has been applied yet.")
		p.flush()
		return p.err
	}
	for i := range s.Objects {
		if i > 0 {
			p.line()
		}
		p.object(&s.Objects[i], schemas)
	}
	if len(s.Pending) > 0 {
		p.line()
		p.line(p.pal.with(p.pal.bold, "Begun by an interrupted run, outcome not known; the next plan looks:"))
		for i := range s.Pending {
			p.line("  ", diag.Escape(s.Pending[i].Addr.String()))
		}
	}
	if len(s.Outputs) > 0 {
		p.line()
		p.line(p.pal.with(p.pal.bold, "Outputs:"))
		p.line()
		p.text(OutputsText(s.Outputs))
	}
	p.flush()
	return p.err
}

// ShowObjects writes some objects of a state: `state show`.
func ShowObjects(w io.Writer, objects []state.Object, schemas change.Schemas, color bool) error {
	p := newPrinter(w, color)
	for i := range objects {
		if i > 0 {
			p.line()
		}
		p.object(&objects[i], schemas)
	}
	p.flush()
	return p.err
}

// ListState writes the addresses of objects, one a line: `state list`.
func ListState(w io.Writer, objects []state.Object) error {
	p := newPrinter(w, false)
	for i := range objects {
		p.line(diag.Escape(objects[i].Addr.String()))
	}
	p.flush()
	return p.err
}

func (p *printer) object(o *state.Object, schemas change.Schemas) {
	s := schemas.For(o.Provider, o.Addr.Type)
	v := value.Recorded(o.Attrs, s, o.Sensitive, o.Hashes)
	about := diag.Escape(o.Addr.String()) + " on " + diag.Escape(o.Provider.String())
	if !o.Owned {
		about += ", adopted"
	}
	p.line(p.pal.with(p.pal.faint, "# "+about))
	p.line(p.pal.with(p.pal.bold, diag.Escape(o.Addr.Type)+" "+value.Quote(label(o))+" {"))
	for _, l := range value.Object(v, s, value.Assign) {
		p.line(strings.Repeat("  ", l.Depth+1), l.Key, l.Text)
	}
	p.line("}")
}

func label(o *state.Object) string {
	if o.Addr.Name == "" {
		return o.Addr.Owner
	}
	return o.Addr.Name
}
