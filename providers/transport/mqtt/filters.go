package mqtt

import (
	"context"
	"errors"
)

// Subscribe asks for topics, and again after every reconnect. It waits for a
// connection that stands. A filter that is subscribed already gets the new QoS.
// A filter that the broker refuses is an error that names it; the others of
// the call may be subscribed.
func (c *Client) Subscribe(ctx context.Context, filters ...Filter) error {
	for _, f := range filters {
		if err := CheckFilter(f.Topic); err != nil {
			return err
		}
	}
	c.mu.Lock()
	// Known before it is asked for: a session that begins meanwhile asks too.
	for _, f := range filters {
		c.filters[f.Topic] = &wanted{qos: min(f.QoS, AtLeastOnce)}
	}
	c.mu.Unlock()
	err := c.request(ctx, func(s *session) error {
		missing := c.missing(filters, s)
		err := s.subscribe(ctx, missing)
		if err == nil {
			c.granted(missing, s)
		}
		return err
	})
	if err != nil {
		c.forget(filters)
	}
	return err
}

// Unsubscribe ends subscriptions, also those that an earlier run left in a
// session that the broker keeps.
func (c *Client) Unsubscribe(ctx context.Context, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	filters := make([]Filter, len(topics))
	for i, t := range topics {
		filters[i].Topic = t
	}
	c.forget(filters)
	if !c.opts.KeepSession && !c.up() {
		return nil // the broker has forgotten them
	}
	return c.request(ctx, func(s *session) error {
		for rest := topics; len(rest) > 0; {
			n := min(batch, len(rest))
			err := s.call(ctx, s.client.Unsubscribe(rest[:n]...))
			if errors.Is(err, errGone) && !c.opts.KeepSession {
				return nil // as above; the next session does not ask for them
			}
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
}

// up reports whether the connection stands.
func (c *Client) up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current != nil && !c.current.over()
}

// request asks on one session after the other until one has answered.
func (c *Client) request(ctx context.Context, ask func(*session) error) error {
	for {
		s, err := c.session(ctx)
		if err != nil {
			return err
		}
		if err = ask(s); !errors.Is(err, errGone) {
			return err
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Client) granted(filters []Filter, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		if w := c.filters[f.Topic]; w != nil {
			w.on = s
		}
	}
}

// missing are those that a session has not granted: it may have begun after
// they were noted, and asked for them itself. Asking twice brings what the
// broker retains twice.
func (c *Client) missing(filters []Filter, s *session) (missing []Filter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		if w := c.filters[f.Topic]; w == nil || w.on != s {
			missing = append(missing, f)
		}
	}
	return missing
}

func (c *Client) forget(filters []Filter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		delete(c.filters, f.Topic)
	}
}

// resubscribe asks a new session for what it lacks. A session that the broker
// kept has its subscriptions: asking again would bring the retained messages
// again. What is refused now, and was granted before, is logged and asked for
// again from time to time: the rest must go on.
func (c *Client) resubscribe(s *session) error {
	c.mu.Lock()
	var filters []Filter
	for topic, w := range c.filters {
		if !s.present || w.on == nil {
			filters = append(filters, Filter{topic, w.qos})
		}
	}
	c.mu.Unlock()
	err := s.subscribe(c.ctx, filters)
	if refused, ok := errors.AsType[*refusal](err); ok {
		c.log.Error("cannot subscribe again", "error", refused)
		return c.oneByOne(c.ctx, s, filters)
	}
	if err == nil {
		c.granted(filters, s)
	}
	return err
}

// oneByOne finds out who is refused.
func (c *Client) oneByOne(ctx context.Context, s *session, filters []Filter) error {
	for i, f := range filters {
		err := s.subscribe(ctx, filters[i:i+1])
		if _, refused := errors.AsType[*refusal](err); refused {
			s.refused = append(s.refused, f)
			continue
		}
		if err != nil {
			return err
		}
		c.granted(filters[i:i+1], s)
	}
	return nil
}

// askAgain asks for what the session was refused, as far as it is still wanted:
// a permission that is given back must not need another connection.
func (c *Client) askAgain(ctx context.Context, s *session) {
	refused := c.lacking(s.refused, s)
	s.refused = nil
	if err := c.oneByOne(ctx, s, refused); err != nil {
		s.refused = refused
	} else if len(refused) > 0 && len(s.refused) == 0 {
		c.log.Info("subscribed again", "broker", c.end.where(), "client", c.id)
	}
}

// lacking are those that are wanted, and that a session has not granted.
func (c *Client) lacking(filters []Filter, s *session) (out []Filter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		if w := c.filters[f.Topic]; w != nil && w.on != s {
			out = append(out, Filter{f.Topic, w.qos})
		}
	}
	return out
}
