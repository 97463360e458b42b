package rabbitmq

import (
	"context"
	"net/url"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
)

var _ providers.Dialer = (*provider)(nil)

// Dial implements providers.Dialer: a connection for messages to the vhost of
// the broker's URL, with the same TLS and credentials as all others. It outlives the
// provider; its caller closes it.
func (p *provider) Dial(ctx context.Context) (transport.Conn, error) {
	return p.dialVhost(ctx, p.settings.url.vhost)
}

// messages gives the connection for messages of a vhost, kept until the
// provider is closed.
func (p *provider) messages(ctx context.Context, vhost string) (transport.Conn, error) {
	p.dialled.mu.Lock()
	defer p.dialled.mu.Unlock()
	if c := p.dialled.conns[vhost]; c != nil {
		return c, nil
	}
	c, err := p.dialVhost(ctx, vhost)
	if err != nil {
		return nil, err
	}
	if p.dialled.conns == nil {
		p.dialled.conns = map[string]transport.Conn{}
	}
	p.dialled.conns[vhost] = c
	return c, nil
}

func (p *provider) dialVhost(ctx context.Context, vhost string) (transport.Conn, error) {
	password, err := p.settings.password.Of(ctx)
	if err != nil {
		return nil, err
	}
	c, err := amqp.Dial(ctx, amqp.Options{URL: p.settings.messageURL(vhost, password), TLS: p.settings.tls, Name: "msgflo", Log: p.log})
	if err == nil {
		return c, nil
	}
	// What is wrong below messages is found, and told, better by the connections
	// that change topology: alerts of TLS, a vhost that is not there.
	if why := p.pool(vhost).do(ctx, noCall); why != nil {
		return nil, why
	}
	return nil, access.ConnectionError(err)
}

// messageURL is the broker's URL for the message transport. It never leaves
// this process: there is a password in it.
func (s *settingsOfBroker) messageURL(vhost, password string) string {
	u := url.URL{Scheme: "amqp", Host: s.url.address(), Path: "/" + vhost, RawPath: "/" + url.PathEscape(vhost)}
	if s.url.tls {
		u.Scheme = "amqps"
	}
	if s.url.tls && len(s.tls.Certificates) > 0 && password == "" {
		u.RawQuery = "auth_mechanism=external" // the certificate is the login
	} else {
		u.User = url.UserPassword(s.username, password)
	}
	return u.String()
}
