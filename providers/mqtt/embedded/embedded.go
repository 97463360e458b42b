// Package embedded is an MQTT broker inside the process, for hello and for
// small systems: MQTT 3.1.1 and 5 over TCP and WebSocket, on loopback unless
// told otherwise, and with a folder to outlive restarts if wished. The broker
// itself is mochi-mqtt; what it lacks is mended in hook.go, takeover.go and
// groups.go.
//
// It knows no users: whoever reaches its port may publish and subscribe
// everything. It imports the standard library, mochi-mqtt, bbolt, gorilla/websocket and
// config/diag.
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/msgflo/msgflo/config/diag"
)

// A Spec is what to run. Its JSON is what the agent keeps.
type Spec struct {
	Broker    string `json:"broker"`    // its name in the configuration, for people
	Listen    string `json:"listen"`    // host:port for MQTT; "": DefaultListen
	WebSocket string `json:"websocket"` // host:port for MQTT over WebSocket; "": none
	Persist   bool   `json:"persist"`   // keep retained messages, sessions and what is queued for them
}

// DefaultListen is on this machine only, and not the port of a broker that may be there already.
const DefaultListen = "127.0.0.1:18830"

// ParseSpec reads a Spec, and says what is wrong with it.
func ParseSpec(data []byte) (Spec, error) {
	var s Spec
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("the embedded broker's settings cannot be read: %w", err)
	}
	for name, addr := range map[string]string{"listen": s.Listen, "websocket": s.WebSocket} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return s, fmt.Errorf("%s of the embedded broker %q is %q; write it as host:port, such as %s", name, s.Broker, addr, DefaultListen)
		}
	}
	return s, nil
}

// Options of a Server beside what it is to be.
type Options struct {
	Folder string       // where it keeps things, if it is to; made if need be
	Log    *slog.Logger // nil: nothing is logged
	// Lineage is whose agent hosts the broker: it is retained at LineageTopic, so
	// that who finds a broker at the address can tell this one from another's.
	Lineage string
	// Comeback is how long who publishes to a shared subscription waits, after the
	// broker's start, for those who had it before. 0: ten seconds.
	Comeback time.Duration
	// Stall is how long a client may read nothing of what there is for it; then
	// its connection is ended. 0: ten seconds.
	Stall time.Duration
	// Ready is called once it listens, with where. Nil: nobody is told.
	Ready func(Addresses)
}

// LineageTopic is where the broker says whose it is. Clients cannot publish to
// topics below $SYS, and subscribing to # does not match them (MQTT 3.1.1, 4.7.2).
const LineageTopic = "$SYS/msgflo/lineage"

// Addresses where a broker listens: host:port, "" for what it has not.
type Addresses struct{ MQTT, WebSocket string }

// A Server runs a broker.
type Server struct {
	spec Spec
	opts Options
	log  *slog.Logger
}

