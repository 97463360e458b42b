package mgmt

import (
	"net/url"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
)

// An apiPath is a path below /api in both forms, with the first name in it
// that the API cannot carry.
type apiPath struct {
	plain, encoded strings.Builder
	query          string
	bad            string
}

// path builds /api/a/b from names. Every name is percent-encoded whole, so
// that the vhost "/" is %2F.
func path(segments ...string) *apiPath {
	p := &apiPath{}
	for _, s := range segments {
		if p.bad == "" && !carriable(s) {
			p.bad = s
			if s == "" {
				p.bad = `""`
			}
		}
		p.plain.WriteByte('/')
		p.plain.WriteString(s)
		p.encoded.WriteByte('/')
		p.encoded.WriteString(escapeSegment(s))
	}
	return p
}

func (p *apiPath) with(query string) *apiPath {
	p.query = query
	return p
}

// carriable: on its way a name must not be taken for a step in the path ("."
// and ".." collapse, in clients, proxies and the broker alike), and the broker
// itself strips line ends: it would declare one name and look for another.
func carriable(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "\r\n\x00")
}

// escapeSegment encodes all but the characters that RFC 3986 calls unreserved:
// the rest means something to one proxy or another.
func escapeSegment(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// url is the whole address of a path, or an error for a name that cannot be
// part of one.
func (c *Client) url(p *apiPath) (*url.URL, error) {
	if p.bad != "" {
		return nil, &Error{Kind: BadName, Host: c.Host(), detail: "the management API cannot address an object named " +
			diag.Escape(p.bad) + ": names that are empty, \".\" or \"..\", or hold a line end, get lost on the way; choose another name"}
	}
	u := *c.base
	u.Path = c.base.Path + "/api" + p.plain.String()
	u.RawPath = c.base.EscapedPath() + "/api" + p.encoded.String()
	u.RawQuery = p.query
	return &u, nil
}
