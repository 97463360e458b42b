package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/agent"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/local/services/announce"
	"github.com/msgflo/msgflo/providers/local/services/initial"
	"github.com/msgflo/msgflo/providers/local/services/keeper"
	"github.com/msgflo/msgflo/providers/local/services/ready"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Shim runs a participant's shim, if that is what the arguments say: one a
// replica waits for years, so it takes no signal handler, no flag and no memory of this
// room. It is asked before all else.
func Shim(args []string) (code int, ok bool) {
	words := agent.ShimArgs()
	if len(args) <= len(words) || !slices.Equal(args[1:len(words)+1], words) {
		return 0, false
	}
	return agent.Shim(args[len(words)+1:]), true
}

func (a *app) agentCommand() *cli.Command {
	var unit bool
	return &cli.Command{
		Name: "agent", Usage: "run the supervisor of a directory in the foreground", ArgsUsage: "[DIR]",
		Description: "apply starts it by itself, in the background. Here it stays in the foreground, as systemd wants it, and starts\n" +
			"again what was to run: after a reboot this brings everything back. Ctrl-C or SIGTERM ends the agent, with 0, and leaves\n" +
			"the participants running: the next agent takes them over. `msgflo down` stops both. The unit of -print-unit has the\n" +
			"XDG_STATE_HOME and XDG_RUNTIME_DIR of this shell where they are not the usual ones: there the agent is looked for. Examples:\n" +
			"  msgflo agent examples/thumbnails\n" +
			"  msgflo agent -print-unit examples/thumbnails > ~/.config/systemd/user/msgflo-thumbnails.service\n" +
			"  systemctl --user enable --now msgflo-thumbnails",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...),
			&cli.BoolFlag{Name: "print-unit", Usage: "print a systemd user unit that runs it", Destination: &unit}),
		Commands: []*cli.Command{a.agentServeCommand()},
		Action: func(ctx context.Context, c *cli.Command) error {
			dir, err := a.o.dir(c.Args().Slice())
			if err != nil {
				return err
			}
			abs, err := realPath(dir)
			if err != nil {
				return err
			}
			if unit {
				return a.printUnit(abs)
			}
			return a.foreground(ctx, dir, abs)
		},
	}
}

// agentServeCommand is how apply starts an agent; see control.Serve.
func (a *app) agentServeCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Hidden: true, ArgsUsage: "LINEAGE DIR [STATE]", Usage: "be the agent of a lineage",
		Action: func(ctx context.Context, c *cli.Command) error {
			args := c.Args()
			if args.Len() != 2 && args.Len() != 3 {
				return usagef("agent serve takes a lineage and a directory: it is what apply runs. `msgflo agent [DIR]` is for people")
			}
			return a.serve(ctx, control.Agent{Lineage: args.Get(0), Dir: args.Get(1), State: args.Get(2)})
		},
	}
}

// foreground is the agent of a directory, by the lineage of its state.
func (a *app) foreground(ctx context.Context, dir, abs string) error {
	r, err := a.openRunning(ctx, dir)
	if err != nil {
		return err
	}
	lineage, at := r.recorded.Lineage, r.w.StateAt()
	if err := r.Close(); err != nil {
		return err
	}
	if lineage == "" {
		return nothingApplied(dir)
	}
	a.say("Running the agent of %s. Ctrl-C ends it and leaves the participants running; `msgflo down` stops both.", diag.Escape(dir))
	return a.serve(ctx, control.Agent{Lineage: lineage, Dir: abs, State: at})
}

func (a *app) serve(ctx context.Context, whose control.Agent) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	build, err := control.Build(program)
	if err != nil {
		return err
	}
	log := a.log
	if log == nil {
		log = slog.New(slog.NewTextHandler(a.env.Stderr, &slog.HandlerOptions{ReplaceAttr: maskAttr}))
	}
	connections := services.NewConnections(dialer(log), connectionIdle)
	defer connections.Close()
	probes := ready.New(connections)
	err = agent.Run(ctx, agent.Options{
		Lineage: whose.Lineage, Dir: whose.Dir, State: whose.State, Version: a.env.Version, Build: build, Machine: control.Machine(), Log: log, Environ: a.env.Environ,
		Kinds:   kinds(connections),
		Probers: map[string]launch.Prober{launch.Announced: probes.Announced, launch.Consuming: probes.Consuming},
		Initial: initial.Sender(connections),
	})
	if err == nil {
		// To be asked to end is how an agent ends: no failure to whoever
		// supervises it.
		a.run.interrupted.Store(false)
	}
	return err
}

// connectionIdle is how long the agent keeps a connection that no service uses:
// a rolling update asks for readiness again and again.
const connectionIdle = 30 * time.Second

// kinds are the services that an agent can run, beside processes.
func kinds(connections *services.Connections) map[string]agent.ServiceFactory {
	return map[string]agent.ServiceFactory{
		control.Keeper: func(spec, secret json.RawMessage, env agent.ServiceEnv) (agent.Service, error) {
			s, err := keeper.New(spec, secret, connections, serviceEnv(env))
			return orNone(s, err)
		},
		control.Announcement: func(spec, secret json.RawMessage, env agent.ServiceEnv) (agent.Service, error) {
			s, err := announce.New(spec, secret, connections, serviceEnv(env))
			return orNone(s, err)
		},
		control.Server: mqttServer,
		control.Router: mqttRouter,
	}
}

// orNone keeps a nil pointer from becoming a service.
func orNone[S agent.Service](s S, err error) (agent.Service, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func serviceEnv(e agent.ServiceEnv) services.Env {
	return services.Env{Log: e.Log, Ready: e.Ready, Note: e.Note}
}

// dialer connects by the URL's scheme.
func dialer(log *slog.Logger) services.Dial {
	return func(ctx context.Context, raw string) (transport.Conn, error) {
		scheme, _, _ := strings.Cut(raw, "://")
		switch strings.ToLower(scheme) {
		case "amqp", "amqps":
			c, err := amqp.Dial(ctx, amqp.Options{URL: raw, Name: "msgflo agent", Log: log})
			if err != nil {
				return nil, err
			}
			return c, nil
		case "mqtt", "mqtts", "ws", "wss":
			c, err := mqtt.Dial(ctx, mqtt.ConnOptions{Options: mqtt.Options{URL: raw, Log: log}})
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		return nil, fmt.Errorf("the agent cannot speak %q", scheme)
	}
}

// realPath is the one name of a directory that a unit and the agent have for it.
func realPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}
