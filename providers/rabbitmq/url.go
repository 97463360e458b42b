package rabbitmq

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A brokerURL is an AMQP URL taken apart (https://www.rabbitmq.com/uri-spec.html).
type brokerURL struct {
	tls                bool
	host               string // without port
	port               int
	username, password string
	hasUser            bool
	vhost              string
}

// parseURL reads an AMQP URL. An empty path, also "/", means the vhost "/": no
// broker that people run has a vhost of the empty name. The error never
// repeats the URL, since there may be a password in it.
func parseURL(raw string) (brokerURL, error) {
	if raw == "" {
		return brokerURL{}, fmt.Errorf("the URL is empty: write it as amqp://user@host:5672/vhost")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return brokerURL{}, fmt.Errorf("it cannot be read as a URL (%s); characters like / ? # @ %% in a user, password or vhost must be percent-encoded", urlProblem(err))
	}
	b := brokerURL{host: u.Hostname(), vhost: "/"}
	switch u.Scheme {
	case "amqp":
		b.port = 5672
	case "amqps":
		b.tls, b.port = true, 5671
	default:
		return brokerURL{}, fmt.Errorf("the scheme %q is not amqp or amqps", u.Scheme)
	}
	if b.host == "" {
		return brokerURL{}, fmt.Errorf("it has no host: write it as amqp://user@host:5672/vhost")
	}
	if p := u.Port(); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return brokerURL{}, fmt.Errorf("the port %q is not a number from 1 to 65535", p)
		}
		b.port = n
	}
	if u.User != nil {
		b.hasUser = true
		b.username = u.User.Username()
		b.password, _ = u.User.Password()
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	if strings.Contains(path, "/") {
		return brokerURL{}, fmt.Errorf("the path is one vhost, with a slash in its name written as %%2F")
	}
	if path != "" {
		if b.vhost, err = url.PathUnescape(path); err != nil {
			return brokerURL{}, fmt.Errorf("the vhost is not percent-encoded correctly")
		}
	}
	return b, nil
}

// urlProblem is what url.Parse found wrong, without the text it was given.
func urlProblem(err error) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	_, escape := errors.AsType[url.EscapeError](err)
	_, host := errors.AsType[url.InvalidHostError](err)
	switch {
	case escape:
		return "bad percent-encoding"
	case host:
		return "a character that no host name has"
	case strings.Contains(err.Error(), "port"):
		return "bad port"
	}
	return "bad syntax"
}

// address is host:port, for dialling and for people.
func (b brokerURL) address() string { return net.JoinHostPort(b.host, strconv.Itoa(b.port)) }

// management is where the broker's HTTP API is unless it is said to be
// elsewhere: the standard port on the same host.
func (b brokerURL) management() string {
	if b.tls {
		return "https://" + net.JoinHostPort(b.host, "15671")
	}
	return "http://" + net.JoinHostPort(b.host, "15672")
}
