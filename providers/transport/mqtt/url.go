package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
)

// An endpoint is a broker's URL, read.
type endpoint struct {
	scheme         string // mqtt, mqtts, ws, wss
	address        string // host:port
	user, password string
	hasPassword    bool
	path           string // of ws and wss, with its query
	files          map[string]string
	serverName     string
	insecure       bool
	clientID       string
	share          bool // false: the URL says that the broker has no shared subscriptions
	block          bool // settings of TLS come from a broker block, which has them by other names
}

// Ports by scheme: IANA's for MQTT, the web's for WebSockets.
var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"} //nolint:gochecknoglobals // a table

const (
	keyCA, keyCert, keyKey = "ca_certs", "certfile", "keyfile" // msgflo-python's; the first is AMQP's cacertfile

	// defaultPath is where browsers' MQTT library (Paho) looks.
	defaultPath = "/mqtt"
	example     = "mqtt://user@host:1883"
)

// parseURL reads a broker's URL. The error never repeats it, since there may
// be a password in it. What a query says beyond our own keys is left to others:
// all clients of a broker share one MSGFLO_BROKER.
func parseURL(raw string) (endpoint, error) {
	if raw == "" {
		return endpoint{}, fmt.Errorf("the broker's URL is empty: write it as %s", example)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return endpoint{}, fmt.Errorf("the broker's URL cannot be read; write it as %s, with characters like / ? # @ %% in a user or password percent-encoded", example)
	}
	port, known := ports[u.Scheme]
	switch {
	case !known:
		return endpoint{}, errors.New("the broker's URL does not begin with mqtt://, mqtts://, ws:// or wss://")
	case u.Hostname() == "":
		return endpoint{}, fmt.Errorf("the broker's URL names no host; write it as %s", example)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return endpoint{}, errors.New("the broker's URL has a port that is no number from 1 to 65535")
		}
		port = p
	}
	e := endpoint{scheme: u.Scheme, address: net.JoinHostPort(u.Hostname(), port), user: u.User.Username(), share: true}
	e.password, e.hasPassword = u.User.Password()
	if e.hasPassword && e.user == "" {
		return endpoint{}, errors.New("the broker's URL has a password without a user, which MQTT 3.1.1 does not allow")
	}
	if !e.web() && u.Path != "" && u.Path != "/" {
		return endpoint{}, errors.New("the broker's URL has a path, which MQTT does not; topics are named where they are used, and RabbitMQ's vhost stands before the user, as vhost:user (with %3A for the colon)")
	}
	return e, e.query(u)
}

// query takes our own keys out of the query; a WebSocket's server gets the
// others.
func (e *endpoint) query(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the query of the broker's URL cannot be read; percent-encode % and ; in it")
	}
	take := func(keys ...string) (value string) {
		for _, k := range keys {
			if q.Has(k) {
				value = q.Get(k)
				q.Del(k)
			}
		}
		return value
	}
	e.files = map[string]string{keyCA: take("cacertfile", keyCA), keyCert: take(keyCert), keyKey: take("privkey", keyKey)}
	e.serverName = take("server_name_indication", "server_name")
	e.clientID = take("clientId", "client_id")
	if e.insecure, err = flag(take("insecure"), false, "insecure"); err != nil {
		return err
	}
	if e.share, err = flag(take("share"), true, "share"); err != nil {
		return err
	}
	secured := e.insecure || e.serverName != "" || slices.ContainsFunc([]string{keyCA, keyCert, keyKey}, func(k string) bool { return e.files[k] != "" })
	if secured && !e.secure() {
		return fmt.Errorf("the broker's URL has settings of TLS and begins with %s://; use %s", e.scheme, map[string]string{"mqtt": "mqtts://", "ws": "wss://"}[e.scheme])
	}
	if (e.files[keyCert] == "") != (e.files[keyKey] == "") {
		return errors.New("the broker's URL must name both certfile and keyfile, or neither: a client certificate is of no use without its key")
	}
	if !e.web() {
		return nil
	}
	if e.path = u.EscapedPath(); e.path == "" || e.path == "/" {
		e.path = defaultPath
	}
	if len(q) > 0 {
		e.path += "?" + q.Encode()
	}
	return nil
}

func flag(text string, without bool, key string) (bool, error) {
	if text == "" {
		return without, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s in the query of the broker's URL is %q; it must be true or false", key, text)
	}
	return b, nil
}

func (e *endpoint) secure() bool { return e.scheme == "mqtts" || e.scheme == "wss" }
func (e *endpoint) web() bool    { return e.scheme == "ws" || e.scheme == "wss" }

// where is host and port, for people: nothing in it is secret.
func (e *endpoint) where() string { return e.scheme + "://" + e.address }

// Where is a URL's host and port, for people: nothing in it is secret.
func Where(raw string) string {
	e, err := parseURL(raw)
	if err != nil {
		return "the broker"
	}
	return e.where()
}

// tls reads the certificates that the URL names into base, or into a
// configuration of our own. Files are read at each connect: certificates that
// are renewed need no restart.
func (e *endpoint) tls(base *tls.Config) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		c = base.Clone()
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(e.address)
	}
	if e.serverName != "" {
		c.ServerName = e.serverName
	}
	if e.insecure {
		c.InsecureSkipVerify = true // asked for by name
	}
	if file := e.files[keyCA]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the authority's certificate: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("there is no PEM certificate in %s", file)
		}
	}
	if file := e.files[keyCert]; file != "" {
		pair, err := tls.LoadX509KeyPair(file, e.files[keyKey])
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// CheckURL reports what is wrong with a broker's URL, without repeating it.
func CheckURL(raw string) error {
	_, err := parseURL(raw)
	return err
}
