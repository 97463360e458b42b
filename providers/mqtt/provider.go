package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// provider is one broker. It connects at first use.
type provider struct {
	catalogue *catalogue
	settings  *settings
	lineage   string
	log       *slog.Logger
	table     table
	watch     watch
	seen      seen

	dialling sync.Mutex // one dial at a time: a refused login is tried once
	failed   error      // the dial's error, the answer to all later calls
	reader   *retained.Reader

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

var (
	_ providers.Dialer = (*provider)(nil)
	_ providers.Linter = (*provider)(nil)
	_ providers.Lister = (*provider)(nil)
	_ providers.Pinger = (*provider)(nil)
	_ providers.Warner = (*provider)(nil)
)

// open is Type.Open. It reads files that the block names, and makes no connection.
func (c *catalogue) open(_ context.Context, env providers.Env) (providers.Provider, error) {
	s, err := readSettings(env.Config, env.Dir)
	if err != nil {
		return nil, err
	}
	p := &provider{catalogue: c, settings: s, lineage: env.Lineage, log: env.Logger()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.table.provider, p.watch.provider = p, p
	return p, nil
}

// Close ends all connections.
func (p *provider) Close() error {
	p.cancel()
	p.tasks.Wait()
	p.watch.close()
	p.dialling.Lock()
	defer p.dialling.Unlock()
	p.failed = transport.ErrClosed
	if p.reader != nil {
		_ = p.reader.Close() // it has no error
	}
	return nil
}

// broker gives the connection that everything but waiting goes over. The first
// failure is the answer to all later calls.
func (p *provider) broker(ctx context.Context) (*retained.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.dialling.Lock()
	defer p.dialling.Unlock()
	if p.reader != nil && p.settings.embedded && p.reader.Broken() { // the same run may start it again
		_ = p.reader.Close() // it has no error
		p.reader = nil
	}
	if p.reader != nil || p.failed != nil {
		return p.reader, p.failed
	}
	r, err := p.dial(ctx)
	if err != nil {
		if ctx.Err() == nil && !p.settings.embedded { // an embedded one is started by the same run
			p.failed = err
		}
		return nil, err
	}
	p.reader = r
	return r, nil
}

func (p *provider) dial(ctx context.Context) (*retained.Reader, error) {
	o, err := p.options(ctx)
	if err != nil {
		return nil, err
	}
	p.log.Log(ctx, providers.LevelTrace, "MQTT", "address", p.settings.where())
	r, err := retained.Dial(ctx, o)
	return r, access.ConnectionError(err)
}

func (p *provider) options(ctx context.Context) (mqtt.Options, error) {
	o, err := p.settings.options(ctx)
	o.Log = p.log
	return o, err
}

// answered makes of an error that ends a request one that ends all work with
// the broker, where the broker is what is wrong.
func (p *provider) answered(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, retained.ErrSilent) || errors.Is(err, transport.ErrClosed) || errors.Is(err, transport.ErrLost) {
		return &providers.ConnectionError{Headline: transport.NoAnswer, Detail: fmt.Sprintf("%s: %s", p.settings.where(), diag.Escape(err.Error())), Err: err}
	}
	return err
}

// Ping checks that the broker answers. Most say what they are. An embedded one
// that does not run is no mistake: who begins with `init` has applied nothing.
func (p *provider) Ping(ctx context.Context) (string, error) {
	r, err := p.broker(ctx)
	if p.notStarted(err) {
		return "embedded, at " + p.settings.where() + "; it is not running, and apply starts it", nil
	}
	if err != nil {
		return "", err
	}
	const version = "$SYS/broker/version"
	all, err := r.Read(ctx, version, embedded.LineageTopic)
	if err != nil {
		return "", p.answered(ctx, err)
	}
	if p.strangers(all) {
		return "", &providers.ConnectionError{Headline: "Port taken", Detail: fmt.Sprintf("At %s another program answers, "+
			"or the broker of another directory; stop it, or give this one a port of its own: embedded { listen = \"127.0.0.1:18831\" }", p.settings.where())}
	}
	what := "MQTT broker"
	switch v := string(all[version]); {
	case v != "":
		what = diag.Escape(v)
	case r.Dots():
		what = "RabbitMQ's MQTT plugin"
	}
	return what + " at " + p.settings.where(), nil
}

// Dial gives a connection for messages.
func (p *provider) Dial(ctx context.Context) (transport.Conn, error) {
	o, err := p.options(ctx)
	if err != nil {
		return nil, err
	}
	c, err := mqtt.Dial(ctx, mqtt.ConnOptions{Options: o, Name: "cli"})
	if p.notStarted(err) {
		return nil, &providers.ConnectionError{Headline: transport.Unreachable, Err: err,
			Detail: fmt.Sprintf("nothing listens at %s: the agent, which hosts this broker, is not running. `msgflo apply` or `msgflo agent` starts it", p.settings.where())}
	}
	if err != nil {
		return nil, access.ConnectionError(err)
	}
	return c, nil
}

// null is the absent object of a type; ok is false where there is no such type.
func (p *provider) null(typ string) (v cty.Value, ok bool) {
	s := p.catalogue.resources[typ]
	if typ == dataRetained {
		s = p.catalogue.data[typeRetained]
	}
	if s == nil {
		return cty.NilVal, false
	}
	return cty.NullVal(s.ImpliedType()), true
}
