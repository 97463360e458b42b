package mqtt

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/msgflo/msgflo/providers/transport"
)

const (
	// dialTimeout bounds connecting, TLS and login together.
	dialTimeout = 15 * time.Second
	// callTimeout bounds one request: a broker that is alive answers in
	// milliseconds.
	callTimeout = 60 * time.Second
	// keepAlive and pingTimeout find a dead peer.
	keepAlive, pingTimeout = 20 * time.Second, 10 * time.Second
	// handOver bounds how long the library may wait to take a message. While
	// the connection is ending it takes none, and says so no earlier.
	handOver = time.Second
	// farewell bounds the DISCONNECT, in milliseconds; then the socket is closed.
	farewell = 1000
)

// open makes the network connection; ctx ends it, also later, until stop.
func (e *endpoint) open(ctx context.Context, o *Options) (*wire, error) {
	var secure *tls.Config
	if e.secure() {
		var err error
		if secure, err = e.tls(o.TLS); err != nil {
			return nil, &transport.ConnectError{Headline: transport.Insecure, Detail: "the certificates for " + e.where() + " cannot be used: " + err.Error(), Err: err}
		}
	}
	var conn net.Conn
	var err error
	if e.web() {
		conn, err = e.openWeb(ctx, secure)
	} else {
		conn, err = e.openPlain(ctx, secure)
	}
	if err != nil {
		return nil, err
	}
	return newWire(conn), nil
}

func (e *endpoint) openPlain(ctx context.Context, secure *tls.Config) (net.Conn, error) {
	if secure != nil {
		return (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", e.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", e.address)
}

// openWeb opens a WebSocket. The library's has no context: who stops waiting
// leaves it to end by itself.
func (e *endpoint) openWeb(ctx context.Context, secure *tls.Config) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		conn, err := paho.NewWebsocket(e.where()+e.path, secure, dialTimeout, nil, &paho.WebsocketOptions{Proxy: http.ProxyFromEnvironment})
		opened <- result{conn, err}
	}()
	select {
	case r := <-opened:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				r.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}
