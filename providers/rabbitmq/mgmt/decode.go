package mgmt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/msgflo/msgflo/config/diag"
)

// A decoder reads the API's answers token by token, as they arrive: no second
// copy of a big list is ever in memory, and strings that recur (a vhost, a
// queue and its bindings) are kept once.
type decoder struct {
	*jsontext.Decoder
	known   map[string]string
	scratch []byte
}

func newDecoder(r io.Reader) *decoder {
	return &decoder{
		// Duplicate names are not looked for: that costs, and Erlang's maps have
		// none. Names of broker objects may be any bytes.
		Decoder: jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		known:   map[string]string{},
	}
}

// A shapeError is valid JSON that is not what the API sends.
type shapeError struct{ path, want, got string }

func (e *shapeError) Error() string {
	return fmt.Sprintf("%s should be %s, not %s", e.path, e.want, e.got)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "nothing"
}

// wrong reads on after a value of an unexpected kind was seen: a syntax error
// there is reported as that.
func (d *decoder) wrong(want string) error {
	k := d.PeekKind()
	if k == jsontext.KindInvalid {
		_, err := d.ReadToken()
		return atEnd(err)
	}
	return &shapeError{path: d.where(), want: want, got: kindName(k)}
}

// where is the place of the value read last, as a JSON pointer; names in it
// come from outside.
func (d *decoder) where() string {
	const longest = 100
	p := diag.Escape(string(d.StackPointer()))
	switch {
	case p == "":
		return "it"
	case len(p) > longest:
		return p[:longest] + "…"
	}
	return p
}

// atEnd: an end where a value was expected is a cut answer.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// whole decodes one value, and insists that nothing follows it.
func (d *decoder) whole(decode func(*decoder) error) error {
	if err := decode(d); err != nil {
		return atEnd(err)
	}
	_, err := d.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return &shapeError{path: "it", want: "one value", got: "several"}
	}
	return err
}

func skipValue(d *decoder) error { return atEnd(d.SkipValue()) }

// object calls field for each member of an object; field must read the value.
func (d *decoder) object(field func(name string) error) error {
	if d.PeekKind() != '{' {
		return d.wrong("an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.str()
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return atEnd(err)
}

// list calls element for each element of a list.
func (d *decoder) list(element func() error) error {
	if d.PeekKind() != '[' {
		return d.wrong("a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for {
		switch d.PeekKind() {
		case ']', jsontext.KindInvalid:
			_, err := d.ReadToken()
			return atEnd(err)
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// str reads a string that must be there.
func (d *decoder) str() (string, error) {
	if d.PeekKind() != '"' {
		return "", d.wrong("a string")
	}
	raw, err := d.ReadValue()
	if err != nil {
		return "", err
	}
	d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], raw)
	if err != nil && len(d.scratch) == 0 && len(raw) > 2 {
		return "", err // else invalid UTF-8, which is replaced
	}
	if s, ok := d.known[string(d.scratch)]; ok {
		return s, nil
	}
	s := string(d.scratch)
	if len(s) <= 255 { // the longest name of AMQP
		d.known[s] = s
	}
	return s, nil
}

// The lenient readers: for fields that some version leaves out, sends as null,
// or in another form. What they do not understand they pass over.

func (d *decoder) text(to *string) error {
	if d.PeekKind() != '"' {
		return skipValue(d)
	}
	var err error
	*to, err = d.str()
	return err
}

func (d *decoder) flag(to *bool) error {
	if k := d.PeekKind(); k != 't' && k != 'f' {
		return skipValue(d)
	}
	tok, err := d.ReadToken()
	if err == nil {
		*to = tok.Bool()
	}
	return err
}

// count reads a number that statistics may lack: Unknown then.
func (d *decoder) count(to *int64) error {
	if d.PeekKind() != '0' {
		return skipValue(d)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= 0 {
		*to = n
	}
	return nil
}

// words reads a list of strings, or one string with commas (tags before 3.9).
func (d *decoder) words(to *[]string) error {
	switch d.PeekKind() {
	case '"':
		s, err := d.str()
		*to = splitComma(s)
		return err
	case '[':
		*to = nil
		return d.list(func() error {
			var s string
			err := d.text(&s)
			if s != "" {
				*to = append(*to, s)
			}
			return err
		})
	}
	return skipValue(d)
}

// arguments reads a table. Erlang has one empty list for "no fields" and "no
// elements", so [] is an empty table; a list of anything is no table.
func (d *decoder) arguments(to *map[string]any) error {
	switch d.PeekKind() {
	case '[':
		return d.list(func() error { return d.wrong("an object of arguments, so its list empty") })
	case 'n':
		return skipValue(d)
	}
	*to = nil
	return d.object(func(name string) error {
		v, err := d.any()
		if *to == nil {
			*to = map[string]any{}
		}
		(*to)[name] = v
		return err
	})
}

// any reads a value exactly: numbers stay as they are written, so that 1 and
// 1.0, which are different types to the broker, stay apart.
func (d *decoder) any() (any, error) {
	switch d.PeekKind() {
	case '"':
		return d.str()
	case '{':
		m := map[string]any{}
		return m, d.object(func(name string) error {
			v, err := d.any()
			m[name] = v
			return err
		})
	case '[':
		return d.anyList()
	case '0':
		raw, err := d.ReadValue()
		return json.Number(raw), err
	}
	tok, err := d.ReadToken()
	switch {
	case err != nil:
		return nil, atEnd(err)
	case tok.Kind() == 't' || tok.Kind() == 'f':
		return tok.Bool(), nil
	}
	return nil, nil
}

func (d *decoder) anyList() ([]any, error) {
	l := []any{}
	err := d.list(func() error {
		v, err := d.any()
		l = append(l, v)
		return err
	})
	return l, err
}

// listOf reads a list of one kind of object.
func listOf[T any](d *decoder, to *[]T, element func(*decoder, *T) error) error {
	*to = []T{}
	return d.list(func() error {
		var v T
		err := element(d, &v)
		*to = append(*to, v)
		return err
	})
}
