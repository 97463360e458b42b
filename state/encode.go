package state

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/msgflo/msgflo/config/addr"
)

// The tags of this package are written for the standard library's
// `omitempty`, which leaves out what has its zero value.
var encodeOptions = json.JoinOptions(jsonv1.OmitEmptyWithLegacySemantics(true), json.Deterministic(true), jsontext.EscapeForHTML(false))

// Encode writes the document: the same bytes for the same snapshot, one object
// a line in address order so that a diff shows what changed, a checksum at the
// end. A snapshot that Decode would refuse is an error.
func Encode(s *Snapshot) ([]byte, error) {
	objects, err := ordered(s.Objects)
	if err != nil {
		return nil, err
	}
	if s.Lineage == "" {
		return nil, fmt.Errorf("writing the state: it has no lineage")
	}
	w := &writer{}
	w.buf.Grow(512 * (len(objects) + 2))
	w.buf.WriteString("{\n  \"version\": " + strconv.Itoa(FormatVersion) + ",\n")
	w.member("msgflo_version", s.MsgfloVersion)
	w.member("lineage", s.Lineage)
	w.buf.WriteString("  \"serial\": " + strconv.FormatUint(s.Serial, 10) + ",\n")
	w.objects(objects)
	if len(s.Pending) > 0 {
		w.member("pending", s.Pending)
	}
	w.outputs(s.Outputs)
	if len(s.Intent) > 0 {
		w.member("intent", s.Intent)
	}
	if len(s.Checks) > 0 {
		w.member("checks", s.Checks)
	}
	if w.err != nil {
		return nil, fmt.Errorf("writing the state: %w", w.err)
	}
	return seal(w.buf.Bytes()), nil
}

// writer lays a document out and keeps the first error.
type writer struct {
	buf bytes.Buffer
	err error
}

func (w *writer) value(v any) {
	if w.err != nil {
		return
	}
	w.err = json.MarshalWrite(&w.buf, v, encodeOptions)
}

func (w *writer) member(name string, v any) {
	w.buf.WriteString("  \"" + name + "\": ")
	w.value(v)
	w.buf.WriteString(",\n")
}

func (w *writer) objects(objects []Object) {
	w.buf.WriteString("  \"objects\": [")
	for i := range objects {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		w.buf.WriteString("\n    ")
		w.value(&objects[i])
		if w.err != nil {
			w.err = fmt.Errorf("object %s: %w", objects[i].Addr, w.err)
			return
		}
	}
	if len(objects) > 0 {
		w.buf.WriteString("\n  ")
	}
	w.buf.WriteString("],\n")
}

func (w *writer) outputs(outputs map[string]Output) {
	if len(outputs) == 0 {
		return
	}
	names := make([]string, 0, len(outputs))
	for n := range outputs {
		names = append(names, n)
	}
	slices.Sort(names)
	w.buf.WriteString("  \"outputs\": {")
	for i, n := range names {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		w.buf.WriteString("\n    ")
		w.value(n)
		w.buf.WriteString(": ")
		w.value(outputs[n])
	}
	w.buf.WriteString("\n  },\n")
}

// ordered returns the objects in address order, the caller's slice untouched,
// and refuses what could not be read back.
func ordered(objects []Object) ([]Object, error) {
	if !slices.IsSortedFunc(objects, byAddress) {
		objects = slices.Clone(objects)
		slices.SortFunc(objects, byAddress)
	}
	for i := range objects {
		if err := objects[i].check(); err != nil {
			return nil, fmt.Errorf("writing the state: %w", err)
		}
		if i > 0 && objects[i-1].Addr == objects[i].Addr {
			return nil, fmt.Errorf("writing the state: %s is there twice", objects[i].Addr)
		}
	}
	return objects, nil
}

// check tells what an object lacks.
func (o *Object) check() error {
	switch {
	case o.Addr.Type == "":
		return fmt.Errorf("an object has no address")
	case o.Provider == addr.Provider{}:
		return fmt.Errorf("object %s names no provider", o.Addr)
	case o.ProviderType == "":
		return fmt.Errorf("object %s names no provider_type", o.Addr)
	case o.SchemaVersion < 0:
		return fmt.Errorf("object %s has a negative schema_version", o.Addr)
	case len(o.Attrs) == 0 || bytes.Equal(o.Attrs, []byte("null")):
		return fmt.Errorf("object %s has no attrs", o.Addr)
	}
	return nil
}
