package state

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// document is a Snapshot as written.
type document struct {
	Snapshot
	Checksum string `json:"checksum"`
}

// Decode reads what Encode wrote. A document that is empty, cut off, changed
// since it was written, or not a state at all is a *CorruptError; one of a
// later format a *NewerError. It is never read as "nothing exists".
func Decode(b []byte) (*Snapshot, error) {
	s, edited, err := DecodeEdited(b)
	if err == nil && edited {
		err = &CorruptError{Problem: "its checksum does not fit: it was changed after it was written, by hand or by a fault of the disk", Edited: true}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// DecodeEdited is Decode for `state push`, the documented way to bring a
// changed document back: a checksum that does not fit, or none, is not an
// error but reported, so that the caller can ask.
func DecodeEdited(b []byte) (s *Snapshot, edited bool, err error) {
	if err := recognize(b); err != nil {
		return nil, false, err
	}
	var d document
	if err := json.Unmarshal(b, &d, json.RejectUnknownMembers(true)); err != nil {
		return nil, false, undecodable(b, err)
	}
	if d.Version != FormatVersion {
		return nil, false, probe(b, fmt.Sprintf("its version is %d", d.Version))
	}
	if err := d.check(); err != nil {
		return nil, false, &CorruptError{Problem: err.Error()}
	}
	return &d.Snapshot, !sealed(b, d.Checksum), nil
}

// recognize tells apart what is not even the beginning of a document.
func recognize(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return &CorruptError{Problem: "it is empty; a state without objects still has a lineage"}
	case len(bytes.Trim(b, "\x00")) == 0:
		return &CorruptError{Problem: "it holds only zero bytes, as after a power failure"}
	case b[0] == '<':
		return &CorruptError{Problem: "it is an HTML or XML page, not a state"}
	case b[0] != '{':
		return &CorruptError{Problem: "it is not a JSON object"}
	}
	return nil
}

// check finds what the types cannot say. It leaves Objects in address order.
func (d *document) check() error {
	if d.Lineage == "" {
		return errors.New("it has no lineage")
	}
	if d.Objects == nil {
		return errors.New("it has no list of objects")
	}
	seen := make(map[addr.Instance]struct{}, len(d.Objects))
	sorted := true
	for i := range d.Objects {
		o := &d.Objects[i]
		if err := o.check(); err != nil {
			return fmt.Errorf("%w (object %d of the list)", err, i+1)
		}
		if _, twice := seen[o.Addr]; twice {
			return fmt.Errorf("%s is there twice", o.Addr)
		}
		seen[o.Addr] = struct{}{}
		sorted = sorted && (i == 0 || d.Objects[i-1].Addr.Less(o.Addr))
	}
	if !sorted {
		d.Sort()
	}
	return nil
}

// undecodable says in the reader's words what the JSON package found.
func undecodable(b []byte, err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return &CorruptError{Problem: fmt.Sprintf("line %d has the key %q twice in one object", lineOf(b, syntax.ByteOffset), syntax.JSONPointer.LastToken())}
	case errors.As(err, &syntax) && syntax.ByteOffset >= int64(len(bytes.TrimRight(b, " \t\r\n\x00"))):
		return &CorruptError{Problem: fmt.Sprintf("it is cut off in line %d", lineOf(b, int64(len(b))))}
	case errors.As(err, &syntax):
		return &CorruptError{Problem: fmt.Sprintf("line %d is not valid JSON: %v", lineOf(b, syntax.ByteOffset), cause(syntax.Err))}
	case errors.As(err, &semantic):
		name := semantic.JSONPointer.LastToken()
		where := fmt.Sprintf("line %d, %s", lineOf(b, semantic.ByteOffset), diag.Escape(string(semantic.JSONPointer)))
		if errors.Is(err, json.ErrUnknownName) {
			return probe(b, fmt.Sprintf("%s: %q is no field of a state.%s", where, name, diag.DidYouMean(name, fields)))
		}
		if semantic.Err != nil {
			return probe(b, fmt.Sprintf("%s: %v", where, cause(semantic.Err)))
		}
		return probe(b, fmt.Sprintf("%s: a %s stands where it does not belong", where, kind(semantic.JSONKind)))
	}
	return &CorruptError{Problem: cause(err)}
}

var fields = []string{
	"version", "msgflo_version", "lineage", "serial", "objects", "outputs", "intent", "checks", "checksum", "addr", "provider",
	"provider_type", "schema_version", "attrs", "sensitive", "within", "after", "owned", "keep", "hashes", "value", "type",
}

// probe tells a document of a later format, or of another program, from one
// with a mistake.
func probe(b []byte, problem string) error {
	var h struct {
		Version          float64 `json:"version"`
		MsgfloVersion    string  `json:"msgflo_version"`
		TerraformVersion string  `json:"terraform_version"`
	}
	err := json.Unmarshal(b, &h)
	switch {
	case err != nil || h.Version == FormatVersion:
	case h.TerraformVersion != "":
		problem = "it is a Terraform state; bring the objects in with import blocks or `msgflo import`"
	case h.Version > FormatVersion:
		return &NewerError{Version: h.Version, Writer: h.MsgfloVersion}
	case h.Version == 0:
		problem = "it has no version: it is no msgflo state"
	}
	return &CorruptError{Problem: problem}
}

// cause is an error's text without the name of the library that found it, safe
// for a terminal.
func cause(err error) string {
	return diag.Escape(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "jsontext: "), "json: "))
}

func kind(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '"':
		return "string"
	case '0':
		return "number"
	case '{', '}':
		return "object"
	case '[', ']':
		return "list"
	}
	return "value"
}

// lineOf is the line, from 1, of a byte offset.
func lineOf(b []byte, offset int64) int {
	return 1 + bytes.Count(b[:max(0, min(offset, int64(len(b))))], []byte("\n"))
}
