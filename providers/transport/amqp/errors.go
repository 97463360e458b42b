package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

// A brokerError shows what the broker said without the library's trimmings,
// and fit for a terminal.
type brokerError struct{ err *amqp.Error }

func (e *brokerError) Error() string { return diag.Escape(e.err.Reason) }
func (e *brokerError) Unwrap() error { return e.err }

// parseURL checks an AMQP URL (https://www.rabbitmq.com/uri-spec.html). The
// error never repeats it, since there may be a password in it.
func parseURL(raw string) (amqp.URI, error) {
	if raw == "" {
		return amqp.URI{}, errors.New("the broker's URL is empty: write it as amqp://user@host:5672/vhost")
	}
	u, err := amqp.ParseURI(raw)
	switch {
	case err == nil:
		return u, nil
	case strings.Contains(err.Error(), "scheme must be"):
		return u, fmt.Errorf("the broker's URL does not begin with amqp:// or amqps://")
	default:
		return u, errors.New("the broker's URL cannot be read; write it as amqp://user@host:5672/vhost, with characters like / ? # @ % in a user, password or vhost percent-encoded")
	}
}

// Where is a URL's host and vhost, for people: nothing in it is secret.
func Where(raw string) string {
	u, err := parseURL(raw)
	if err != nil {
		return "the broker"
	}
	where := u.Scheme + "://" + net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	if u.Vhost != "/" {
		where += "/" + url.PathEscape(u.Vhost)
	}
	return where
}

// dialError explains why a connection could not be made.
func dialError(raw string, err error) error {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		record  tls.RecordHeaderError
		broker  *amqp.Error
	)
	where := Where(raw)
	say := func(headline, format string, args ...any) error {
		return &transport.ConnectError{Headline: headline, Detail: fmt.Sprintf(format, args...), Err: err}
	}
	switch {
	case errors.Is(err, errNoAnswer):
		return say(transport.NoAnswer, "%s did not answer within %s; check host and port, and that it speaks AMQP there", where, dialTimeout)
	case errors.Is(err, amqp.ErrCredentials), errors.Is(err, amqp.ErrSASL):
		return say(transport.LoginRefused, "%s refused the login; check user and password in the broker's URL (the user guest may log in from the broker's own machine only)", where)
	case errors.As(err, &dns):
		return say(transport.Unreachable, "the host of %s is not known: %s", where, diag.Escape(dns.Err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(transport.Unreachable, "nothing listens at %s; is the broker running, and is this its AMQP port (5672, with TLS 5671)?", where)
	case errors.As(err, &unknown):
		return say(transport.Insecure, "the certificate of %s is signed by an authority that is not trusted here; give its certificate as ?cacertfile=FILE in the URL", where)
	case errors.As(err, &host):
		return say(transport.Insecure, "the certificate of %s is for another name: %s", where, diag.Escape(host.Error()))
	case errors.As(err, &record):
		return say(transport.Insecure, "what answers at %s does not speak TLS; use amqp:// or the TLS port (5671)", where)
	case errors.As(err, &broker):
		return say(transport.Refused, "%s refused the connection: %s; check that the vhost exists and that the user may use it", where, diag.Escape(broker.Reason))
	}
	return say(transport.Unreachable, "the connection to %s failed: %s", where, diag.Escape(err.Error()))
}
