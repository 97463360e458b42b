package mgmt

import (
	"context"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Rates are messages a second of a queue, as its statistics have them.
type Rates struct {
	Publish float64 // came in
	Deliver float64 // were handed to a consumer or taken with get, acknowledged or not
}

// Rates lists the message rates of a vhost's queues by name. A queue that never
// had a message, or whose statistics are off, is not in the answer.
func (c *Client) Rates(ctx context.Context, vhost string) (map[string]Rates, error) {
	out := map[string]Rates{}
	p := path("queues", vhost).with("columns=name,message_stats.publish_details.rate,message_stats.deliver_get_details.rate")
	err := c.get(ctx, p, func(d *decoder) error {
		clear(out)
		return d.list(func() error { return d.rates(out) })
	})
	return out, err
}

func (d *decoder) rates(out map[string]Rates) error {
	var name string
	var r Rates
	var known bool
	err := d.object(func(field string) error {
		switch {
		case field == "name":
			return d.text(&name)
		case field == "message_stats" && d.PeekKind() == '{':
			known = true
			return d.object(func(field string) error {
				switch field {
				case "publish_details":
					return d.rate(&r.Publish)
				case "deliver_get_details":
					return d.rate(&r.Deliver)
				}
				return skipValue(d)
			})
		}
		return skipValue(d)
	})
	if known {
		out[name] = r
	}
	return err
}

// rate reads {"rate": 1.5}.
func (d *decoder) rate(to *float64) error {
	if d.PeekKind() != '{' {
		return skipValue(d)
	}
	return d.object(func(field string) error {
		if field != "rate" || d.PeekKind() != '0' {
			return skipValue(d)
		}
		var raw jsontext.Value
		raw, err := d.ReadValue()
		if err != nil {
			return atEnd(err)
		}
		*to, err = strconv.ParseFloat(string(raw), 64)
		return err
	})
}
