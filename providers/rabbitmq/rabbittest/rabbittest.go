// Package rabbittest starts real RabbitMQ nodes for tests: on free loopback
// ports, with their own data folder, Erlang cookie, node name and epmd, so
// that they run as any user and beside any other RabbitMQ, and leave nothing
// behind. It needs an installed rabbitmq-server; it fetches nothing.
//
// It is for tests, benchmarks and `make broker` only: no package that ships in
// the msgflo binary may import it. Of this module it imports
// providers/providertest/child only.
package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// Options of a broker. The zero value is a throw-away broker on free ports
// with the management plugin.
type Options struct {
	// Dir keeps data, logs and addresses. Empty: a temporary folder that Stop
	// removes. A folder that is given is kept, and Stop shuts down in order.
	Dir string
	// Ports on 127.0.0.1; 0 picks free ones.
	AMQPPort, ManagementPort int
	// Plugins by full name, as rabbitmq_shovel. Nil means the management
	// plugin alone; empty but not nil means none at all, not even that.
	Plugins []string
	// StatsInterval is how often queues publish their statistics; 0 is 500 ms
	// (a broker as installed takes 5 s, too slow to wait for in a test).
	StatsInterval time.Duration
	// TLS adds listeners for AMQP and the management API over TLS.
	TLS *TLS
	// Config is appended to rabbitmq.conf.
	Config string
	// StartTimeout bounds one start; 0 is two minutes, for loaded machines.
	StartTimeout time.Duration
}

// TLS are the PEM files of a broker's secure listeners.
type TLS struct {
	Cert, Key string // the broker's own
	CA        string // whose client certificates it takes; it wants one from everybody
}

const (
	pluginManagement = "rabbitmq_management"
	pluginMQTT       = "rabbitmq_mqtt"

	// User and Password of the administrator every broker starts with. It may
	// log in over loopback only, which is all these brokers listen on.
	User     = "guest"
	Password = "guest"
)

// AllPlugins are those that the RabbitMQ provider has objects for, and the
// exchange kinds that come with the broker: what Shared starts.
func AllPlugins() []string {
	return []string{
		pluginManagement,
		"rabbitmq_shovel", "rabbitmq_shovel_management",
		"rabbitmq_federation", "rabbitmq_federation_management",
		"rabbitmq_consistent_hash_exchange", "rabbitmq_random_exchange", "rabbitmq_recent_history_exchange",
	}
}

// A Broker is one running RabbitMQ node.
type Broker struct {
	AMQPURL       string // amqp://guest:guest@127.0.0.1:port, without a vhost
	ManagementURL string // http://127.0.0.1:port, without credentials; "" without the plugin
	Dir           string // data, logs
	// The same over TLS, "" without Options.TLS: amqps://…, https://….
	SecureAMQPURL, SecureManagementURL string
	// MQTTURL is mqtt://guest:guest@127.0.0.1:port; "" without the plugin.
	MQTTURL string

	opts  Options
	ports ports
	temp  bool         // Dir is ours to remove
	lock  *flock.Flock // on a Dir of ours

	mu   sync.Mutex
	node *child.Process // nil while down, and always for a broker that another process holds
	epmd *child.Process
}

// Start starts a broker and returns when it answers on every listener. Its
// processes die with this one, however this one ends (on Linux).
func Start(o Options) (*Broker, error) {
	in, err := findInstallation()
	if err != nil {
		return nil, err
	}
	b := &Broker{opts: o, Dir: o.Dir}
	if o.Plugins == nil {
		b.opts.Plugins = []string{pluginManagement}
	}
	if b.Dir == "" {
		if err := b.makeTemp(); err != nil {
			return nil, err
		}
	}
	if b.Dir, err = filepath.Abs(b.Dir); err != nil {
		return nil, err
	}
	if err := b.startOnSomePorts(in); err != nil {
		b.removeTemp()
		return nil, err
	}
	return b, nil
}

