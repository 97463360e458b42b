package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSecretsIn(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, nil},
		{map[string]string{"MSGFLO_BROKER": "amqp://user:s3cr%2Ft!@host/vhost"}, []string{"s3cr%2Ft!", "s3cr%2Ft%21", "s3cr/t!"}},
		{map[string]string{"MSGFLO_BROKER": "amqp://guest:guest@host"}, []string{":guest@"}}, // too short to be masked elsewhere
		{map[string]string{"MSGFLO_BROKER": "amqp://u:%40x@host"}, []string{":%40x@", ":@x@"}},
		{map[string]string{"MSGFLO_BROKER": "amqp://host/vhost"}, []string{"amqp://host/vhost"}},
		{map[string]string{"MSGFLO_BROKER": "mqtt://127.0.0.1:18830"}, nil}, // an address; where it cannot connect to has to be read
		{map[string]string{"MSGFLO_BROKER": "mqtt://token@host"}, []string{"mqtt://token@host"}},
		{map[string]string{"HOOK": "https://host?key=1"}, []string{"https://host?key=1"}},
		{map[string]string{"TOKEN": "geheim", "DEBUG": "1"}, []string{"geheim"}},
		{map[string]string{"KEY": "-----\nfirst line\n\nsecond\n"}, []string{"-----\nfirst line\n\nsecond\n", "first line", "second"}},
	} {
		secret, err := json.Marshal(c.env)
		if err != nil {
			t.Fatal(err)
		}
		if got := secretsIn(secret); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
}

// pieces is a source that hands out what it has piece by piece, with a
// deadline that passes between.
type pieces struct {
	rest [][]byte
	late bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.late = !p.late; p.late {
		return 0, os.ErrDeadlineExceeded
	}
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[0])
	if p.rest[0] = p.rest[0][n:]; len(p.rest[0]) == 0 {
		p.rest = p.rest[1:]
	}
	return n, nil
}

func (*pieces) SetReadDeadline(time.Time) error { return nil }
func (*pieces) Close() error                    { return nil }

// read is all that comes out of a source.
func read(t interface{ Fatal(...any) }, s source, size int) string {
	var out bytes.Buffer
	buf := make([]byte, size)
	for {
		n, err := s.Read(buf)
		out.Write(buf[:n])
		switch {
		case err == io.EOF: //nolint:errorlint // as io.Reader has it
			return out.String()
		case err != nil && err != os.ErrDeadlineExceeded: //nolint:errorlint // pieces says just this
			t.Fatal(err)
		}
	}
}

func TestMasking(t *testing.T) {
	for _, c := range []struct {
		in, want string
		secrets  []string
	}{
		{"nothing to see", "nothing to see", []string{"secret"}},
		{"a sec|ret: se|c|r|e|t.", "a (sensitive): (sensitive).", []string{"secret"}},
		{"it ends with sec", "it ends with sec", []string{"secret"}},
		{"guest at amqp://guest:g|uest@host", "guest at amqp://guest:(sensitive)@host", []string{":guest@"}},
		{"secre|secret", "secre(sensitive)", []string{"secret"}},
		{"abcd|efgh", "(sensitive)", []string{"abcdef", "abcdefgh"}},
		{"xabcdef|y xabcdef|z", "x(sensitive)y (sensitive)", []string{"abcdef", "xabcdefz"}},
		{"\x00\xff sec|ret\xfe\n", "\x00\xff (sensitive)\xfe\n", []string{"secret"}},
		{"one\ntwo\n|three", "(sensitive)e", []string{"one\ntwo\nthre"}},
	} {
		p := &pieces{}
		for part := range strings.SplitSeq(c.in, "|") {
			p.rest = append(p.rest, []byte(part))
		}
		if got := read(t, masking(p, c.secrets), 5); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// However output is cut into pieces, what is read is what would be read of it
// in one: leftmost first, the longest of those that begin there.
func TestMaskingPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab]{1,5}`), 1, 4).Draw(t, "secrets")
		in := rapid.StringMatching(`[abc]{0,60}`).Draw(t, "in")
		p := &pieces{}
		for rest := in; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			p.rest, rest = append(p.rest, []byte(rest[:n])), rest[n:]
		}
		if got, want := read(t, masking(p, secrets), rapid.IntRange(1, 9).Draw(t, "size")), replaced(in, secrets); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func replaced(in string, secrets []string) string {
	var out strings.Builder
	for i := 0; i < len(in); {
		size := 0
		for _, s := range secrets {
			if strings.HasPrefix(in[i:], s) {
				size = max(size, len(s))
			}
		}
		if size == 0 {
			out.WriteByte(in[i])
			i++
			continue
		}
		out.WriteString(masked)
		i += size
	}
	return out.String()
}

// BenchmarkMasking is a flood through the mask of a broker's password and a
// key.
func BenchmarkMasking(b *testing.B) {
	line := []byte("2026-01-02 resize connected to amqp://user:verysecret@host/vhost, as ever\n")
	flood := bytes.Repeat(line, 1000)
	secrets := []string{":verysecret@", "verysecret", strings.Repeat("k3y", 1000)}
	b.SetBytes(int64(len(flood)))
	for b.Loop() {
		read(b, masking(&pieces{rest: [][]byte{flood}}, secrets), longest)
	}
}
