package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/gorilla/websocket"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

var errNoAnswer = errors.New("the broker did not answer in time")

// dialError explains why a connection could not be made.
func (e *endpoint) dialError(err error) error {
	if _, done := errors.AsType[*transport.ConnectError](err); done || errors.Is(err, context.Canceled) {
		return err
	}
	say := func(headline, format string, args ...any) error {
		return &transport.ConnectError{Headline: headline, Detail: fmt.Sprintf(format, args...), Err: err}
	}
	var dns *net.DNSError
	var slow net.Error
	switch where := e.where(); {
	case errors.As(err, &dns):
		return say(transport.Unreachable, "the host of %s is not known: %s", where, diag.Escape(dns.Err))
	case errors.Is(err, errNoAnswer), errors.As(err, &slow) && slow.Timeout(): // a context whose time is up says so too
		return say(transport.NoAnswer, "%s did not answer within %s; check host and port, and that it speaks MQTT there", where, dialTimeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(transport.Unreachable, "nothing listens at %s; is the broker running, and is this its port (MQTT: 1883, with TLS 8883)?", where)
	}
	for _, explain := range []func(error) (headline, detail string){e.tlsError, e.connackError, e.protocolError} {
		if headline, detail := explain(err); headline != "" {
			return say(headline, "%s", detail)
		}
	}
	return say(transport.Unreachable, "the connection to %s failed: %s", e.where(), diag.Escape(err.Error()))
}

func (e *endpoint) tlsError(err error) (headline, detail string) {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		remote  *net.OpError
		file    *fs.PathError
	)
	where := e.where()
	switch {
	case errors.As(err, &file):
		return transport.Insecure, fmt.Sprintf("the certificates for %s cannot be used: %s", where, diag.Escape(err.Error()))
	case errors.As(err, &unknown):
		return transport.Insecure, fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here; if it is the right one, give its certificate as %s", where, e.setting("ca_file", "?"+keyCA+"=FILE"))
	case errors.As(err, &host):
		return transport.Insecure, fmt.Sprintf("the certificate of %s is for another name: %s; use a name that is in it, or give one as %s", where, diag.Escape(host.Error()), e.setting("server_name", "?server_name=NAME"))
	case errors.As(err, &invalid):
		return transport.Insecure, fmt.Sprintf("the certificate of %s is not valid: %s", where, diag.Escape(invalid.Error()))
	case errors.As(err, &record):
		return transport.Insecure, fmt.Sprintf("what answers at %s does not speak TLS; use %s:// or the TLS port", where, map[string]string{"mqtts": "mqtt", "wss": "ws"}[e.scheme])
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert, as crypto/tls says it
		return transport.Insecure, fmt.Sprintf("%s ended the secure connection: %s; it may want a client certificate (%s), or another one", where, diag.Escape(remote.Err.Error()), e.setting("cert_file and key_file", "?"+keyCert+"=FILE&"+keyKey+"=FILE"))
	}
	return "", ""
}

// setting says where a setting of TLS is written.
func (e *endpoint) setting(block, query string) string {
	if e.block {
		return block + " in the block tls"
	}
	return query + " in the URL"
}

// connackError explains what the broker answered to the login (MQTT 3.1.1,
// table 3.1).
func (e *endpoint) connackError(err error) (headline, detail string) {
	where := e.where()
	if unknown, ok := errors.AsType[*unknownCodeError](err); ok {
		return transport.Refused, fmt.Sprintf("%s refused the login with code %d, which MQTT 3.1.1 does not know; does it speak another version of MQTT?", where, unknown.code)
	}
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		if e.user == "" {
			return transport.LoginRefused, fmt.Sprintf("%s wants a user and a password; write them into the broker's URL, as %s", where, example)
		}
		return transport.LoginRefused, fmt.Sprintf("%s refused the login; check user and password", where)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return transport.Refused, fmt.Sprintf("%s does not take this client id; give another as ?clientId=ID in the URL", where)
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return transport.Refused, fmt.Sprintf("%s does not speak MQTT 3.1.1", where)
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return transport.Refused, fmt.Sprintf("%s says that it is not available now; it may be starting, or have as many clients as it takes", where)
	}
	return "", ""
}

func (e *endpoint) protocolError(err error) (headline, detail string) {
	where := e.where()
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		return transport.Refused, fmt.Sprintf("what answers at %s is no MQTT broker's WebSocket; check the port and the path (Mosquitto takes any, RabbitMQ /ws, others /mqtt)", where)
	case errors.Is(err, errNoMQTT):
		return transport.Refused, fmt.Sprintf("what answers at %s does not speak MQTT; check scheme and port (a WebSocket's URL begins with ws:// or wss://)", where)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		hint := "without TLS"
		if e.secure() {
			hint = "with TLS, and does it want a client certificate"
		}
		return transport.Refused, fmt.Sprintf("%s closed the connection without an answer; does it speak MQTT there, %s?", where, hint)
	}
	return "", ""
}
