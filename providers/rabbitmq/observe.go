package rabbitmq

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// Observe implements providers.Observer: three lists a vhost. Counts of classic
// queues and consumers are of this moment, those of other types and rates are
// samples (5 s old by default).
func (p *provider) Observe(ctx context.Context, queries []providers.Query) ([]providers.Traffic, error) {
	c, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return nil, errors.New("the broker block says management = \"none\", and only the management API tells how queues fare")
	}
	if err != nil {
		return nil, err
	}
	seen := map[string]map[string]providers.Traffic{}
	out := make([]providers.Traffic, len(queries))
	for i, q := range queries {
		vhost, name := attr.Text(q.Value, "vhost"), attr.Text(q.Value, "name")
		if _, asked := seen[vhost]; !asked {
			if seen[vhost], err = trafficOf(ctx, c, vhost); err != nil {
				return nil, p.managementError(err)
			}
		}
		t, there := seen[vhost][name]
		t.Absent = !there
		out[i] = t
	}
	return out, nil
}

// trafficOf lists the queues of a vhost; one that is not there has none.
func trafficOf(ctx context.Context, c *mgmt.Client, vhost string) (map[string]providers.Traffic, error) {
	var queues []mgmt.QueueStatus
	var consumers map[string]int64
	var rates map[string]mgmt.Rates
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { queues, err = c.Queues(ctx, vhost); return err })
	g.Go(func() (err error) { consumers, err = c.Consumers(ctx, vhost); return err })
	g.Go(func() (err error) { rates, err = c.Rates(ctx, vhost); return err })
	if err := g.Wait(); err != nil {
		return nil, unlessAbsent(err) // without the vhost there is no queue
	}
	out := make(map[string]providers.Traffic, len(queues))
	for i := range queues {
		q := &queues[i]
		r := rates[q.Name]
		out[q.Name] = providers.Traffic{Ready: q.Ready, Unacked: q.Unacked, Consumers: consumers[q.Name], In: r.Publish, Out: r.Deliver}
	}
	return out, nil
}
