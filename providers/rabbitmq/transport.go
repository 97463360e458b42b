package rabbitmq

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/msgflo/msgflo/config/diag"
)

// transportProblem explains what is wrong below AMQP.
func transportProblem(err error, where string) (headline, detail string, ok bool) {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns):
		return "Broker unreachable", fmt.Sprintf("the host of the broker at %s is not known: %s", where, diag.Escape(dns.Err)), true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Broker unreachable", fmt.Sprintf("nothing listens at %s; is the broker running, and is this its AMQP port (5672, with TLS 5671)?", where), true
	case errors.As(err, &unknown):
		return "Secure connection failed", fmt.Sprintf("the certificate of the broker at %s is signed by an authority that is not trusted here; give its certificate as tls.ca_file", where), true
	case errors.As(err, &host):
		return "Secure connection failed", fmt.Sprintf("the certificate of the broker at %s is for another name: %s; set tls.server_name if that is right", where, diag.Escape(host.Error())), true
	case errors.As(err, &invalid):
		return "Secure connection failed", fmt.Sprintf("the certificate of the broker at %s is not valid: %s", where, diag.Escape(invalid.Error())), true
	case errors.As(err, &record):
		return "Secure connection failed", fmt.Sprintf("what answers at %s does not speak TLS; use amqp:// or the TLS port (5671)", where), true
	case strings.Contains(err.Error(), "tls: "):
		return "Secure connection failed", fmt.Sprintf("the TLS connection to the broker at %s failed: %s", where, diag.Escape(err.Error())), true
	}
	return "", "", false
}
