package fake

import (
	"context"
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// Read implements providers.Provider.
func (p *provider) Read(ctx context.Context, queries []providers.Query) ([]providers.Result, error) {
	w, fault, err := p.begin(ctx, "read")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]providers.Result, len(queries))
	for i, q := range queries {
		out[i] = w.read(q)
	}
	if err := p.end(w, fault); err != nil {
		return nil, err
	}
	return out, nil
}

func (w *World) read(q providers.Query) providers.Result {
	if typ, ok := strings.CutPrefix(q.Type, "data."); ok && typ == "queue" {
		return w.readData(q.Value)
	}
	s := w.schemas[q.Type]
	if s == nil {
		return providers.Result{Err: fmt.Errorf("a fake broker has no %q", q.Type)}
	}
	o := w.objects[keyOf(q.Type, q.Value)]
	if o == nil {
		return providers.Result{Value: cty.NullVal(s.ImpliedType()), Note: w.note(q)}
	}
	return providers.Result{Value: shown(q.Type, o.value), Owner: o.owner}
}

// note says why an object may be away without that being drift.
func (w *World) note(q providers.Query) string {
	if q.Type == "queue" && attr.Bool(q.Value, "auto_delete", false) {
		return "the queue is auto-delete"
	}
	return ""
}

func (w *World) readData(v cty.Value) providers.Result {
	o := w.objects[keyOf("queue", v)]
	m := v.AsValueMap()
	m["exists"], m["messages"] = cty.BoolVal(o != nil), cty.Zero
	if o != nil {
		m["messages"] = cty.NumberIntVal(o.ready + o.unacked)
	}
	return providers.Result{Value: cty.ObjectVal(m)}
}

// Depth implements providers.Meter.
func (p *provider) Depth(ctx context.Context, queries []providers.Query) ([]providers.Depth, error) {
	w, fault, err := p.begin(ctx, "depth")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]providers.Depth, len(queries))
	for i, q := range queries {
		out[i] = w.depth(keyOf(q.Type, q.Value))
	}
	if err := p.end(w, fault); err != nil {
		return nil, err
	}
	return out, nil
}

func (w *World) depth(k key) providers.Depth {
	o := w.objects[k]
	if o == nil {
		return providers.Depth{}
	}
	d := providers.Depth{Ready: o.ready, Unacked: o.unacked, Consumers: o.consumers}
	for _, in := range sorted(w.inside[k]) {
		io := w.objects[in]
		if k.typ == "vhost" {
			d.Ready, d.Unacked, d.Consumers = d.Ready+io.ready, d.Unacked+io.unacked, d.Consumers+io.consumers
		}
		d.Collateral = append(d.Collateral, providers.Object{Type: in.typ, Value: shown(in.typ, io.value), Owner: io.owner})
	}
	return d
}

// List implements providers.Lister.
func (p *provider) List(ctx context.Context, vhost, match string) ([]providers.Object, error) {
	w, fault, err := p.begin(ctx, "list")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := p.end(w, fault); err != nil {
		return nil, err
	}
	return w.list(vhost, match)
}

func (w *World) list(vhost, match string) ([]providers.Object, error) {
	// path.Match stops at slashes, which are ordinary in these names.
	flat := strings.NewReplacer("/", "\x00")
	var out []providers.Object
	for _, k := range sorted(w.objects) {
		in := k.vhost
		if k.typ == "vhost" {
			in = k.name
		}
		if vhost != "" && in != vhost {
			continue
		}
		if match != "" {
			ok, err := path.Match(flat.Replace(match), flat.Replace(k.name))
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern: %w", match, err)
			}
			if !ok {
				continue
			}
		}
		o := w.objects[k]
		out = append(out, providers.Object{Type: k.typ, Value: shown(k.typ, o.value), Owner: o.owner})
	}
	return out, nil
}

func sorted[V any](m map[key]V) []key {
	out := make([]key, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.typ != b.typ {
			return a.typ < b.typ
		}
		if a.vhost != b.vhost {
			return a.vhost < b.vhost
		}
		return a.name < b.name
	})
	return out
}
