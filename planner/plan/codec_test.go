package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
)

func example() *Plan {
	jobs := addr.Instance{Type: "queue", Name: "jobs"}
	prev := addr.Instance{Module: `module.eu["a<b>"]`, Type: "queue", Name: "old", Key: "[2]"}
	main := addr.Provider{Kind: "broker", Name: "main"}
	return &Plan{
		FormatVersion: FormatVersion, Lineage: "l", Serial: 7, Mode: "normal",
		Steps: []Step{
			{ID: ID(Delete, jobs), Addr: jobs, Prev: &prev, Provider: main, Action: Delete, Before: json.RawMessage(`{"name":"a<>&"}`),
				Risk: &Risk{Ready: 3, Collateral: []Collateral{{Type: "binding", Name: "e -> jobs"}}}},
			{ID: ID(Create, jobs), Addr: jobs, Prev: &prev, Provider: main, Action: Create, After: json.RawMessage(`{"name":"b"}`),
				Holes: []Hole{{Path: "password", Secret: true}, {Path: "peer", Addr: &prev, Attr: "id"}}, Needs: []StepID{ID(Delete, jobs)},
				Decl: hcl.Range{Filename: "a.flo.hcl", Start: hcl.Pos{Line: 3, Column: 1, Byte: 9}}, Record: Recorded{Owned: true, Within: []addr.Instance{prev}}},
		},
		Drift:      []Drift{{Addr: jobs, Provider: main, Gone: true}},
		SecretVars: []string{"password"}, SecretHashes: map[string]string{"password": "$argon2id$"},
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.flo")
	if err := Write(path, example()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || !reflect.DeepEqual(got, example()) {
		t.Fatalf("%v\n%#v", err, got)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	dangling := example()
	dangling.Steps[1].Needs = []StepID{"- queue.nowhere"}
	renamed := example()
	renamed.Steps[0].ID = "- queue.other"
	encode := func(p *Plan) []byte { b, _ := Encode(p); return b }
	for _, c := range []struct {
		name, problem string
		file          []byte
	}{
		{"empty", "is empty", []byte(" \n")},
		{"another file", "no plan file", []byte(`{"version":4,"serial":1}`)},
		{"no JSON", "no plan file", []byte("PK\x03\x04")},
		{"cut short", "cut short", good[:len(good)/2]},
		{"edited", "checksum", bytes.Replace(good, []byte(`"ready":3`), []byte(`"ready":0`), 1)},
		{"newer", "newer msgflo", bytes.Replace(good, []byte(`"format_version":1`), []byte(`"format_version":2`), 1)},
		{"older", "version 0", bytes.Replace(good, []byte(`"format_version":1`), []byte(`"format_version":0`), 1)},
		{"dangling need", "not there", encode(dangling)},
		{"wrong id", "its ID", encode(renamed)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(c.file)
			var fe *FileError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestStale(t *testing.T) {
	p := example()
	if err := Stale(p, "l", 7); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		lineage string
		serial  uint64
		word    string
	}{{"m", 7, "lineage"}, {"l", 8, "serial 8"}, {"l", 6, "serial 6"}} {
		var se *StaleError
		if err := Stale(p, c.lineage, c.serial); !errors.As(err, &se) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestSummary(t *testing.T) {
	p := example()
	for i, a := range []Action{Update, Adopt, Adopt, Forget, Record, Migrate, Restart, Create} {
		at := addr.Instance{Type: "exchange", Name: "x", Key: addr.IntKey(i)}
		p.Steps = append(p.Steps, Step{ID: ID(a, at), Addr: at, Action: a, Imported: i == 1})
	}
	want := Counts{Add: 2, Change: 2, Destroy: 1, Replace: 1, Migrate: 1, Restart: 1, Adopt: 2, Forget: 1, Import: 1, Drifted: 1, Messages: 3}
	if got := p.Summary(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// FuzzDecode: whatever the bytes are, Decode returns a plan that can be written
// again, or an error that says what to do.
func FuzzDecode(f *testing.F) {
	b, err := Encode(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-9])
	f.Add([]byte(`{"kind":"msgflo plan","format_version":1,"sha256":"","plan":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Decode(b); err == nil {
			if _, err := Encode(p); err != nil {
				t.Fatal(err)
			}
		} else if fe := (*FileError)(nil); !errors.As(err, &fe) {
			t.Fatal(err)
		}
		// The same without the checksum in the way.
		if p, err := decodeBody(b); err == nil {
			if _, err := Encode(p); err != nil {
				t.Fatal(err)
			}
		}
	})
}
