package ready

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/transport"
)

// Pauses between looks at the consumers: short at first, for what starts in
// milliseconds.
const (
	firstLook = 25 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// consumers follows the consumer counts of some queues. A count is compared
// with the lowest one seen since the beginning: a rise from there is of new consumers,
// also while old ones go.
type consumers struct {
	at     transport.Inspector
	queues []string
	lowest map[string]int
	now    map[string]int
	absent map[string]bool
}

// inQueues are the queues of a role's inports, each once.
func inQueues(spec launch.Spec) []string {
	var out []string
	seen := map[string]bool{}
	for _, p := range spec.Inports {
		if p.Queue != "" && !seen[p.Queue] {
			seen[p.Queue] = true
			out = append(out, p.Queue)
		}
	}
	return out
}

func countConsumers(ctx context.Context, at transport.Inspector, queues []string) (*consumers, error) {
	c := &consumers{at: at, queues: queues, lowest: map[string]int{}, now: map[string]int{}, absent: map[string]bool{}}
	return c, c.look(ctx)
}

// look counts once. A queue that is not there has no consumers: some clients
// make theirs at their start.
func (c *consumers) look(ctx context.Context) error {
	for _, q := range c.queues {
		s, err := c.at.Inspect(ctx, q)
		c.absent[q] = errors.Is(err, transport.ErrNoQueue)
		if err != nil && !c.absent[q] {
			return err
		}
		low, before := c.lowest[q]
		if !before || s.Consumers < low {
			c.lowest[q] = s.Consumers
		}
		c.now[q] = s.Consumers
	}
	return nil
}

// most is the highest count of any queue.
func (c *consumers) most() int {
	n := 0
	for _, k := range c.now {
		n = max(n, k)
	}
	return n
}

// rose are the queues whose count rose by at least n; lacking are the others.
func (c *consumers) rose(n int) (rose, lacking []string) {
	for _, q := range c.queues {
		if c.now[q]-c.lowest[q] >= n {
			rose = append(rose, q)
		} else {
			lacking = append(lacking, q)
		}
	}
	return rose, lacking
}

// describe says how a queue stands, for who waited for n more consumers.
func (c *consumers) describe(q string, n int) string {
	name := quote(q)
	if c.absent[q] {
		return "queue " + name + " does not exist"
	}
	return fmt.Sprintf("queue %s has %s, and %d more were expected", name, diag.Count(c.now[q], "consumer"), n-(c.now[q]-c.lowest[q]))
}

// poll calls look with growing pauses until it says true or fails, or ctx
// ends.
func poll(ctx context.Context, wake <-chan struct{}, look func() (bool, error)) error {
	pause := firstLook
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		if done, err := look(); done || err != nil {
			return err
		}
		t.Reset(pause)
		select {
		case <-t.C:
			pause = min(2*pause, lastLook)
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// consumingProbe waits until each in-queue has one more consumer for every
// replica.
type consumingProbe struct {
	lifetime
	*consumers
	spec     launch.Spec
	replicas int
}

// Consuming is the launch.Prober of launch.Consuming: each in-queue has as many
// consumers more as replicas were started. It needs a broker that counts them.
func (p *Prober) Consuming(ctx context.Context, spec launch.Spec, brokerURL string, replicas int) (launch.Probe, error) {
	queues := inQueues(spec)
	if len(queues) == 0 {
		return nil, fmt.Errorf("ready when = \"consuming\" needs an inport, and role %s has none: use \"announced\" or \"started\"", quote(spec.Role))
	}
	conn, release, err := p.connections.Take(ctx, brokerURL)
	if err != nil {
		return nil, err
	}
	at, ok := conn.(transport.Inspector)
	if !ok {
		release()
		return nil, errors.New("ready when = \"consuming\" needs a broker that counts consumers, as RabbitMQ; on this kind of broker use \"announced\" or \"started\"")
	}
	c, err := countConsumers(ctx, at, queues)
	if err != nil {
		release()
		return nil, err
	}
	probe := &consumingProbe{consumers: c, spec: spec, replicas: replicas}
	probe.bind(ctx, release)
	return probe, nil
}

// Wait implements launch.Probe.
func (p *consumingProbe) Wait(ctx context.Context) error {
	defer func() { _ = p.Close() }() // never fails
	err := poll(ctx, nil, func() (bool, error) {
		if err := p.look(ctx); err != nil {
			return false, err
		}
		_, lacking := p.rose(p.replicas)
		return len(lacking) == 0, nil
	})
	if err == nil || ctx.Err() == nil {
		return err
	}
	_, lacking := p.rose(p.replicas)
	var out []string
	for _, q := range lacking {
		out = append(out, p.describe(q, p.replicas))
	}
	return fmt.Errorf("it does not consume all its queues: %s", strings.Join(out, "; "))
}
