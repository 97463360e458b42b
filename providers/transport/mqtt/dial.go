package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	// dialTimeout bounds connecting, TLS and login together.
	dialTimeout = 15 * time.Second
	// callTimeout bounds one request: a broker that is alive answers in
	// milliseconds.
	callTimeout = 60 * time.Second
	// keepAlive and pingTimeout find a dead peer.
	keepAlive, pingTimeout = 20 * time.Second, 10 * time.Second
	// writeTimeout bounds one write to the socket.
	writeTimeout = 20 * time.Second
	// handOver bounds how long the library may wait to take a message. While
	// the connection is ending it takes none, and says so no earlier.
	handOver = time.Second
	// farewell bounds the DISCONNECT, in milliseconds; then the socket is closed.
	farewell = 1000
	// readAhead is the buffer of a socket: the library reads byte by byte.
	readAhead = 8 << 10
)

// A wire is a network connection. The library sets a deadline for each write
// from the same option that bounds its own queue; here the socket has its own.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func (w *wire) Read(p []byte) (int, error) { return w.r.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	_ = w.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // a socket that is closed says so below
	return w.Conn.Write(p)
}

func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// open makes the network connection; ctx ends it, also later, until stop.
func (e *endpoint) open(ctx context.Context, o *Options) (net.Conn, error) {
	var secure *tls.Config
	if e.secure() {
		var err error
		if secure, err = e.tls(o.TLS); err != nil {
			return nil, &ConnectError{insecure, "the certificates for " + e.where() + " cannot be used: " + err.Error(), err}
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
	return &wire{conn, bufio.NewReaderSize(conn, readAhead)}, nil
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
