package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// A secureConn remembers the alert that ended it. With TLS 1.3 a broker
// refuses a client certificate only after the client's handshake, so that the first
// read finds it.
type secureConn struct {
	*tls.Conn
	mu    sync.Mutex
	alert error
}

func handshake(ctx context.Context, raw net.Conn, config *tls.Config) (*secureConn, error) {
	c := &secureConn{Conn: tls.Client(raw, config.Clone())}
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (c *secureConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && strings.Contains(err.Error(), "tls: ") {
		c.mu.Lock()
		c.alert = err
		c.mu.Unlock()
	}
	return n, err
}

// failure is the alert, nil where none came; also of a nil connection.
func (c *secureConn) failure() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alert
}

// transportProblem explains what is wrong below AMQP.
func transportProblem(err error, u brokerURL) (headline, detail string, ok bool) {
	const insecure = "Secure connection failed"
	var dns *net.DNSError
	var record tls.RecordHeaderError
	where := u.address()
	if what := mgmt.TLSProblem(err, u.host); what != "" {
		return insecure, fmt.Sprintf("no secure connection to the broker at %s: %s", where, what), true
	}
	switch {
	case errors.As(err, &dns):
		return "Broker unreachable", fmt.Sprintf("the host of the broker at %s is not known: %s", where, diag.Escape(dns.Err)), true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Broker unreachable", fmt.Sprintf("nothing listens at %s; is the broker running, and is this its AMQP port (5672, with TLS 5671)?", where), true
	case errors.As(err, &record):
		return insecure, fmt.Sprintf("what answers at %s does not speak TLS; use amqp:// or the TLS port (5671)", where), true
	case strings.Contains(err.Error(), "tls: "):
		return insecure, fmt.Sprintf("the TLS connection to the broker at %s failed: %s", where, diag.Escape(err.Error())), true
	}
	return "", "", false
}
