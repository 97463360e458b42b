package mgmt

import "strconv"

func decodeQueue(d *decoder, q *Queue) error {
	return d.named("queue", func(field string) error {
		switch field {
		case "durable":
			return d.flag(&q.Durable)
		case "auto_delete":
			return d.flag(&q.AutoDelete)
		case "arguments":
			return d.arguments(&q.Arguments)
		}
		return d.identity(field, &q.Vhost, &q.Name)
	}, func() bool { return q.Name != "" })
}

func decodeExchange(d *decoder, x *Exchange) error {
	return d.named("exchange", func(field string) error {
		switch field {
		case "type":
			return d.text(&x.Type)
		case "durable":
			return d.flag(&x.Durable)
		case "auto_delete":
			return d.flag(&x.AutoDelete)
		case "internal":
			return d.flag(&x.Internal)
		case "arguments":
			return d.arguments(&x.Arguments)
		}
		return d.identity(field, &x.Vhost, &x.Name)
	}, func() bool { return x.Type != "" })
}

func decodeBinding(d *decoder, b *Binding) error {
	return d.named("binding", func(field string) error {
		switch field {
		case "source":
			return d.text(&b.Source)
		case "destination":
			return d.text(&b.Destination)
		case "destination_type":
			return d.text(&b.DestinationType)
		case "routing_key":
			return d.text(&b.RoutingKey)
		case "properties_key":
			return d.text(&b.PropertiesKey)
		case "arguments":
			return d.arguments(&b.Arguments)
		}
		return d.identity(field, &b.Vhost, new(string))
	}, func() bool { return b.Destination != "" && b.DestinationType != "" })
}

func decodePolicy(d *decoder, p *Policy) error {
	return d.named("policy", func(field string) error {
		switch field {
		case "pattern":
			return d.text(&p.Pattern)
		case "apply-to":
			return d.text(&p.ApplyTo)
		case "priority":
			return d.integer(&p.Priority)
		case "definition":
			return d.arguments(&p.Definition)
		}
		return d.identity(field, &p.Vhost, &p.Name)
	}, func() bool { return p.Name != "" })
}

func decodeParameter(d *decoder, p *Parameter) error {
	return d.named("parameter", func(field string) (err error) {
		switch field {
		case "component":
			return d.text(&p.Component)
		case "value":
			p.Value, err = d.any()
			return err
		}
		return d.identity(field, &p.Vhost, &p.Name)
	}, func() bool { return p.Name != "" })
}

// named reads an object that must turn out to be of the kind that was asked
// for: an object of another kind, every field of it unknown and skipped, would
// else read as one that is empty.
func (d *decoder) named(kind string, field func(string) error, complete func() bool) error {
	if err := d.object(field); err != nil {
		return err
	}
	if !complete() {
		return &shapeError{path: d.where(), want: "a " + kind, got: "an object without what identifies one"}
	}
	return nil
}

func (d *decoder) identity(field string, vhost, name *string) error {
	switch field {
	case "vhost":
		return d.text(vhost)
	case "name":
		return d.text(name)
	}
	return skipValue(d)
}

func (d *decoder) integer(to *int64) error {
	if d.PeekKind() != '0' {
		return skipValue(d)
	}
	raw, err := d.ReadValue()
	if err == nil {
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			*to = n
		}
	}
	return err
}