// New checks what can be known before it runs; it starts nothing.
func New(s Spec, o Options) (*Server, error) {
	if s.Listen == "" {
		s.Listen = DefaultListen
	}
	if s.Persist && o.Folder == "" {
		return nil, fmt.Errorf("the embedded broker %q is to keep its messages and has no folder for them", s.Broker)
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Comeback == 0 {
		o.Comeback = comeback
	}
	if o.Stall == 0 {
		o.Stall = stall
	}
	return &Server{spec: s, opts: o, log: log}, nil
}

// Run runs the broker until ctx ends. The error says why it could not: a port
// that is taken, a folder that cannot be used.
func (s *Server) Run(ctx context.Context) (err error) {
	tcp, err := s.listen(ctx, "listen", s.spec.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	where := Addresses{MQTT: tcp.Addr().String()}
	broker := mochi.New(&mochi.Options{InlineClient: true, ClientNetWriteBufferSize: unbuffered, Logger: slog.New(errorsOnly{s.log.Handler()}), Capabilities: capabilities(), SysTopicResendInterval: sysInterval})
	err = broker.AddListener(&plain{gate{broker: broker, patience: s.opts.Stall}, tcp})
	if s.spec.WebSocket != "" {
		l, failed := s.listen(ctx, "websocket", s.spec.WebSocket)
		if failed != nil {
			return failed
		}
		defer l.Close()
		where.WebSocket = l.Addr().String()
		err = errors.Join(err, broker.AddListener(newWeb(l, broker, s.opts.Stall)))
	}
	var number atomic.Int64
	k, failed := s.keep(broker, &number)
	if failed != nil {
		return failed
	}
	defer k.close()
	if err = errors.Join(err, broker.AddHook(newMend(broker, &number), nil)); err != nil {
		return err
	}
	if err := broker.Serve(); err != nil {
		return fmt.Errorf("what the embedded broker had kept in %s cannot be read: %w; move the folder away to begin anew", s.opts.Folder, err)
	}
	if err := broker.Publish(LineageTopic, []byte(s.opts.Lineage), true, 0); err != nil {
		return errors.Join(fmt.Errorf("the embedded broker cannot say whose it is: %w", err), broker.Close())
	}
	for _, addr := range []string{where.MQTT, where.WebSocket} {
		s.warnOpen(addr)
	}
	if s.opts.Ready != nil {
		s.opts.Ready(where)
	}
	<-ctx.Done()
	k.ends()
	return broker.Close()
}

// unbuffered makes the broker write each packet at once: it says that one is sent
// which only waits for others.
const unbuffered = 1

// sysInterval is how often $SYS topics are published, in seconds.
const sysInterval = 10

func capabilities() *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	// The creation of a message is its number here, see hook.go: an age limit
	// would read it as a time. Messages with an expiry of their own keep it.
	c.MaximumMessageExpiryInterval = 0
	// What one client may have queued or unacknowledged; beyond that QoS 1 is
	// dropped. As much as packet ids allow.
	c.MaximumInflight = math.MaxUint16
	c.MaximumClientWritesPending = 32 << 10
	c.MaximumPacketSize = 64 << 20
	return c
}

func (s *Server) listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the embedded broker %q cannot listen at %s, where another program does, perhaps another MQTT broker, or the agent of a state that was removed (`pgrep -af 'msgflo agent'` shows those): stop that one, or give this one another port as %s = \"127.0.0.1:PORT\" (%w)",
			s.spec.Broker, diag.Escape(addr), setting, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("the embedded broker %q may not listen at %s: ports below 1024 are the administrator's; give it another as %s = \"127.0.0.1:PORT\" (%w)",
			s.spec.Broker, diag.Escape(addr), setting, err)
	}
	return nil, fmt.Errorf("the embedded broker %q cannot listen at %s; %s must be an address of this machine: %w", s.spec.Broker, diag.Escape(addr), setting, err)
}

// warnOpen: there are no users, so a port that others reach is open to them.
func (s *Server) warnOpen(addr string) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (ip == nil || !ip.IsLoopback()) {
		s.log.Warn("the embedded broker listens beyond this machine and knows no users: whoever reaches it may read and send everything", "broker", s.spec.Broker, "address", addr)
	}
}

// A keeping is what a broker with a folder has beside one without; nil is none.
type keeping struct {
	disk    *disk
	groups  *groups
	stopped chan struct{}
	tasks   sync.WaitGroup
}

// keep opens what the broker is to keep things in.
func (s *Server) keep(broker *mochi.Server, number *atomic.Int64) (*keeping, error) {
	if !s.spec.Persist {
		return nil, nil //nolint:nilnil // nil is a keeping that keeps nothing
	}
	if err := os.MkdirAll(s.opts.Folder, 0o700); err != nil {
		return nil, s.storeError(err)
	}
	d, err := openDisk(filepath.Join(s.opts.Folder, "mqtt.db"), number, s.log)
	if err != nil {
		return nil, s.storeError(err)
	}
	k := &keeping{disk: d, stopped: make(chan struct{})}
	k.tasks.Go(func() { d.syncing(k.stopped) })
	if k.groups, err = newGroups(d); err != nil {
		k.close()
		return nil, s.storeError(err)
	}
	k.tasks.Go(func() { k.groups.waiting(s.opts.Comeback, k.stopped) })
	if err := errors.Join(broker.AddHook(d, nil), broker.AddHook(k.groups, nil)); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// ends is called before the broker sends its clients away.
func (k *keeping) ends() {
	if k != nil {
		k.groups.close()
	}
}

func (k *keeping) close() {
	if k == nil {
		return
	}
	close(k.stopped)
	k.tasks.Wait()
	k.disk.failed(k.disk.db.Sync())
	k.disk.failed(k.disk.db.Close())
}

func (s *Server) storeError(err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("the folder %s of the embedded broker %q is in use by another process: %w", s.opts.Folder, s.spec.Broker, err)
	}
	return fmt.Errorf("the embedded broker %q cannot keep its messages in %s; free the folder, or move it away to begin anew: %w", s.spec.Broker, s.opts.Folder, err)
}

// errorsOnly hides what the broker says of its clients' comings and goings;
// its warnings hold whole packets.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && h.Handler.Enabled(ctx, l)
}
func (h errorsOnly) WithAttrs(a []slog.Attr) slog.Handler { return errorsOnly{h.Handler.WithAttrs(a)} }
func (h errorsOnly) WithGroup(n string) slog.Handler      { return errorsOnly{h.Handler.WithGroup(n)} }
