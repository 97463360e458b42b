package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// spoken wraps a payload as clients do.
func spoken(payload string) string {
	return `{"protocol":"discovery","command":"participant","payload":` + payload + `}`
}

// TestParse: what the client libraries really send, and what is like it.
func TestParse(t *testing.T) {
	none := []Port{}
	for name, c := range map[string]struct {
		body string
		want Announcement
	}{
		"nodejs": {
			spoken(`{"id":"resize-3f1c","role":"resize","component":"img/Resize","label":"Scales pictures","icon":"picture-o",
			"inports":[{"id":"job","queue":"resize.JOB","type":"object","hidden":false}],
			"outports":[{"id":"done","queue":"resize.DONE","type":"object","hidden":false,"persistent":false}]}`),
			Announcement{ID: "resize-3f1c", Role: "resize", Component: "img/Resize", Label: "Scales pictures", Icon: "picture-o",
				Inports:  []Port{{ID: "job", Queue: "resize.JOB", Type: "object"}},
				Outports: []Port{{ID: "done", Queue: "resize.DONE", Type: "object", Transient: true}}},
		},
		"rust sends null for what is unset": {
			spoken(`{"id":"r-abcde","role":"r","component":"C","label":null,"icon":null,"inports":[],"outports":[]}`),
			Announcement{ID: "r-abcde", Role: "r", Component: "C", Inports: none, Outports: none},
		},
		"arduino has an empty id": {
			spoken(`{"id":"","role":"a/b","component":"C","inports":[],"outports":[]}`),
			Announcement{ID: "a/b", Role: "a/b", Component: "C", Inports: none, Outports: none},
		},
		"noflo keeps hidden ports without a queue; unknown keys": {
			spoken(`{"id":"n","role":"n","component":"C","extra":{"deep":[1,{"x":[]}]},"inports":[{"id":"control","hidden":true,"options":{"a":1}}],"outports":[]}`),
			Announcement{ID: "n", Role: "n", Component: "C", Inports: []Port{{ID: "control", Hidden: true}}, Outports: none},
		},
		"ports by name": {
			spoken(`{"id":"m","role":"m","component":"C","inports":{"b":{"queue":"q.b"},"a":{"queue":"q.a","id":"own"}},"outports":{}}`),
			Announcement{ID: "m", Role: "m", Component: "C", Inports: []Port{{ID: "own", Queue: "q.a"}, {ID: "b", Queue: "q.b"}}, Outports: none},
		},
		"texts of other types": {
			spoken(`{"id":7,"role":"m","component":"C","label":{"en":"x"},"inports":[{"id":"a","queue":null,"type":3,"hidden":"no"}],"outports":[]}`),
			Announcement{ID: "m", Role: "m", Component: "C", Inports: []Port{{ID: "a"}}, Outports: none},
		},
		"hostile names are data": {
			spoken(`{"id":"x\u001b[2J","role":"..\u202e/\u0000","component":"$(rm -rf /)","inports":[{"id":"\n","queue":"'; drop"}],"outports":[]}`),
			Announcement{ID: "x\x1b[2J", Role: "..\u202e/\x00", Component: "$(rm -rf /)", Inports: []Port{{ID: "\n", Queue: "'; drop"}}, Outports: none},
		},
		"brackets in texts are no nesting": {
			spoken(`{"id":"m","role":"m","component":"` + strings.Repeat(`[\"{`, 100) + `","inports":[],"outports":[]}`),
			Announcement{ID: "m", Role: "m", Component: strings.Repeat(`["{`, 100), Inports: none, Outports: none},
		},
		"a label that is too long is left out": {
			spoken(`{"id":"m","role":"m","component":"C","label":"` + strings.Repeat("x", maxText+1) + `","inports":[],"outports":[]}`),
			Announcement{ID: "m", Role: "m", Component: "C", Inports: none, Outports: none},
		},
	} {
		got, err := Parse([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	ports := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, n), ",") + "]"
	}
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"nothing":           {"", ErrMalformed},
		"no JSON":           {"\x00\xff not json", ErrMalformed},
		"cut":               {spoken(`{"id":"a","role":"a","component":"C","inports":[],"outpo`)[:80], ErrMalformed},
		"null":              {"null", ErrMalformed},
		"an array":          {"[]", ErrMalformed},
		"no payload":        {`{"protocol":"discovery","command":"participant"}`, ErrMalformed},
		"null payload":      {spoken("null"), ErrMalformed},
		"no role":           {spoken(`{"id":"a","component":"C","inports":[],"outports":[]}`), ErrMalformed},
		"role in capitals":  {spoken(`{"ROLE":"a","component":"C","inports":[],"outports":[]}`), ErrMalformed},
		"role of no text":   {spoken(`{"role":["a"],"component":"C","inports":[],"outports":[]}`), ErrMalformed},
		"endless role":      {spoken(`{"role":"` + strings.Repeat("r", maxName+1) + `","component":"C","inports":[],"outports":[]}`), ErrMalformed},
		"no component":      {spoken(`{"id":"a","role":"a","inports":[],"outports":[]}`), ErrMalformed},
		"no inports":        {spoken(`{"id":"a","role":"a","component":"C","outports":[]}`), ErrMalformed},
		"null outports":     {spoken(`{"id":"a","role":"a","component":"C","inports":[],"outports":null}`), ErrMalformed},
		"port of no object": {spoken(`{"id":"a","role":"a","component":"C","inports":[7],"outports":[]}`), ErrMalformed},
		"null port":         {spoken(`{"id":"a","role":"a","component":"C","inports":[null],"outports":[]}`), ErrMalformed},
		"port without id":   {spoken(`{"id":"a","role":"a","component":"C","inports":[{"queue":"q"}],"outports":[]}`), ErrMalformed},
		"very many ports":   {spoken(`{"id":"a","role":"a","component":"C","inports":` + ports(maxPorts+1) + `,"outports":[]}`), ErrMalformed},
		"deep":              {spoken(strings.Repeat("[", 100_000)), ErrMalformed},
		"other command":     {`{"protocol":"discovery","command":"goodbye","payload":{}}`, ErrOther},
		"10 MB":             {spoken(`{"id":"` + strings.Repeat("x", 10<<20) + `"}`), ErrTooLarge},
	} {
		if _, err := Parse([]byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error repeats what it was given: %d bytes", name, len(err.Error()))
		}
	}
}

