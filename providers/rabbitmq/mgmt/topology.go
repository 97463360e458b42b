package mgmt

import "context"

// Arguments in all types below hold what JSON can: string, bool, nil,
// json.Number as the broker wrote it (1.0 is a float, 1 an integer), []any and
// map[string]any. An empty table is nil.
type (
	// A Queue is one as definitions tell it, without statistics.
	Queue struct {
		Vhost, Name         string
		Durable, AutoDelete bool
		Arguments           map[string]any // with x-queue-type where it is not classic by default
	}
	// An Exchange is one that was declared; definitions leave out the built-in.
	Exchange struct {
		Vhost, Name, Type             string
		Durable, AutoDelete, Internal bool
		Arguments                     map[string]any
	}
	// A Binding of a queue or an exchange to an exchange.
	Binding struct {
		Vhost, Source, Destination string
		DestinationType            string // queue or exchange
		RoutingKey                 string
		Arguments                  map[string]any
		PropertiesKey              string // from Bindings only: names the binding in a path
	}
	// A Policy, or an operator policy.
	Policy struct {
		Vhost, Name, Pattern, ApplyTo string
		Priority                      int64
		Definition                    map[string]any
	}
	// A Parameter of a component (shovel, federation-upstream); a global one
	// has no vhost and no component. Its value may hold secrets.
	Parameter struct {
		Vhost, Component, Name string
		Value                  any
	}
)

// Definitions of one vhost. On RabbitMQ 3.10 exclusive queues, built-in
// exchanges and the default exchange's bindings are not in it, nor are
// bindings' properties keys.
type Definitions struct {
	Version    string
	Queues     []Queue
	Exchanges  []Exchange
	Bindings   []Binding
	Policies   []Policy
	Parameters []Parameter
}

// Definitions reads a vhost's topology in one answer. It needs the tag
// administrator. A vhost that is not there is an error of kind NotFound.
func (c *Client) Definitions(ctx context.Context, vhost string) (*Definitions, error) {
	var defs Definitions
	err := c.get(ctx, path("definitions", vhost), func(d *decoder) error {
		defs = Definitions{}
		return decodeDefinitions(d, vhost, &defs)
	})
	if err != nil {
		return nil, err
	}
	return &defs, nil
}

// decodeDefinitions wants every list: an answer without one would read as
// "there are none".
func decodeDefinitions(d *decoder, vhost string, to *Definitions) error {
	missing := map[string]bool{"queues": true, "exchanges": true, "bindings": true, "policies": true, "parameters": true}
	err := d.object(func(field string) error {
		delete(missing, field)
		switch field {
		case "rabbit_version", "rabbitmq_version":
			return d.text(&to.Version)
		case "queues":
			return listOf(d, &to.Queues, func(d *decoder, q *Queue) error { q.Vhost = vhost; return decodeQueue(d, q) })
		case "exchanges":
			return listOf(d, &to.Exchanges, func(d *decoder, x *Exchange) error { x.Vhost = vhost; return decodeExchange(d, x) })
		case "bindings":
			return listOf(d, &to.Bindings, func(d *decoder, b *Binding) error { b.Vhost = vhost; return decodeBinding(d, b) })
		case "policies":
			return listOf(d, &to.Policies, func(d *decoder, p *Policy) error { p.Vhost = vhost; return decodePolicy(d, p) })
		case "parameters":
			return listOf(d, &to.Parameters, func(d *decoder, p *Parameter) error { p.Vhost = vhost; return decodeParameter(d, p) })
		}
		return skipValue(d)
	})
	if err != nil {
		return err
	}
	for _, list := range []string{"queues", "exchanges", "bindings", "policies", "parameters"} {
		if missing[list] {
			return &shapeError{path: "/" + list, want: "a list", got: "missing"}
		}
	}
	return nil
}

// Bindings reads all bindings of a vhost with their properties keys, those of
// the default exchange (source "") among them.
func (c *Client) Bindings(ctx context.Context, vhost string) ([]Binding, error) {
	return list(ctx, c, path("bindings", vhost), decodeBinding)
}

// BindingsBetween reads the bindings from an exchange to a queue ("q") or an
// exchange ("e"); absent ends have none, which is no error.
func (c *Client) BindingsBetween(ctx context.Context, vhost, source, kind, destination string) ([]Binding, error) {
	return list(ctx, c, path("bindings", vhost, "e", source, kind, destination), decodeBinding)
}

