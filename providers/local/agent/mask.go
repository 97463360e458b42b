package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// masked stands in a log for a secret. Participants print what they were
// given: msgflo-nodejs says at its start which URL it is connected to.
const masked = "(sensitive)"

// shortest is the length, in bytes, from which a secret value is masked
// wherever it stands. A shorter one would take half of a log with it.
const shortest = 6

// longest is how much is read at once, in bytes. A longer line is cut into
// several.
const longest = 32 << 10

// secretsIn are the texts of a secret environment that no log is to have: of a
// URL its password, as it is written and as it is meant, of anything else the
// whole value, and its lines. Who cannot connect reads in the log where to.
func secretsIn(secret json.RawMessage) []string {
	var env map[string]string
	if len(secret) == 0 || json.Unmarshal(secret, &env) != nil {
		return nil
	}
	var out []string
	add := func(s string) {
		if (len(s) >= shortest || inURL(s)) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, v := range env {
		if bareURL(v) {
			continue
		}
		written, meant, ok := passwordIn(v)
		if !ok {
			add(v)
			for line := range strings.Lines(v) { // of a key, say; who prints it may end its lines otherwise
				add(strings.TrimSpace(line))
			}
			continue
		}
		add(written)
		add(meant)
		add(url.QueryEscape(meant))
		for _, short := range []string{written, meant} {
			if n := len(short); n > 0 && n < shortest { // where it can be nothing else
				add(":" + short + "@")
			}
		}
	}
	slices.Sort(out)
	return out
}

// bareURL tells whether a value says where something is and nothing else. A
// path or a query may be a secret: that of a webhook is.
func bareURL(v string) bool {
	u, err := url.Parse(v)
	return err == nil && u.Scheme != "" && u.Host != "" && u.User == nil &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// inURL tells whether a secret has what is around a password, which stays.
func inURL(s string) bool {
	return len(s) > 2 && s[0] == ':' && s[len(s)-1] == '@'
}

// passwordIn is the password of a URL; false where it is no URL with one.
func passwordIn(v string) (written, meant string, ok bool) {
	u, err := url.Parse(v)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User == nil {
		return "", "", false
	}
	meant, ok = u.User.Password()
	if !ok || meant == "" {
		return "", "", false
	}
	_, rest, _ := strings.Cut(v, "://")
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		_, written, _ = strings.Cut(authority[:at], ":")
	}
	return written, meant, true
}

// A source is the reading end of a pipe.
type source interface {
	io.Reader
	SetReadDeadline(time.Time) error
	Close() error
}

// A maskedSource replaces secrets in what it reads, also where they come in
// several pieces. It holds back the beginning of what may become a secret: at
// most as many bytes as the longest one has.
type maskedSource struct {
	source
	secrets []string
	longest int
	buf     []byte // what came in; the front of it is held back
	held    int
	ready   []byte // to be handed out
	out     []byte // the memory of ready
	err     error  // under ready: how the source ended
}

// masking is the source itself where there is nothing to mask.
func masking(s source, secrets []string) source {
	if len(secrets) == 0 {
		return s
	}
	m := &maskedSource{source: s, secrets: secrets}
	for _, t := range secrets {
		m.longest = max(m.longest, len(t))
	}
	m.buf = make([]byte, m.longest+longest)
	return m
}

func (m *maskedSource) Read(p []byte) (int, error) {
	for len(m.ready) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		n, err := m.source.Read(m.buf[m.held:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if n == 0 {
				return 0, err
			}
			err = nil
		}
		m.err = err
		m.pass(m.held+n, err != nil)
	}
	n := copy(p, m.ready)
	m.ready = m.ready[n:]
	return n, nil
}

// pass makes ready what can be said of the first n bytes; all of them if
// nothing more will come.
func (m *maskedSource) pass(n int, last bool) {
	m.out = m.out[:0]
	from, hold := 0, n
	if !last {
		hold = m.hold(0, n)
	}
	for {
		at, size := m.find(m.buf[from:n])
		if at < 0 || from+at >= hold {
			break
		}
		m.out = append(m.out, m.buf[from:from+at]...)
		if inURL(string(m.buf[from+at : from+at+size])) {
			m.out = append(m.out, ":"+masked+"@"...)
		} else {
			m.out = append(m.out, masked...)
		}
		if from += at + size; from > hold {
			hold = m.hold(from, n)
		}
	}
	m.out = append(m.out, m.buf[from:hold]...)
	m.held = copy(m.buf, m.buf[hold:n])
	m.ready = m.out
	if cap(m.out) > 4*len(m.buf) {
		m.out = nil
	}
}

// find is the first secret, the longest of those that begin there; -1 if there
// is none.
func (m *maskedSource) find(in []byte) (at, size int) {
	at = -1
	for _, s := range m.secrets {
		i := bytes.Index(in, []byte(s))
		if i >= 0 && (at < 0 || i < at || i == at && len(s) > size) {
			at, size = i, len(s)
		}
		if at >= 0 { // nothing that begins later matters
			in = in[:min(len(in), at+m.longest)]
		}
	}
	return at, size
}

// hold is where in the buffer, between two places, that begins which may become
// a secret.
func (m *maskedSource) hold(from, n int) int {
	for p := max(from, n-m.longest+1); p < n; p++ {
		for _, s := range m.secrets {
			if len(s) > n-p && s[:n-p] == string(m.buf[p:n]) {
				return p
			}
		}
	}
	return n
}
