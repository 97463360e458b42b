package rabbitmq

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
)

// settingsOfBroker is a broker block, read.
type settingsOfBroker struct {
	url        brokerURL
	management string // "" where there is none
	username   string
	password   access.Password
	tls        *tls.Config
	spoke      atomic.Bool // it has let us in before: it is the right address, and speaks AMQP
}

// readSettings takes a broker block apart and reads the files that it names.
func readSettings(config cty.Value, dir string) (*settingsOfBroker, error) {
	u, err := parseURL(attr.Text(config, "url"))
	if err != nil {
		return nil, at("url").NewError(err)
	}
	s := &settingsOfBroker{url: u, username: u.username, management: u.management()}
	s.password.Text, s.password.Dir = u.password, dir
	if m := attr.Of(config, "management"); attr.Given(m) {
		s.management = attr.String(m)
		if s.management == noManagement {
			s.management = ""
		}
	}
	if a := attr.Of(config, "username"); attr.Given(a) {
		s.username = attr.String(a)
	}
	if a := attr.Of(config, "password"); attr.Given(a) {
		s.password.Text = attr.String(a)
	}
	if s.username == "" && !u.hasUser {
		s.username = "guest"
		if s.password.Text == "" {
			s.password.Text = "guest"
		}
	}
	s.password.Command = attr.Strings(attr.Of(config, "password_command"))
	if s.tls, err = access.TLS(attr.Of(config, "tls"), u.host, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// managementTLS is the same for HTTPS, which names the server itself unless a
// name was written: the API may be on another host.
func (p *provider) managementTLS() *tls.Config {
	c := p.settings.tls.Clone()
	if c.ServerName == p.settings.url.host {
		c.ServerName = ""
	}
	return c
}
