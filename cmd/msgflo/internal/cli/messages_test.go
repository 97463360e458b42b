package cli

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJSONText: whatever a message holds, what is printed of it is one line of
// JSON that no terminal obeys, and JSON keeps its value.
func FuzzJSONText(f *testing.F) {
	for _, s := range []string{"", "{\"a\": 1e400,\n\"b\":\"\u202e\x7f\"}", "text\x1b[2J", "\xff\x00", "\"\xff\"", "\"\U000e0001\"", "<&>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := jsonText(body)
		if !json.Valid([]byte(got)) || strings.ContainsFunc(got, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Fatalf("%q", got)
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			return
		}
		value := func(b []byte) (v any) {
			d := json.NewDecoder(strings.NewReader(string(b)))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		if a, b := value(body), value([]byte(got)); !reflect.DeepEqual(a, b) {
			t.Fatalf("%#v became %#v", a, b)
		}
	})
}
