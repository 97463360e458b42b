package launch

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// Process is the schema of the objects of type "process". Its attributes are
// those of Spec, with SecretEnv beside them.
func Process() *providers.Schema {
	attrs := []providers.Attr{
		{Name: "broker", Type: cty.String, Identity: true, Required: true, Doc: "the name of the broker's block"},
		{Name: "role", Type: cty.String, Identity: true, Required: true, Doc: "the role, with the broker's prefix"},
		{Name: "component", Type: cty.String, Restarts: true, Doc: "the component that plays it"},
		{Name: "client", Type: cty.String, Doc: "the client library that it is written with"},
		{Name: "command", Type: cty.List(cty.String), Restarts: true, Required: true, Doc: "the argument vector", Check: command},
		{Name: "directory", Type: cty.String, Restarts: true, Default: cty.StringVal("."), Doc: "where it runs, relative to the configuration's directory"},
		{Name: "env", Type: cty.Map(cty.String), Restarts: true, Doc: "environment variables that are not secret", Check: environment},
		// Not WriteOnly: the launcher compares it with what it keeps, so no costly
		// hash of it needs to be in state.
		{Name: "secret_env", Type: cty.Map(cty.String), Restarts: true, Sensitive: []cty.Path{{}}, Check: environment,
			Doc: "secret environment variables, MSGFLO_BROKER among them; compared with what the launcher keeps, never recorded"},
		{Name: "replicas", Type: cty.Number, Default: cty.NumberIntVal(1), Doc: "how many run", Check: atLeast(0)},
		{Name: "version", Type: cty.String, Restarts: true, Doc: "of what it runs; any text"},
		{Name: "watched", Type: cty.String, Restarts: true, Doc: "digest of the watched files"},
		{Name: "inports", Type: portList(), Doc: "its inports with their queues"},
		{Name: "outports", Type: portList(), Doc: "its outports with their exchanges or topics"},
		{Name: "initial", Type: cty.Map(cty.String), Doc: "initial packets by topic, sent after each start (MQTT)"},
		{Name: "machine", Type: cty.String, Computed: true, ReadOnly: true, Doc: "the machine that it runs on"},
	}
	return &providers.Schema{
		Doc: "a role's processes", Derived: true, Attrs: append(attrs, Blocks()...), Validate: Validate,
		ID: func(v cty.Value) string {
			return v.GetAttr("role").AsString() + "@" + v.GetAttr("broker").AsString()
		},
	}
}

// Blocks are the nested blocks of a participant that say how it is kept
// running. A process has the same.
func Blocks() []providers.Attr {
	text := func(name, fallback, doc string, check func(cty.Value) error) providers.Attr {
		a := providers.Attr{Name: name, Type: cty.String, Doc: doc, Check: check}
		if fallback != "" {
			a.Default = cty.StringVal(fallback)
		}
		return a
	}
	return []providers.Attr{
		{Name: "restart", Doc: "when it is started again after it ended", Attrs: []providers.Attr{
			text("policy", "on-failure", "always, on-failure or never", oneOf("always", "on-failure", "never")),
			{Name: "max", Type: cty.Number, Default: cty.NumberIntVal(5), Doc: "how often within that while, before it counts as failed", Check: atLeast(0)},
			text("within", "10m", "the while", duration),
			text("backoff", "1s", "how long to wait before the first time; doubled each time, with jitter", duration),
			text("backoff_max", "1m", "the longest wait", duration),
		}},
		{Name: "stop", Doc: "how it is asked to end", Attrs: []providers.Attr{
			text("signal", "SIGTERM", "the signal that its whole group gets", oneOf(signals()...)),
			text("timeout", "30s", "after how long what is left gets SIGKILL", duration),
		}},
		{Name: "ready", Doc: "when it counts as ready", Attrs: []providers.Attr{
			text("when", "", "announced, consuming, started, exec, http or tcp; announced where the client announces itself, else started",
				oneOf(Announced, Consuming, Started, Exec, HTTP, TCP)),
			text("timeout", "30s", "how long that may take", duration),
			{Name: "command", Type: cty.List(cty.String), Doc: "exec: the argument vector; ready when it ends with 0", Check: command},
			text("url", "", "http: ready when it answers with 2xx or 3xx", webAddress),
			text("address", "", "tcp: ready when it takes a connection, as host:port", hostPort),
		}},
		{Name: "update", Doc: "how replicas are replaced", Attrs: []providers.Attr{
			text("strategy", "rolling", "rolling (new ones first) or recreate (all are stopped first)", oneOf("rolling", "recreate")),
			{Name: "max_parallel", Type: cty.Number, Default: cty.NumberIntVal(1), Doc: "how many at a time", Check: atLeast(1)},
		}},
	}
}
