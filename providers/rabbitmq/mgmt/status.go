package mgmt

import (
	"context"
	"errors"
	"slices"
)

// Unknown is a count that the broker did not tell: statistics come seconds
// after the object, or are switched off.
const Unknown int64 = -1

type (
	// Overview of the broker.
	Overview struct {
		RabbitMQ, Management, Erlang string // versions
		Product, Cluster, Node       string
		ExchangeTypes                []string // those that clients may declare
		StatsDisabled                bool
	}
	// A QueueStatus is a queue with what is in it. Counts are a sample (5 s old
	// by default) and Unknown where the broker does not tell them. Leaderless
	// is said of quorum queues and streams, as it is now.
	QueueStatus struct {
		Queue
		Type, State, Node        string
		Exclusive, Leaderless    bool
		Messages, Ready, Unacked int64
		Consumers                int64
		Policy, OperatorPolicy   string
	}
	// Identity is who is logged in.
	Identity struct {
		Name string
		Tags []string
	}
)

// Overview asks for versions and exchange types. It is the call that tells a
// management API from anything else.
func (c *Client) Overview(ctx context.Context) (*Overview, error) {
	o, err := one(ctx, c, path("overview").with("disable_stats=true"), decodeOverview)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == NotFound {
		// The overview is there for everybody who may log in: here is no API.
		e.Kind = NotManagement
		e.detail = "what answers at " + c.Host() + " has no management API at this path; check address and path, and that the management plugin is enabled (rabbitmq-plugins enable rabbitmq_management)"
	}
	return o, err
}

// Whoami tells the user and its tags.
func (c *Client) Whoami(ctx context.Context) (*Identity, error) {
	return one(ctx, c, path("whoami"), decodeIdentity)
}

// Plugins lists the plugins that are enabled on every running node. Known is
// false where the user may not see them (it takes the tag monitoring).
func (c *Client) Plugins(ctx context.Context) (plugins []string, known bool, err error) {
	nodes, err := list(ctx, c, path("nodes").with("columns=name,enabled_plugins,running"), decodeNode)
	if IsKind(err, Forbidden) || IsNotFound(err) {
		return nil, false, nil
	}
	for _, n := range nodes {
		if n.plugins == nil {
			continue // down, or its statistics have not come yet
		}
		if !known {
			plugins, known = n.plugins, true
			continue
		}
		plugins = slices.DeleteFunc(plugins, func(p string) bool { return !slices.Contains(n.plugins, p) })
	}
	return plugins, known, err
}

// Queue reads one queue with its statistics.
func (c *Client) Queue(ctx context.Context, vhost, name string) (*QueueStatus, error) {
	return one(ctx, c, path("queues", vhost, name), decodeQueueStatus)
}

// Queues lists a vhost's queues with message counts, exclusive ones too. It
// asks for totals without the costly rest; versions that do not know the
// parameters send everything.
func (c *Client) Queues(ctx context.Context, vhost string) ([]QueueStatus, error) {
	return list(ctx, c, path("queues", vhost).with("disable_stats=true&enable_queue_totals=true"), decodeQueueStatus)
}

// Held lists how many messages clients hold of each queue of a vhost, Unknown
// where the broker does not tell: Queues for half its cost.
func (c *Client) Held(ctx context.Context, vhost string) (map[string]int64, error) {
	queues, err := list(ctx, c, path("queues", vhost).with("disable_stats=true&enable_queue_totals=true&columns=name,vhost,messages_unacknowledged"), decodeQueueStatus)
	held := make(map[string]int64, len(queues))
	for i := range queues {
		held[queues[i].Name] = queues[i].Unacked
	}
	return held, err
}

func decodeOverview(d *decoder, o *Overview) error {
	return d.named("broker's overview", func(field string) error {
		switch field {
		case "rabbitmq_version":
			return d.text(&o.RabbitMQ)
		case "management_version":
			return d.text(&o.Management)
		case "erlang_version":
			return d.text(&o.Erlang)
		case "product_name":
			return d.text(&o.Product)
		case "cluster_name":
			return d.text(&o.Cluster)
		case "node":
			return d.text(&o.Node)
		case "disable_stats":
			return d.flag(&o.StatsDisabled)
		case "exchange_types":
			return d.exchangeTypes(&o.ExchangeTypes)
		}
		return skipValue(d)
	}, func() bool { return o.Management != "" && o.RabbitMQ != "" && len(o.ExchangeTypes) > 0 })
}

// exchangeTypes leaves out those that the broker keeps for itself.
func (d *decoder) exchangeTypes(to *[]string) error {
	*to = nil
	return d.list(func() error {
		var name, purpose string
		enabled := true
		err := d.object(func(field string) error {
			switch field {
			case "name":
				return d.text(&name)
			case "internal_purpose":
				return d.text(&purpose)
			case "enabled":
				return d.flag(&enabled)
			}
			return skipValue(d)
		})
		if name != "" && purpose == "" && enabled {
			*to = append(*to, name)
		}
		return err
	})
}

func decodeIdentity(d *decoder, w *Identity) error {
	return d.named("user", func(field string) error {
		switch field {
		case "name":
			return d.text(&w.Name)
		case "tags":
			return d.words(&w.Tags)
		}
		return skipValue(d)
	}, func() bool { return w.Name != "" })
}

type node struct {
	name    string
	plugins []string
}

func decodeNode(d *decoder, n *node) error {
	return d.named("node", func(field string) error {
		switch field {
		case "name":
			return d.text(&n.name)
		case "enabled_plugins":
			return d.words(&n.plugins)
		}
		return skipValue(d)
	}, func() bool { return n.name != "" })
}

func decodeQueueStatus(d *decoder, q *QueueStatus) error {
	q.Messages, q.Ready, q.Unacked, q.Consumers = Unknown, Unknown, Unknown, Unknown
	return d.named("queue", func(field string) error {
		switch field {
		case "durable":
			return d.flag(&q.Durable)
		case "auto_delete":
			return d.flag(&q.AutoDelete)
		case "exclusive":
			return d.flag(&q.Exclusive)
		case "arguments":
			return d.arguments(&q.Arguments)
		case "type":
			return d.text(&q.Type)
		case "state":
			return d.text(&q.State)
		case "node":
			return d.text(&q.Node)
		case "leader":
			var leader string
			err := d.text(&leader)
			q.Leaderless = leader == ""
			return err
		case "messages":
			return d.count(&q.Messages)
		case "messages_ready":
			return d.count(&q.Ready)
		case "messages_unacknowledged":
			return d.count(&q.Unacked)
		case "consumers":
			return d.count(&q.Consumers)
		case "policy":
			return d.text(&q.Policy)
		case "operator_policy":
			return d.text(&q.OperatorPolicy)
		}
		return d.identity(field, &q.Vhost, &q.Name)
	}, func() bool { return q.Name != "" })
}
