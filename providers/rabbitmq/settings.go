package rabbitmq

import (
	"context"
	"crypto/tls"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/access"
)

// settingsOfBroker is a broker block, read.
type settingsOfBroker struct {
	url        brokerURL
	management string // "" where there is none
	username   string
	password   string
	command    []string // asked for the password at first use
	tls        *tls.Config
	insecure   bool
	dir        string
}

// readSettings takes a broker block apart and reads the files that it names.
func readSettings(config cty.Value, dir string) (*settingsOfBroker, error) {
	u, err := parseURL(stringAttr(config, "url"))
	if err != nil {
		return nil, at("url").NewError(err)
	}
	s := &settingsOfBroker{url: u, username: u.username, password: u.password, dir: dir, management: u.management()}
	if m := attr(config, "management"); set(m) {
		s.management = text(m)
		if s.management == noManagement {
			s.management = ""
		}
	}
	if a := attr(config, "username"); set(a) {
		s.username = text(a)
	}
	if a := attr(config, "password"); set(a) {
		s.password = text(a)
	}
	if s.username == "" && !u.hasUser {
		s.username = "guest"
		if s.password == "" {
			s.password = "guest"
		}
	}
	s.command = stringList(attr(config, "password_command"))
	if s.tls, err = access.TLS(attr(config, "tls"), u.host, dir); err != nil {
		return nil, err
	}
	s.insecure = s.tls.InsecureSkipVerify
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

// secrets gives the password, asking the password command once, at first use.
type secrets struct {
	once     sync.Once
	password access.Password
}

func (s *secrets) of(ctx context.Context, b *settingsOfBroker) (string, error) {
	s.once.Do(func() { s.password.Text, s.password.Command, s.password.Dir = b.password, b.command, b.dir })
	return s.password.Of(ctx)
}
