package mgmt

import "context"

// Totals are how many objects a broker has, all vhosts together. Unknown where
// it does not tell.
type Totals struct{ Queues, Exchanges int64 }

// Totals asks for the numbers that the overview shows; the call costs the same
// however many objects there are.
func (c *Client) Totals(ctx context.Context) (Totals, error) {
	t := Totals{Queues: Unknown, Exchanges: Unknown}
	err := c.get(ctx, path("overview").with("columns=object_totals.queues,object_totals.exchanges"), func(d *decoder) error {
		return d.object(func(field string) error {
			if field != "object_totals" || d.PeekKind() != '{' {
				return skipValue(d)
			}
			return d.object(func(field string) error {
				switch field {
				case "queues":
					return d.count(&t.Queues)
				case "exchanges":
					return d.count(&t.Exchanges)
				}
				return skipValue(d)
			})
		})
	})
	return t, err
}

// Consumers counts a vhost's consumers by queue. Queues without any are not in
// the answer.
func (c *Client) Consumers(ctx context.Context, vhost string) (map[string]int64, error) {
	var n map[string]int64
	err := c.get(ctx, path("consumers", vhost), func(d *decoder) error {
		n = map[string]int64{}
		return d.list(func() error {
			return d.object(func(field string) error {
				if field != "queue" || d.PeekKind() != '{' {
					return skipValue(d)
				}
				return d.object(func(field string) error {
					if field != "name" {
						return skipValue(d)
					}
					var name string
					err := d.text(&name)
					n[name]++
					return err
				})
			})
		})
	})
	return n, err
}
