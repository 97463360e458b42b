package mgmt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// errSilent is the cause with which a call's context ends when nothing came
// for Options.Timeout.
var errSilent = errors.New("no answer in time")

// transportError explains why no whole answer came. The raw error is kept for
// errors.Is, but never printed with its URL.
func (c *Client) transportError(err error) *Error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if e := c.tlsError(err); e != nil {
		return e
	}
	if e := c.wrongProtocol(err); e != nil {
		return e
	}
	e := &Error{Kind: Unreachable, Host: c.Host(), err: err}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errSilent), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		e.Kind = Silent
		e.detail = fmt.Sprintf("the management API at %s did not answer within %s; check that the address is right and that no firewall drops the connection, and whether the broker is overloaded", c.Host(), c.opts.Timeout.Round(time.Millisecond))
	case errors.As(err, &dns):
		e.detail = fmt.Sprintf("the host of the management API, %s, is not known to the name service; check its spelling", diag.Escape(c.base.Host))
	case errors.Is(err, syscall.ECONNREFUSED):
		e.detail = fmt.Sprintf("nothing listens at %s; check that the broker is running, that its management plugin is enabled (rabbitmq-plugins enable rabbitmq_management), and that the port is the management API's (15672 by default, not AMQP's)", c.Host())
	default:
		e.detail = fmt.Sprintf("the connection to the management API at %s failed: %s; check that the broker is running and reachable from here", c.Host(), diag.Escape(err.Error()))
	}
	return e
}

// tlsError explains what is wrong with the certificate or the handshake, or
// returns nil.
func (c *Client) tlsError(err error) *Error {
	what := TLSProblem(err, c.base.Hostname())
	if what == "" {
		return nil
	}
	return &Error{Kind: TLSFailed, Host: c.Host(), err: err,
		detail: fmt.Sprintf("no secure connection to the management API at %s: %s", c.Host(), what)}
}

// TLSProblem says what is wrong with a server's certificate or with the
// handshake with host, and what to do; "" if err is about neither. The words hold
// for any protocol over TLS, and name attributes of the broker block.
func TLSProblem(err error, host string) string {
	var (
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for another host, not for %s: %s. Use the name in the certificate, give it as tls.server_name of the broker block, or give the broker a certificate for this name",
			diag.Escape(host), diag.Escape(name.Error()))
	case errors.As(err, &authority):
		what := "its certificate is signed by an authority that is not trusted here"
		if isSelfSigned(err) {
			what = "its certificate is self-signed"
		}
		return what + "; name the certificate to trust as tls.ca_file of the broker block, if it is the right one"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return expiry(invalid.Cert)
	case errors.As(err, &invalid):
		return "its certificate is not valid: " + diag.Escape(invalid.Error())
	case errors.As(err, &verify):
		return "its certificate cannot be verified: " + diag.Escape(verify.Err.Error())
	case isTLSVersion(err):
		return "the two sides share no version of TLS (this one speaks 1.2 and newer): " + diag.Escape(err.Error())
	case strings.Contains(err.Error(), "remote error: tls: "): // an alert; the AMQP library keeps its text only
		return "the broker refused the handshake (" + diag.Escape(err.Error()) + "); it may want a client certificate (tls.cert_file and tls.key_file of the broker block), or another one"
	}
	return ""
}

// isSelfSigned looks at the server's own certificate: the last one of a chain
// always is.
func isSelfSigned(err error) bool {
	v, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || len(v.UnverifiedCertificates) == 0 {
		return false
	}
	own := v.UnverifiedCertificates[0]
	return own.CheckSignature(own.SignatureAlgorithm, own.RawTBSCertificate, own.Signature) == nil
}

// expiry also covers a certificate from the future, which x509 reports alike.
func expiry(cert *x509.Certificate) string {
	if cert == nil {
		return "its certificate has expired; renew it"
	}
	if !time.Now().After(cert.NotAfter) {
		return fmt.Sprintf("its certificate is not valid before %s; check the clocks of both machines", cert.NotBefore.Format(time.DateTime))
	}
	return fmt.Sprintf("its certificate expired on %s; renew it, or check this machine's clock", cert.NotAfter.Format(time.DateOnly))
}

func isTLSVersion(err error) bool {
	s := err.Error()
	return strings.Contains(s, "tls: ") && strings.Contains(s, "version")
}

// wrongProtocol recognises what answers on a port that is no HTTP, or no
// HTTPS, or returns nil.
func (c *Client) wrongProtocol(err error) *Error {
	e := &Error{Kind: NotManagement, Host: c.Host(), err: err}
	text := err.Error()
	var record tls.RecordHeaderError
	switch {
	case strings.Contains(text, `malformed HTTP`) && strings.Contains(text, "AMQP"):
		e.detail = fmt.Sprintf("%s is the broker's AMQP port; its management API listens on another one, 15672 by default", c.Host())
	case strings.Contains(text, `malformed HTTP`) && strings.Contains(text, `"\x15\x03`):
		e.detail = fmt.Sprintf("%s wants a secure connection; write https:// instead of http://", c.Host())
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME header"):
		e.detail = fmt.Sprintf("what answers at %s does not speak HTTP; check the port, which is 15672 by default", c.Host())
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		e.detail = fmt.Sprintf("%s does not offer a secure connection; write http:// instead of https://, if the network between is trusted", c.Host())
	case errors.As(err, &record):
		e.detail = fmt.Sprintf("what answers at %s does not speak TLS; check scheme and port", c.Host())
	default:
		return nil
	}
	return e
}