// startOnSomePorts tries again with other ports when another program took a
// free one between our look and the broker's listen.
func (b *Broker) startOnSomePorts(in installation) error {
	const attempts = 3
	var err error
	for range attempts {
		if b.ports, err = pickPorts(b.opts); err != nil {
			return err
		}
		b.AMQPURL = fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d", User, Password, b.ports.AMQP)
		if b.hasManagement() {
			b.ManagementURL = fmt.Sprintf("http://127.0.0.1:%d", b.ports.Management)
		}
		if slices.Contains(b.opts.Plugins, pluginMQTT) {
			b.MQTTURL = fmt.Sprintf("mqtt://%s:%s@127.0.0.1:%d", User, Password, b.ports.MQTT)
		}
		if b.opts.TLS != nil {
			b.SecureAMQPURL = fmt.Sprintf("amqps://%s:%s@127.0.0.1:%d", User, Password, b.ports.AMQPS)
			b.SecureManagementURL = fmt.Sprintf("https://127.0.0.1:%d", b.ports.SecureManagement)
		}
		if err = b.boot(in); err == nil {
			return nil
		}
		if b.opts.AMQPPort != 0 || !strings.Contains(err.Error(), "eaddrinuse") {
			return err
		}
	}
	return err
}

// VhostURL is the AMQP URL of a vhost, its name percent-encoded.
func (b *Broker) VhostURL(vhost string) string { return b.AMQPURL + "/" + url.PathEscape(vhost) }

// Pid of the Erlang node, 0 while it is down or another process holds it.
func (b *Broker) Pid() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == nil {
		return 0
	}
	return b.node.Pid
}

// Exited is closed when the node ends, by itself or by Stop and Kill.
func (b *Broker) Exited() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == nil {
		c := make(chan struct{})
		close(c)
		return c
	}
	return b.node.Done
}

// Stop ends the broker and its epmd. A temporary broker is killed and its
// folder removed; one with a folder of its own is shut down in order first.
// Stopping twice does nothing.
func (b *Broker) Stop() error {
	var err error
	if b.temp {
		b.kill()
	} else {
		err = b.shutdown()
	}
	b.mu.Lock()
	epmd := b.epmd
	b.epmd = nil
	b.mu.Unlock()
	epmd.Kill()
	return errors.Join(err, b.removeTemp())
}

// Kill ends the node with SIGKILL, as a crash would, once it has written what
// it confirmed. Restart brings it back with its durable data.
func (b *Broker) Kill() error {
	if err := b.write(); err != nil {
		return err
	}
	b.kill()
	return nil
}

func (b *Broker) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node.Kill()
	b.node = nil
}

// Restart shuts the node down in order, unless it is down already, and starts
// it again on the same ports and data.
func (b *Broker) Restart() error {
	if b.opts.Plugins == nil {
		return errors.New("this broker is shared by several test binaries and cannot be restarted: start one with rabbittest.Start")
	}
	in, err := findInstallation()
	if err != nil {
		return err
	}
	if err := b.shutdown(); err != nil {
		return err
	}
	return b.boot(in)
}

// shutdown ends the node with SIGTERM, which RabbitMQ takes as an orderly
// stop, and kills it if that does not come to an end.
func (b *Broker) shutdown() error {
	const patience = 2 * time.Minute // as for a start
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == nil {
		return nil
	}
	ended := b.node.Terminate(patience)
	b.node = nil
	if !ended {
		return fmt.Errorf("rabbitmq did not shut down within %s and was killed", patience)
	}
	return nil
}

func (b *Broker) hasManagement() bool {
	for _, p := range b.opts.Plugins {
		if strings.HasPrefix(p, pluginManagement) || strings.HasSuffix(p, "_management") {
			return true
		}
	}
	return false
}

// boot starts epmd if it is not running, then the node, and waits for it.
func (b *Broker) boot(in installation) error {
	if err := b.writeFiles(); err != nil {
		return err
	}
	if err := b.startProcesses(in); err != nil {
		return err
	}
	timeout := b.opts.StartTimeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := b.awaitReady(ctx); err != nil {
		tail := b.logTail()
		b.mu.Lock()
		b.node.Kill()
		b.epmd.Kill()
		b.node, b.epmd = nil, nil
		b.mu.Unlock()
		return fmt.Errorf("starting rabbitmq: %w\nthe end of its log:\n%s", err, tail)
	}
	return nil
}

func (b *Broker) startProcesses(in installation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epmd == nil {
		// Our own epmd, in the foreground: left to itself, Erlang starts one
		// as a daemon on every interface that outlives everything.
		p, err := child.Start(b.path("epmd.log"), b.environment(),
			in.epmd, "-port", strconv.Itoa(b.ports.EPMD), "-address", "127.0.0.1")
		if err != nil {
			return err
		}
		b.epmd = p
	}
	p, err := child.Start(b.path("console.log"), b.environment(), in.server)
	if err != nil {
		b.epmd.Kill()
		b.epmd = nil
		return err
	}
	b.node = p
	return nil
}
