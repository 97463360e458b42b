package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// settings are a broker block, read.
type settings struct {
	link     *url.URL // without the login
	user     string
	password access.Password
	tls      *tls.Config
	embedded bool
	persist  bool // what an embedded one holds outlives it
}

// readSettings takes a broker block apart and reads the files that it names.
func readSettings(config cty.Value, dir string) (*settings, error) {
	raw := attr.Text(config, "url")
	hosted := attr.Of(config, "embedded")
	s := &settings{embedded: attr.Given(hosted), persist: attr.Bool(hosted, "persist", false)}
	if raw == "" && s.embedded {
		raw = "mqtt://" + cmp.Or(attr.Text(hosted, "listen"), embedded.DefaultListen)
	}
	at := cty.GetAttrPath("url")
	if err := mqtt.CheckURL(raw); err != nil {
		return nil, at.NewError(err)
	}
	var err error
	if s.link, err = url.Parse(raw); err != nil {
		return nil, at.NewErrorf("it cannot be read as a URL")
	}
	s.user = s.link.User.Username()
	s.password.Text, _ = s.link.User.Password()
	s.link.User = nil
	if u := attr.Text(config, "username"); u != "" {
		s.user = u
	}
	if p := attr.Text(config, "password"); p != "" {
		s.password.Text = p
	}
	s.password.Command = attr.Strings(attr.Of(config, "password_command"))
	s.password.Dir = dir
	if (s.password.Text != "" || len(s.password.Command) > 0) && s.user == "" {
		return nil, cty.GetAttrPath("password").NewErrorf("there is a password and no username, which MQTT 3.1.1 does not allow")
	}
	block := attr.Of(config, "tls")
	s.tls, err = access.TLS(block, s.link.Hostname(), dir)
	if err == nil && attr.Given(block) && s.link.Scheme != "mqtts" && s.link.Scheme != "wss" {
		err = cty.GetAttrPath("tls").NewErrorf("there are settings of TLS, and the URL begins with %s://; use %s", s.link.Scheme,
			map[string]string{"mqtt": "mqtts://", "ws": "wss://"}[s.link.Scheme])
	}
	return s, err
}

// where is the broker for people: host and port, nothing secret.
func (s *settings) where() string { return mqtt.Where(s.link.String()) }

// options are those of every connection.
func (s *settings) options(ctx context.Context) (mqtt.Options, error) {
	password, err := s.password.Of(ctx)
	if err != nil {
		return mqtt.Options{}, err
	}
	u := *s.link
	switch {
	case s.user != "" && password != "":
		u.User = url.UserPassword(s.user, password)
	case s.user != "":
		u.User = url.User(s.user)
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil && s.embedded && (host == "" || host == "0.0.0.0" || host == "::") {
		u.Host = net.JoinHostPort("127.0.0.1", port) // it listens everywhere, which is no place to call
	}
	o := mqtt.Options{URL: u.String()}
	if strings.HasSuffix(u.Scheme, "s") && u.Scheme != "ws" {
		o.TLS = s.tls
	}
	return o, nil
}
