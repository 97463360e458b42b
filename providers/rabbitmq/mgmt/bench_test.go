package mgmt

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// definitionsOf is an answer as the broker gives for that many roles, each a
// queue with a dead-letter argument, an exchange and two bindings.
func definitionsOf(roles int) []byte {
	var b bytes.Buffer
	join := func(list string, element func(i int) string) {
		fmt.Fprintf(&b, ",%q:[", list)
		for i := range roles {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(element(i))
		}
		b.WriteByte(']')
	}
	b.WriteString(`{"rabbit_version":"3.10.8","parameters":[],"policies":[]`)
	join("queues", func(i int) string {
		return fmt.Sprintf(`{"name":"role-%d.IN","durable":true,"auto_delete":false,"arguments":{"x-dead-letter-exchange":"dlx","x-message-ttl":5000}}`, i)
	})
	join("exchanges", func(i int) string {
		return fmt.Sprintf(`{"name":"role-%d.OUT","type":"fanout","durable":true,"auto_delete":false,"internal":false,"arguments":{}}`, i)
	})
	join("bindings", func(i int) string {
		const binding = `{"source":"role-%d.OUT","destination":"role-%d.IN","destination_type":"queue","routing_key":%q,"arguments":{}}`
		return fmt.Sprintf(binding, i, i, "") + "," + fmt.Sprintf(binding, i, i, "second")
	})
	b.WriteByte('}')
	return b.Bytes()
}

func BenchmarkDecodeDefinitions5000(b *testing.B) {
	text := definitionsOf(5000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var defs Definitions
		d := newDecoder(bytes.NewReader(text))
		if err := d.whole(func(d *decoder) error { return decodeDefinitions(d, "v", &defs) }); err != nil {
			b.Fatal(err)
		}
		if len(defs.Queues) != 5000 || len(defs.Bindings) != 10000 {
			b.Fatal("wrong counts")
		}
	}
}

// declareRoles fills a vhost, over a few channels at once.
func declareRoles(b *testing.B, url string, roles int) {
	b.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	const channels = 16
	var g errgroup.Group
	for worker := range channels {
		g.Go(func() error {
			ch, err := conn.Channel()
			if err != nil {
				return err
			}
			for i := worker; i < roles; i += channels {
				q, x := fmt.Sprintf("role-%d.IN", i), fmt.Sprintf("role-%d.OUT", i)
				if _, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-dead-letter-exchange": "dlx"}); err != nil {
					return err
				}
				if err := ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil); err != nil {
					return err
				}
				if err := ch.QueueBind(q, "", x, false, nil); err != nil {
					return err
				}
			}
			return ch.Close()
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRead1000Roles measures the sweep that a plan makes, beside the floor
// under it: the same two answers, read and thrown away.
func BenchmarkRead1000Roles(b *testing.B) {
	broker, c := admin(b)
	vhost := rabbittest.Vhost(b, broker)
	declareRoles(b, broker.VhostURL(vhost), 1000)
	paths := []string{"/api/definitions/", "/api/bindings/"}
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			var g errgroup.Group
			for _, p := range paths {
				g.Go(func() error {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, broker.ManagementURL+p+escapeSegment(vhost), http.NoBody)
					if err != nil {
						return err
					}
					req.SetBasicAuth(rabbittest.User, rabbittest.Password)
					resp, err := c.http.Do(req)
					if err != nil {
						return err
					}
					defer resp.Body.Close()
					n, err := io.Copy(io.Discard, resp.Body)
					b.ReportMetric(float64(n), strings.Trim(p, "/")[4:]+"-bytes")
					return err
				})
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sweep", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var g errgroup.Group
			g.Go(func() error { _, err := c.Definitions(b.Context(), vhost); return err })
			g.Go(func() error { _, err := c.Bindings(b.Context(), vhost); return err })
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
