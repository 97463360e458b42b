// Package mgmt is a thin client of RabbitMQ's management HTTP API: the calls
// that topology needs, on net/http, with every answer checked before it is
// believed. It is lenient about what it does not use (unknown fields, odd
// statistics) and strict about what would read as "nothing there": a cut list,
// a proxy's page, JSON of another kind.
//
// It decodes into plain structs and knows neither cty nor schemas; it imports
// config/diag and nothing else of this module.
package mgmt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of a Client. The zero value of a field means its default.
type Options struct {
	// URL of the management API, as http://localhost:15672, with a path where
	// management.path_prefix or a proxy adds one. User and password in it are
	// used where Username and Password are empty.
	URL                string
	Username, Password string
	TLS                *tls.Config // for https
	// Timeout is the longest silence in one call, default 30 s: until the
	// answer begins, and then between its parts. A long answer may take longer.
	Timeout time.Duration
	// Parallel is how many calls may run at once, default 32. The client does
	// not limit them; it keeps that many connections open.
	Parallel int
	// MaxAnswer is the most bytes of one answer that are read, default 1 GiB.
	MaxAnswer int64
	Retry     Retry
	// Log, where not nil, gets a line a call at LogLevel: method, path, status
	// and time, never a header or a body.
	Log      *slog.Logger
	LogLevel slog.Level
}

// Retry bounds how a call is repeated after 429, 5xx or a cut answer.
type Retry struct {
	Tries   uint          // in all, default 4
	Initial time.Duration // pause before the second try, default 200 ms, growing by half again with jitter
	Longest time.Duration // of all pauses together, and so of a Retry-After that is honoured, default 30 s
}

// A Client is safe for concurrent use.
type Client struct {
	base               *url.URL // without user information
	username, password string
	opts               Options
	http               *http.Client
}

// New checks the options; it makes no connection.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		// The parser's error repeats the URL, which may hold a password.
		return nil, errors.New("the management URL cannot be parsed; it is written as http://host:15672")
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("the management URL must begin with http:// or https:// and name a host, not %s; it is written as http://host:15672", base.Redacted())
	}
	c := &Client{username: o.Username, password: o.Password, opts: withDefaults(o)}
	if base.User != nil && o.Username == "" {
		c.username = base.User.Username()
		c.password, _ = base.User.Password()
	}
	base.User, base.RawQuery, base.Fragment = nil, "", ""
	// The API is often given by its own address; both forms mean the same.
	base.Path, base.RawPath = withoutAPI(base.Path), withoutAPI(base.EscapedPath())
	c.base = base
	c.http = &http.Client{
		Transport: c.logged(c.transport()),
		// A redirect is never followed: it would carry the password elsewhere,
		// and a management API does not redirect its calls.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func withoutAPI(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path, "/"), "/api")
}

func withDefaults(o Options) Options {
	o.Timeout = orDefault(o.Timeout, 30*time.Second)
	o.Parallel = orDefault(o.Parallel, 32)
	o.MaxAnswer = orDefault(o.MaxAnswer, 1<<30)
	o.Retry.Tries = orDefault(o.Retry.Tries, 4)
	o.Retry.Initial = orDefault(o.Retry.Initial, 200*time.Millisecond)
	o.Retry.Longest = orDefault(o.Retry.Longest, 30*time.Second)
	return o
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (c *Client) transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: min(c.opts.Timeout, 10*time.Second)}).DialContext,
		TLSClientConfig:     c.opts.TLS,
		TLSHandshakeTimeout: min(c.opts.Timeout, 10*time.Second),
		MaxIdleConns:        c.opts.Parallel,
		MaxIdleConnsPerHost: c.opts.Parallel,
		IdleConnTimeout:     time.Minute,
		// On this machine compressing costs more than it saves.
		DisableCompression: isLoopback(c.base.Hostname()),
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Host is the API's address for people: scheme, host and port, no secret.
func (c *Client) Host() string { return c.base.Scheme + "://" + c.base.Host }

// Exists makes a GET and tells whether the object is there.
func (c *Client) Exists(ctx context.Context, segments ...string) (bool, error) {
	err := c.get(ctx, path(segments...), skipValue)
	if IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
