package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
)

func a(t testing.TB, s string) addr.Instance {
	t.Helper()
	i, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func object(at addr.Instance, within ...addr.Instance) Object {
	return Object{
		Addr: at, Provider: addr.Provider{Kind: "broker", Name: "main"}, ProviderType: "rabbitmq", SchemaVersion: 1,
		Attrs:  json.RawMessage(`{"arguments":{"x-dead-letter-exchange":"dlx"},"durable":true,"name":"` + at.Name + `","password":null,"type":"quorum","vhost":"/"}`),
		Within: within, Owned: true,
	}
}

func sample(t testing.TB) *Snapshot {
	s := New("9b2d6f8e-0000-4000-8000-000000000000")
	s.MsgfloVersion, s.Serial = "0.1.0", 7
	q, x, b := a(t, `queue.jobs["eu"]`), a(t, `exchange.in`), a(t, `binding.b`)
	bound := object(b, q, x)
	bound.After, bound.Sensitive, bound.Hashes = []addr.Instance{x}, []string{"password"}, map[string]string{"z": "1", "password": "$argon2id$"}
	bound.Keep = true
	s.Objects = []Object{object(q), bound, object(x)}
	s.Outputs = map[string]Output{"url": {Sensitive: true}, "name": {Value: json.RawMessage(`"jobs"`), Type: json.RawMessage(`"string"`)}}
	return s
}

func encode(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	b, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const golden = `{
  "version": 1,
  "msgflo_version": "0.1.0",
  "lineage": "9b2d6f8e-0000-4000-8000-000000000000",
  "serial": 7,
  "objects": [
    {"addr":"binding.b","provider":"broker.main","provider_type":"rabbitmq","schema_version":1,"attrs":{"arguments":{"x-dead-letter-exchange":"dlx"},"durable":true,"name":"b","password":null,"type":"quorum","vhost":"/"},"sensitive":["password"],"within":["queue.jobs[\"eu\"]","exchange.in"],"after":["exchange.in"],"owned":true,"keep":true,"hashes":{"password":"$argon2id$","z":"1"}},
    {"addr":"exchange.in","provider":"broker.main","provider_type":"rabbitmq","schema_version":1,"attrs":{"arguments":{"x-dead-letter-exchange":"dlx"},"durable":true,"name":"in","password":null,"type":"quorum","vhost":"/"},"owned":true},
    {"addr":"queue.jobs[\"eu\"]","provider":"broker.main","provider_type":"rabbitmq","schema_version":1,"attrs":{"arguments":{"x-dead-letter-exchange":"dlx"},"durable":true,"name":"jobs","password":null,"type":"quorum","vhost":"/"},"owned":true}
  ],
  "outputs": {
    "name": {"value":"jobs","type":"string"},
    "url": {"sensitive":true}
  },
  "checksum": "sha256:`

func TestEncodeIsReadableAndDeterministic(t *testing.T) {
	s := sample(t)
	got := string(encode(t, s))
	if !strings.HasPrefix(got, golden) {
		t.Errorf("%s", got)
	}
	if s.Objects[0].Addr.Type != "queue" {
		t.Error("the caller's objects were moved")
	}
	s.Sort()
	if again := string(encode(t, s)); again != got {
		t.Error("order of objects shows in the document")
	}
}

func TestRoundTrip(t *testing.T) {
	s := sample(t)
	s.Intent, s.Checks = json.RawMessage(`{"id":"x","plan":{"a":[1,2]}}`), json.RawMessage(`[{"ok":true}]`)
	b := encode(t, s)
	d, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, d); string(again) != string(b) {
		t.Errorf("%s\nbecame\n%s", b, again)
	}
	empty, err := Decode(encode(t, New("l")))
	if err != nil || len(empty.Objects) != 0 || empty.Lineage != "l" {
		t.Errorf("%v %v", empty, err)
	}
}

// Another layout of the same document is the same document: servers and
// formatters may lay it out anew.
func TestLayoutDoesNotMatter(t *testing.T) {
	var v any
	b := encode(t, sample(t))
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage = b
	compact, err := json.Marshal(struct{ X json.RawMessage }{raw})
	if err != nil {
		t.Fatal(err)
	}
	compact = compact[len(`{"X":`) : len(compact)-1]
	if _, err := Decode(compact); err != nil {
		t.Error(err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(encode(t, sample(t)))
	line := func(n int) string { return strings.Split(good, "\n")[n-1] }
	for name, c := range map[string]struct{ doc, want string }{
		"empty":           {"", "it is empty"},
		"white space":     {"\n \n", "it is empty"},
		"zeros":           {"\x00\x00\x00", "zero bytes"},
		"html":            {"<!DOCTYPE html><title>Sign in</title>", "HTML"},
		"text":            {"not found", "not a JSON object"},
		"list":            {"[]", "not a JSON object"},
		"no state":        {"{}", "no version"},
		"no lineage":      {`{"version":1,"objects":[]}`, "no lineage"},
		"no objects":      {`{"version":1,"lineage":"l"}`, "no list of objects"},
		"null objects":    {`{"version":1,"lineage":"l","objects":null}`, "no list of objects"},
		"cut off":         {good[:len(good)/2], "cut off in line 8"},
		"cut off by one":  {good[:len(good)-3], "cut off in line"},
		"zeros at end":    {good[:len(good)/2] + "\x00\x00\x00\x00", "cut off in line 8"},
		"bad JSON":        {strings.Replace(good, `"serial": 7`, `"serial": 7 7`, 1), "line 5 is not valid JSON"},
		"duplicate key":   {strings.Replace(good, `"serial": 7`, `"serial": 7, "serial": 8`, 1), `line 5 has the key "serial" twice`},
		"key in attrs":    {strings.Replace(good, `"durable":true`, `"durable":true,"durable":false`, 1), `line 7 has the key "durable" twice`},
		"wrong type":      {strings.Replace(good, `"serial": 7`, `"serial": "7"`, 1), "/serial"},
		"negative serial": {strings.Replace(good, `"serial": 7`, `"serial": -7`, 1), "/serial"},
		"unknown field":   {strings.Replace(good, `"owned"`, `"ownd"`, 1), `Did you mean "owned"?`},
		"bad address":     {strings.Replace(good, `"addr":"exchange.in"`, `"addr":"exchange"`, 1), "line 8, /objects/1/addr"},
		"no address":      {strings.Replace(good, `"addr":"exchange.in",`, ``, 1), "object 2 of the list"},
		"no attrs":        {`{"version":1,"lineage":"l","objects":[{"addr":"queue.a","provider":"broker.b","provider_type":"r"}]}`, "no attrs"},
		"duplicate":       {strings.Replace(good, line(8), line(7), 1), "binding.b is there twice"},
		"edited":          {strings.Replace(good, `"serial": 7`, `"serial": 8`, 1), "msgflo state push FILE"},
		"no checksum":     {`{"version":1,"lineage":"l","objects":[]}`, "checksum does not fit"},
		"terraform":       {`{"version":4,"terraform_version":"1.5.0","resources":[]}`, "Terraform state"},
		"version 0":       {`{"version":0,"lineage":"l","objects":[]}`, "no msgflo state"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Decode([]byte(c.doc))
			var e *CorruptError
			if s != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v, %v", c.want, s, err)
			}
			if err != nil && (strings.Contains(err.Error(), "jsontext") || strings.Contains(err.Error(), "%!")) {
				t.Errorf("not for people: %v", err)
			}
		})
	}
}

func TestDecodeNewer(t *testing.T) {
	for _, doc := range []string{
		`{"version":2,"msgflo_version":"9.9.0\u001b","lineage":"l","objects":[]}`,
		`{"version":2,"msgflo_version":"9.9.0","shape":"unheard of"}`,
		`{"version":2,"msgflo_version":"9.9.0","objects":{"now":"a map"}}`,
	} {
		_, err := Decode([]byte(doc))
		var e *NewerError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "9.9.0") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%v", err)
		}
	}
}

