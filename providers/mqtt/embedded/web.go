package embedded

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// A web is a listener for MQTT over WebSocket. The broker's own binds its port
// only when it is too late for an error, and lets any web page in.
type web struct {
	gate
	listener  net.Listener
	server    *http.Server
	upgrader  websocket.Upgrader
	establish listeners.EstablishFn
}

func newWeb(l net.Listener, broker *mochi.Server, patience time.Duration) *web {
	w := &web{gate: gate{broker: broker, patience: patience}, listener: l, upgrader: websocket.Upgrader{Subprotocols: []string{"mqtt"}, CheckOrigin: ownPage}}
	const header = 10 * time.Second
	w.server = &http.Server{Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: header, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	return w
}

// ownPage lets in programs, and pages of this machine. A browser sends pages
// of the whole world to this machine's ports; the page's address is what tells
// them apart. A page opened as a file has none: serve it from localhost.
func ownPage(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if local(u.Hostname()) {
		return true
	}
	// A broker that others reach serves the pages of its own host. On loopback
	// this would let in whoever names this machine in his own DNS.
	here, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host, _, err := net.SplitHostPort(r.Host)
	return ok && err == nil && !here.IP.IsLoopback() && u.Hostname() == host
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (w *web) ID() string              { return "websocket" }
func (w *web) Address() string         { return w.listener.Addr().String() }
func (w *web) Protocol() string        { return "ws" }
func (w *web) Init(*slog.Logger) error { return nil }

// Serve implements listeners.Listener.
func (w *web) Serve(establish listeners.EstablishFn) {
	w.establish = establish
	_ = w.server.Serve(w.listener) // it ends by Close
}

func (w *web) serve(out http.ResponseWriter, r *http.Request) {
	c, err := w.upgrader.Upgrade(out, r, nil)
	if err != nil {
		return // it has answered
	}
	conn := &webConn{Conn: c}
	defer func() { _ = conn.Close() }()                                        // the broker has closed it, or it broke
	w.pass(conn, func() { _ = w.establish(w.ID(), steady{conn, w.patience}) }) // how a client ended is no news
}

// Close implements listeners.Listener.
func (w *web) Close(listeners.CloseFn) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // hijacked connections are the broker's to close
	_ = w.server.Shutdown(ctx)
	_ = w.server.Close() // of the listener, which Run closes too
	w.close(w.ID())
}

// A webConn is a WebSocket as a stream of bytes (MQTT 3.1.1, 6.0: packets need
// not begin with messages).
type webConn struct {
	*websocket.Conn
	r io.Reader
}

var errNotBinary = errors.New("a WebSocket message that is not binary")

func (c *webConn) Read(p []byte) (int, error) {
	for {
		if c.r == nil {
			kind, r, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errNotBinary
			}
			c.r = r
		}
		n, err := c.r.Read(p)
		if errors.Is(err, io.EOF) { // of this message
			c.r = nil
			if err = nil; n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (c *webConn) Write(p []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline is there for net.Conn; see steady.
func (c *webConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
