package rabbittest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// ports of one broker, all on 127.0.0.1.
type ports struct {
	AMQP, Management, Dist, EPMD, MQTT, Stream, Prometheus, STOMP, AMQPS, SecureManagement int
}

func pickPorts(o Options) (ports, error) {
	p := ports{AMQP: o.AMQPPort, Management: o.ManagementPort}
	err := child.Ports(&p.AMQP, &p.Management, &p.Dist, &p.EPMD, &p.MQTT, &p.Stream, &p.Prometheus, &p.STOMP, &p.AMQPS, &p.SecureManagement)
	return p, err
}

func (b *Broker) path(elem ...string) string {
	return filepath.Join(append([]string{b.Dir}, elem...)...)
}

// writeFiles writes what the node reads at its start. The cookie of an earlier
// run stays: it is the node's secret, and the data may outlive a run.
func (b *Broker) writeFiles() error {
	for _, d := range []string{"home", "data", "log", "conf.d", "generated"} {
		if err := os.MkdirAll(b.path(d), 0o700); err != nil {
			return err
		}
	}
	if err := writeCookie(b.path("home", ".erlang.cookie")); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"rabbitmq.conf":     b.config(),
		"enabled_plugins":   "[" + strings.Join(b.opts.Plugins, ",") + "].\n",
		"rabbitmq-env.conf": "",                                                                          // in place of the system's
		"advanced.config":   fmt.Sprintf("[{rabbit, [{quorum_tick_interval, %d}]}].\n", b.statsMillis()), // quorum queues have a clock of their own
	} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func writeCookie(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	secret := make([]byte, 20)
	rand.Read(secret)
	return os.WriteFile(path, []byte(hex.EncodeToString(secret)), 0o400)
}

// config is rabbitmq.conf: every listener on loopback, and no limits that a
// small or full machine would run into.
func (b *Broker) config() string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	line("listeners.tcp.1 = 127.0.0.1:%d", b.ports.AMQP)
	line("num_acceptors.tcp = 2")
	line("collect_statistics_interval = %d", b.statsMillis())
	line("disk_free_limit.absolute = 10MB")
	line("vm_memory_high_watermark.relative = 0.8")
	line("log.file.level = info")
	if b.hasManagement() {
		line("management.tcp.ip = 127.0.0.1")
		line("management.tcp.port = %d", b.ports.Management)
	}
	for plugin, l := range map[string]struct {
		key  string
		port int
	}{
		pluginMQTT:            {"mqtt.listeners.tcp.1", b.ports.MQTT},
		"rabbitmq_stream":     {"stream.listeners.tcp.1", b.ports.Stream},
		"rabbitmq_stomp":      {"stomp.listeners.tcp.1", b.ports.STOMP},
		"rabbitmq_prometheus": {"prometheus.tcp.port", b.ports.Prometheus},
	} {
		switch {
		case !slices.Contains(b.opts.Plugins, plugin):
		case plugin == "rabbitmq_prometheus":
			line("prometheus.tcp.ip = 127.0.0.1")
			line("%s = %d", l.key, l.port)
		default:
			line("%s = 127.0.0.1:%d", l.key, l.port)
		}
	}
	if b.opts.TLS != nil {
		b.secureListeners(line)
	}
	s.WriteString(b.opts.Config)
	return s.String()
}

func (b *Broker) statsMillis() int64 {
	interval := b.opts.StatsInterval
	if interval == 0 {
		interval = 500 * time.Millisecond
	}
	return max(1, interval.Milliseconds())
}

func (b *Broker) secureListeners(line func(format string, args ...any)) {
	files := func(prefix string) {
		line("%s.cacertfile = %s", prefix, b.opts.TLS.CA)
		line("%s.certfile = %s", prefix, b.opts.TLS.Cert)
		line("%s.keyfile = %s", prefix, b.opts.TLS.Key)
		line("%s.verify = verify_peer", prefix)
		line("%s.fail_if_no_peer_cert = true", prefix)
	}
	line("listeners.ssl.1 = 127.0.0.1:%d", b.ports.AMQPS)
	line("num_acceptors.ssl = 2")
	files("ssl_options")
	line("management.ssl.ip = 127.0.0.1")
	line("management.ssl.port = %d", b.ports.SecureManagement)
	files("management.ssl")
}

// environment is the node's: the caller's without what would lead RabbitMQ or
// Erlang to another node's files, and our own paths.
func (b *Broker) environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "RABBITMQ_") || strings.HasPrefix(name, "ERL_") || name == "HOME" || name == "NOTIFY_SOCKET" {
			continue
		}
		env = append(env, kv)
	}
	return append(env,
		"HOME="+b.path("home"),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("ERL_EPMD_PORT=%d", b.ports.EPMD),
		"ERL_CRASH_DUMP=/dev/null",
		// The script then becomes the node by exec, and its pid is the node's.
		"RUNNING_UNDER_SYSTEMD=true",
		"RABBITMQ_NODENAME="+b.nodeName(),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", b.ports.Dist),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RABBITMQ_CONF_ENV_FILE="+b.path("rabbitmq-env.conf"),
		"RABBITMQ_CONFIG_FILE="+b.path("rabbitmq.conf"),
		"RABBITMQ_CONFIG_FILES="+b.path("conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+b.path("advanced.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+b.path("enabled_plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR="+b.path("generated"),
		"RABBITMQ_MNESIA_BASE="+b.path("data"),
		"RABBITMQ_LOG_BASE="+b.path("log"),
		"RABBITMQ_PID_FILE="+b.path("node.pid"),
	)
}

// nodeName is fixed for a folder that is kept, since RabbitMQ keeps its data
// by node name; it need not be unique, because epmd is not shared.
func (b *Broker) nodeName() string { return "msgflo@localhost" }