func TestDecodeEdited(t *testing.T) {
	doc := strings.Replace(string(encode(t, sample(t))), `"serial": 7`, `"serial": 8`, 1)
	s, edited, err := DecodeEdited([]byte(doc))
	if err != nil || !edited || s.Serial != 8 {
		t.Errorf("%v %v %v", s, edited, err)
	}
	if _, edited, err := DecodeEdited(encode(t, sample(t))); err != nil || edited {
		t.Errorf("%v %v", edited, err)
	}
}

// Whatever bit flips, the document is not taken for another state.
func TestBitFlips(t *testing.T) {
	good := encode(t, sample(t))
	whole := string(good)
	for i := range good {
		bit := i % 8
		good[i] ^= 1 << bit
		if s, err := Decode(good); err == nil && string(encode(t, s)) != whole {
			t.Fatalf("bit %d of byte %d went unseen", bit, i)
		}
		good[i] ^= 1 << bit
	}
}

func TestEncodeRefuses(t *testing.T) {
	at := addr.Instance{Type: "queue", Name: "a"}
	bad := object(at)
	bad.Attrs = json.RawMessage(`{"a":`)
	nothing := object(at)
	nothing.Attrs = nil
	for name, s := range map[string]*Snapshot{
		"lineage":   {Objects: []Object{}},
		"twice":     {Lineage: "l", Objects: []Object{object(at), object(at)}},
		"no attrs":  {Lineage: "l", Objects: []Object{nothing}},
		"bad attrs": {Lineage: "l", Objects: []Object{bad}},
		"address":   {Lineage: "l", Objects: []Object{{}}},
	} {
		if b, err := Encode(s); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func TestIntent(t *testing.T) {
	in := Intent{ID: "r1", Lineage: "l", Serial: 3, Plan: json.RawMessage(`{"steps":[]}`), Continues: []string{"r0"}}
	b, err := EncodeIntent(in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeIntent(b)
	if err != nil || fmt.Sprint(*got) != fmt.Sprint(in) {
		t.Errorf("%v %v", got, err)
	}
	for i := range b {
		if _, err := DecodeIntent(b[:i]); err == nil && i < len(b)-1 {
			t.Fatalf("cut off at %d went unseen", i)
		}
	}
	if next := (Intent{ID: "r2", Lineage: "l"}).Resuming(got); !next.Covers("r0") || !next.Covers("r1") || !next.Covers("r2") || next.Covers("r3") {
		t.Errorf("%v", next)
	}
}

func genSnapshot(t *rapid.T) *Snapshot {
	s := New(rapid.StringN(1, 8, -1).Draw(t, "lineage"))
	s.Serial = rapid.Uint64().Draw(t, "serial")
	key := rapid.OneOf(rapid.Just(""), rapid.Map(rapid.IntRange(0, 99), addr.IntKey), rapid.Map(rapid.StringMatching(`[a-z .$%{\\"é]{0,6}`), addr.StringKey))
	at := rapid.Custom(func(t *rapid.T) addr.Instance {
		return addr.Instance{
			Module: rapid.SampledFrom([]string{"", "module.eu", `module.eu["a"].module.b`}).Draw(t, "module"),
			Type:   "queue", Name: rapid.StringMatching(`[a-z][a-z0-9_-]{0,5}`).Draw(t, "name"), Key: key.Draw(t, "key"),
		}
	})
	for _, i := range rapid.SliceOfNDistinct(at, 0, 12, rapid.ID).Draw(t, "objects") {
		s.Objects = append(s.Objects, object(i, rapid.SliceOfN(at, 0, 3).Draw(t, "within")...))
	}
	return s
}

func TestRoundTripAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSnapshot(t)
		b, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		again, err := Encode(d)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%s\nbecame\n%s\n%v", b, again, err)
		}
		s.Sort()
		for i := range s.Objects {
			if fmt.Sprint(s.Objects[i].Within) != fmt.Sprint(d.Objects[i].Within) || s.Objects[i].Addr != d.Objects[i].Addr {
				t.Fatalf("%v became %v", s.Objects[i], d.Objects[i])
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, sample(f)))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"lineage":"l","objects":[{"addr":"queue.a","provider":"broker.b","provider_type":"r","attrs":{}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := DecodeIntent(b); err != nil {
			_ = err.Error()
		}
		s, _, err := DecodeEdited(b)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatal(s, err)
			}
			return
		}
		doc, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(doc)
		if err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if again := encode(t, d); string(again) != string(doc) {
			t.Fatalf("%s\nbecame\n%s", doc, again)
		}
	})
}

func large(b testing.TB) *Snapshot {
	s := New("l")
	for i := range 5000 {
		k := addr.StringKey(fmt.Sprintf("role-%d", i))
		q, x := addr.Instance{Type: "queue", Name: "in", Key: k}, addr.Instance{Type: "exchange", Name: "out", Key: k}
		s.Objects = append(s.Objects, object(q), object(x), object(addr.Instance{Type: "binding", Name: "b", Key: k}, q, x))
	}
	return s
}

func BenchmarkEncode15000(b *testing.B) {
	s := large(b)
	s.Sort()
	b.ReportAllocs()
	for b.Loop() {
		encode(b, s)
	}
}

func BenchmarkDecode15000(b *testing.B) {
	doc := encode(b, large(b))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}