// FuzzParse: nothing makes the parser panic, and what it takes is within
// bounds and comes back the same when it is said again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(spoken(`{"id":"a","role":"a","component":"C","inports":[{"id":"in","queue":"a.IN"}],"outports":{"o":{"queue":null}}}`)))
	f.Add([]byte(spoken(`{"id":"","role":"\ud800","component":"C","inports":{"":{}},"outports":[{"id":"x","hidden":true}]}`)))
	f.Add([]byte(`[[[[{"\"":"\\"}]]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := Parse(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrOther) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if a.Role == "" || a.ID == "" || a.Component == "" || len(a.Inports) > maxPorts || len(a.Outports) > maxPorts || a.Inports == nil || a.Outports == nil {
			t.Fatalf("taken: %+v", a)
		}
		if strings.ContainsAny(a.String(), "\x00\x1b\n\u202e") {
			t.Fatalf("not fit for a terminal: %q", a.String())
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse([]byte(spoken(string(again))))
		if errors.Is(err, ErrTooLarge) { // escapes make it longer
			return
		}
		if err != nil {
			t.Fatalf("what was taken is refused when it is said again: %v", err)
		}
		for _, ports := range [][]Port{a.Inports, a.Outports} {
			for i := range ports {
				ports[i].Transient = false // not said again
			}
		}
		if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
			t.Fatalf("said again it differs:\n%+v\n%+v", a, b)
		}
	})
}