// BindingsOf reads all bindings to a queue.
func (c *Client) BindingsOf(ctx context.Context, vhost, queue string) ([]Binding, error) {
	return list(ctx, c, path("queues", vhost, queue, "bindings"), decodeBinding)
}

// BindingsFrom reads the bindings of which an exchange is the source.
func (c *Client) BindingsFrom(ctx context.Context, vhost, exchange string) ([]Binding, error) {
	return list(ctx, c, path("exchanges", vhost, exchange, "bindings", "source"), decodeBinding)
}

// BindingsTo reads the bindings of which an exchange is the destination.
func (c *Client) BindingsTo(ctx context.Context, vhost, exchange string) ([]Binding, error) {
	return list(ctx, c, path("exchanges", vhost, exchange, "bindings", "destination"), decodeBinding)
}

// PutBinding binds; the same binding twice is one.
func (c *Client) PutBinding(ctx context.Context, b Binding) error {
	args := b.Arguments
	if args == nil {
		args = map[string]any{}
	}
	return c.Post(ctx, map[string]any{"routing_key": b.RoutingKey, "arguments": args},
		"bindings", b.Vhost, "e", b.Source, kindLetter(b.DestinationType), b.Destination)
}

// DeleteBinding removes the binding that has this PropertiesKey.
func (c *Client) DeleteBinding(ctx context.Context, b Binding) error {
	return c.Delete(ctx, "bindings", b.Vhost, "e", b.Source, kindLetter(b.DestinationType), b.Destination, b.PropertiesKey)
}

func kindLetter(destinationType string) string {
	if destinationType == "exchange" {
		return "e"
	}
	return "q"
}

// Exchanges lists a vhost's exchanges, the built-in ones too.
func (c *Client) Exchanges(ctx context.Context, vhost string) ([]Exchange, error) {
	return list(ctx, c, path("exchanges", vhost).with("disable_stats=true"), decodeExchange)
}

// Exchange reads one exchange.
func (c *Client) Exchange(ctx context.Context, vhost, name string) (*Exchange, error) {
	return one(ctx, c, path("exchanges", vhost, name), decodeExchange)
}

// Policies lists a vhost's policies.
func (c *Client) Policies(ctx context.Context, vhost string) ([]Policy, error) {
	return list(ctx, c, path("policies", vhost), decodePolicy)
}

// Policy reads one policy.
func (c *Client) Policy(ctx context.Context, vhost, name string) (*Policy, error) {
	return one(ctx, c, path("policies", vhost, name), decodePolicy)
}

// OperatorPolicies lists a vhost's operator policies.
func (c *Client) OperatorPolicies(ctx context.Context, vhost string) ([]Policy, error) {
	return list(ctx, c, path("operator-policies", vhost), decodePolicy)
}

// OperatorPolicy reads one operator policy.
func (c *Client) OperatorPolicy(ctx context.Context, vhost, name string) (*Policy, error) {
	return one(ctx, c, path("operator-policies", vhost, name), decodePolicy)
}

// Parameters lists the parameters of all components in all vhosts.
func (c *Client) Parameters(ctx context.Context) ([]Parameter, error) {
	return list(ctx, c, path("parameters"), decodeParameter)
}

// ParametersOf lists one component's parameters in one vhost.
func (c *Client) ParametersOf(ctx context.Context, component, vhost string) ([]Parameter, error) {
	return list(ctx, c, path("parameters", component, vhost), decodeParameter)
}

// Parameter reads one parameter.
func (c *Client) Parameter(ctx context.Context, component, vhost, name string) (*Parameter, error) {
	return one(ctx, c, path("parameters", component, vhost, name), decodeParameter)
}

// GlobalParameters lists them; RabbitMQ keeps internal_cluster_id among them.
func (c *Client) GlobalParameters(ctx context.Context) ([]Parameter, error) {
	return list(ctx, c, path("global-parameters"), decodeParameter)
}

// GlobalParameter reads one.
func (c *Client) GlobalParameter(ctx context.Context, name string) (*Parameter, error) {
	return one(ctx, c, path("global-parameters", name), decodeParameter)
}

func list[T any](ctx context.Context, c *Client, p *apiPath, element func(*decoder, *T) error) ([]T, error) {
	var out []T
	err := c.get(ctx, p, func(d *decoder) error { return listOf(d, &out, element) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func one[T any](ctx context.Context, c *Client, p *apiPath, decode func(*decoder, *T) error) (*T, error) {
	var v T
	err := c.get(ctx, p, func(d *decoder) error {
		var zero T
		v = zero
		return decode(d, &v)
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}
