package rabbitmq_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// roles are n roles as objects: a queue with a dead letter, an exchange, a binding.
func roles(vhost string, n int) (made [3][]providers.Query) {
	types := rabbitmq.Type().Resources
	value := func(typ string, a attrs) cty.Value { return types[typ].Complete(a) }
	for i := range n {
		q, x := str(fmt.Sprint("role", i)), str(fmt.Sprint("out", i))
		dead := obj(attrs{"exchange": x, "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)})
		made[0] = append(made[0], providers.Query{Type: "exchange", Value: value("exchange", attrs{"name": x, "vhost": str(vhost), "type": str("fanout")})})
		made[1] = append(made[1], providers.Query{Type: "queue", Value: value("queue", attrs{"name": q, "vhost": str(vhost), "dead_letter": dead})})
		made[2] = append(made[2], providers.Query{Type: "binding", Value: value("binding", attrs{"source": x, "destination": q, "vhost": str(vhost)})})
	}
	return made
}

const parallelism = 32 // the engine's default

func applyAll(b *testing.B, p providers.Provider, qs []providers.Query, remove bool) {
	none := null(qs[0].Type)
	var g errgroup.Group
	g.SetLimit(parallelism)
	for _, q := range qs {
		g.Go(func() error {
			c := providers.Change{Type: q.Type, Before: none, After: q.Value}
			if remove {
				c.Before, c.After = c.After, c.Before
			}
			_, err := p.Apply(context.Background(), c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLife makes, reads and removes n roles; the floor does the same
// with nothing but the AMQP library and net/http.
func BenchmarkLife(b *testing.B) {
	broker := rabbittest.Shared(b)
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint("roles=", n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				vhost := rabbittest.Vhost(b, broker)
				p := open(b, broker, vhost, nil)
				all := roles(vhost, n)
				b.StartTimer()
				start := time.Now()
				for _, kind := range all {
					applyAll(b, p, kind, false)
				}
				made := time.Since(start)
				qs := append(append(append([]providers.Query{}, all[0]...), all[1]...), all[2]...)
				rs, err := p.Read(context.Background(), qs)
				if err != nil {
					b.Fatal(err)
				}
				for i, r := range rs {
					if r.Value.IsNull() {
						b.Fatalf("%#v is absent", qs[i])
					}
				}
				read := time.Since(start)
				b.ReportMetric(float64(3*n)/made.Seconds(), "made/s")
				b.ReportMetric((read-made).Seconds()*1000, "read-ms")
				if _, err := p.(providers.Meter).Depth(context.Background(), slices.Concat(all[0], all[1])); err != nil {
					b.Fatal(err)
				}
				metered := time.Since(start)
				b.ReportMetric((metered-read).Seconds()*1000, "meter-ms")
				for i := range all {
					applyAll(b, p, all[len(all)-1-i], true)
				}
				b.ReportMetric(float64(3*n)/(time.Since(start)-metered).Seconds(), "removed/s")
			}
		})
		b.Run(fmt.Sprint("floor=", n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				vhost := rabbittest.Vhost(b, broker)
				f := newFloor(b, broker, vhost)
				b.StartTimer()
				start := time.Now()
				f.each(b, n, func(ch *amqp.Channel, i int) error {
					return ch.ExchangeDeclare(fmt.Sprint("out", i), "fanout", true, false, false, false, nil)
				})
				f.each(b, n, func(ch *amqp.Channel, i int) error {
					_, err := ch.QueueDeclare(fmt.Sprint("role", i), true, false, false, false, amqp.Table{"x-dead-letter-exchange": fmt.Sprint("out", i)})
					return err
				})
				f.each(b, n, func(ch *amqp.Channel, i int) error {
					return ch.QueueBind(fmt.Sprint("role", i), "", fmt.Sprint("out", i), false, nil)
				})
				made := time.Since(start)
				f.read(b, broker, vhost)
				read := time.Since(start)
				b.ReportMetric(float64(3*n)/made.Seconds(), "made/s")
				b.ReportMetric((read-made).Seconds()*1000, "read-ms")
				f.each(b, n, func(ch *amqp.Channel, i int) error {
					return ch.QueueUnbind(fmt.Sprint("role", i), "", fmt.Sprint("out", i), nil)
				})
				f.each(b, n, func(ch *amqp.Channel, i int) error {
					_, err := ch.QueueDelete(fmt.Sprint("role", i), false, false, false)
					return err
				})
				f.each(b, n, func(ch *amqp.Channel, i int) error { return ch.ExchangeDelete(fmt.Sprint("out", i), false, false) })
				b.ReportMetric(float64(3*n)/(time.Since(start)-read).Seconds(), "removed/s")
			}
		})
	}
}

type floor struct{ channels []*amqp.Channel }

func newFloor(b *testing.B, broker *rabbittest.Broker, vhost string) *floor {
	f := &floor{}
	var conn *amqp.Connection
	for i := range parallelism {
		if i%16 == 0 {
			var err error
			if conn, err = amqp.Dial(broker.VhostURL(vhost)); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { conn.Close() })
		}
		ch, err := conn.Channel()
		if err != nil {
			b.Fatal(err)
		}
		f.channels = append(f.channels, ch)
	}
	return f
}

func (f *floor) each(b *testing.B, n int, do func(*amqp.Channel, int) error) {
	var g errgroup.Group
	for c, ch := range f.channels {
		g.Go(func() error {
			for i := c; i < n; i += len(f.channels) {
				if err := do(ch, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func (f *floor) read(b *testing.B, broker *rabbittest.Broker, vhost string) {
	req, err := http.NewRequest(http.MethodGet, broker.ManagementURL+"/api/definitions/"+vhost, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.SetBasicAuth(rabbittest.User, rabbittest.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 1000 {
		b.Fatal(n, err)
	}
}

// BenchmarkRead is an empty plan's reading, beside the bare download.
func BenchmarkRead(b *testing.B) {
	broker := rabbittest.Shared(b)
	for _, n := range []int{100, 1000, 5000} {
		vhost := rabbittest.Vhost(b, broker)
		p := open(b, broker, vhost, nil)
		all := roles(vhost, n)
		for _, kind := range all {
			applyAll(b, p, kind, false)
		}
		qs := slices.Concat(all[0], all[1], all[2])
		b.Run(fmt.Sprint("roles=", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := p.Read(context.Background(), qs); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("floor=", n), func(b *testing.B) {
			for range b.N {
				(&floor{}).read(b, broker, vhost)
			}
		})
		for i := range all {
			applyAll(b, p, all[len(all)-1-i], true)
		}
	}
}

// BenchmarkTenOfMany reads ten objects on a broker that holds thousands.
func BenchmarkTenOfMany(b *testing.B) {
	broker := rabbittest.Shared(b)
	for _, n := range []int{10, 3000} {
		b.Run(fmt.Sprint("roles=", n), func(b *testing.B) {
			vhost := rabbittest.Vhost(b, broker)
			p := open(b, broker, vhost, nil)
			all := roles(vhost, n)
			for _, kind := range all {
				applyAll(b, p, kind, false)
			}
			qs := append(append(append([]providers.Query{}, all[0][:3]...), all[1][:3]...), all[2][:4]...)
			b.ResetTimer()
			for range b.N {
				if _, err := p.Read(context.Background(), qs); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			for i := range all { // a vhost full of queues takes long to delete
				applyAll(b, p, all[len(all)-1-i], true)
			}
		})
	}
}

// BenchmarkNormalize is what every object of a plan goes through twice.
func BenchmarkNormalize(b *testing.B) {
	p := open(b, rabbittest.Shared(b), "/", nil).(providers.Normalizer)
	all := roles("v", 1)
	b.ReportAllocs()
	for b.Loop() {
		for _, kind := range all {
			p.Normalize(kind[0].Type, kind[0].Value)
		}
	}
}
