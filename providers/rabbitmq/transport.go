package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// A secureConn remembers what ended it. With TLS 1.3 a broker refuses a client
// certificate only after the client's handshake: the first read finds its
// alert, or nothing, where the reset that follows it was faster.
type secureConn struct {
	*tls.Conn
	mu    sync.Mutex
	heard bool // the broker has said something
	alert error
}

// errRefused stands for an alert that a reset overtook. Its words are those by
// which an alert is known.
var errRefused = errors.New("remote error: tls: connection ended right after the handshake")

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
	c.note(n, err)
	return n, err
}

func (c *secureConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.note(0, err)
	return n, err
}

func (c *secureConn) note(read int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = c.heard || read > 0
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "tls: "):
		c.alert = err
	case !c.heard && c.alert == nil && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		c.alert = errRefused
	}
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

// wentAway reports whether the other side ended the connection, or does not
// listen: without a word of AMQP, which would have told why. Who asks when the
// library knows already hears from it only that the connection is closed.
func wentAway(err error) bool {
	var spoken *amqp.Error
	return errors.Is(err, amqp.ErrClosed) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.As(err, &spoken) && !spoken.Server && spoken.Code == amqp.FrameError
}

// transportProblem explains what is wrong below AMQP.
func transportProblem(err error, u brokerURL) (headline, detail string, ok bool) {
	const insecure = "Secure connection failed"
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var spoken *amqp.Error
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
	case errors.As(err, &spoken) && !spoken.Server && spoken.Code == amqp.FrameError:
		return "Broker does not answer", fmt.Sprintf("%s ended the connection without speaking AMQP; is this the broker's AMQP port (5672, with TLS and amqps:// 5671), and not its management API's?", where), true
	}
	return "", "", false
}
