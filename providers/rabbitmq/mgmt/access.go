package mgmt

import (
	"context"
	"strings"
)

type (
	// A Vhost. DefaultQueueType is "" where none is set (3.10 writes the word
	// undefined).
	Vhost struct {
		Name, Description, DefaultQueueType string
		Tags                                []string
		Tracing                             bool
	}
	// A User. The password's hash is a secret too.
	User struct {
		Name, PasswordHash, HashingAlgorithm string
		Tags                                 []string
	}
	// Permissions are regular expressions over names.
	Permissions struct{ User, Vhost, Configure, Write, Read string }
	// TopicPermissions are regular expressions over routing keys.
	TopicPermissions struct{ User, Vhost, Exchange, Write, Read string }
	// Limits of a vhost (max-connections, max-queues) or a user
	// (max-connections, max-channels). Name is the vhost's or the user's.
	Limits struct {
		Name  string
		Value map[string]int64
	}
)

// Vhosts lists those that the user may see.
func (c *Client) Vhosts(ctx context.Context) ([]Vhost, error) {
	return list(ctx, c, path("vhosts"), decodeVhost)
}

// Vhost reads one. It needs the tag administrator.
func (c *Client) Vhost(ctx context.Context, name string) (*Vhost, error) {
	return one(ctx, c, path("vhosts", name), decodeVhost)
}

// Users lists all; it needs the tag administrator.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return list(ctx, c, path("users"), decodeUser)
}

// User reads one.
func (c *Client) User(ctx context.Context, name string) (*User, error) {
	return one(ctx, c, path("users", name), decodeUser)
}

// Permissions lists those of all users in all vhosts.
func (c *Client) Permissions(ctx context.Context) ([]Permissions, error) {
	return list(ctx, c, path("permissions"), decodePermissions)
}

// PermissionsOf reads one user's permissions in one vhost.
func (c *Client) PermissionsOf(ctx context.Context, vhost, user string) (*Permissions, error) {
	return one(ctx, c, path("permissions", vhost, user), decodePermissions)
}

// TopicPermissions lists those of all users in all vhosts.
func (c *Client) TopicPermissions(ctx context.Context) ([]TopicPermissions, error) {
	return list(ctx, c, path("topic-permissions"), decodeTopicPermissions)
}

// TopicPermissionsOf reads one user's topic permissions in one vhost, one an
// exchange. Without any, RabbitMQ answers as for an unknown object: NotFound.
func (c *Client) TopicPermissionsOf(ctx context.Context, vhost, user string) ([]TopicPermissions, error) {
	return list(ctx, c, path("topic-permissions", vhost, user), decodeTopicPermissions)
}

// VhostLimits lists the vhosts that have limits.
func (c *Client) VhostLimits(ctx context.Context) ([]Limits, error) {
	return list(ctx, c, path("vhost-limits"), decodeLimits)
}

// VhostLimitsOf reads one vhost's limits; none is an empty value.
func (c *Client) VhostLimitsOf(ctx context.Context, vhost string) (Limits, error) {
	return firstLimits(ctx, c, vhost, path("vhost-limits", vhost))
}

// UserLimits lists the users that have limits.
func (c *Client) UserLimits(ctx context.Context) ([]Limits, error) {
	return list(ctx, c, path("user-limits"), decodeLimits)
}

// UserLimitsOf reads one user's limits; none is an empty value.
func (c *Client) UserLimitsOf(ctx context.Context, user string) (Limits, error) {
	return firstLimits(ctx, c, user, path("user-limits", user))
}

func firstLimits(ctx context.Context, c *Client, name string, p *apiPath) (Limits, error) {
	all, err := list(ctx, c, p, decodeLimits)
	for _, l := range all {
		if l.Name == name {
			return l, nil
		}
	}
	return Limits{Name: name}, err
}

func decodeVhost(d *decoder, v *Vhost) error {
	return d.named("vhost", func(field string) error {
		switch field {
		case "description":
			return d.text(&v.Description)
		case "default_queue_type":
			err := d.text(&v.DefaultQueueType)
			if v.DefaultQueueType == "undefined" {
				v.DefaultQueueType = ""
			}
			return err
		case "tags":
			return d.words(&v.Tags)
		case "tracing":
			return d.flag(&v.Tracing)
		}
		return d.identity(field, new(string), &v.Name)
	}, func() bool { return v.Name != "" })
}

func decodeUser(d *decoder, u *User) error {
	return d.named("user", func(field string) error {
		switch field {
		case "password_hash":
			return d.text(&u.PasswordHash)
		case "hashing_algorithm":
			return d.text(&u.HashingAlgorithm)
		case "tags":
			return d.words(&u.Tags)
		}
		return d.identity(field, new(string), &u.Name)
	}, func() bool { return u.Name != "" })
}

func decodePermissions(d *decoder, p *Permissions) error {
	return d.named("permission", func(field string) error {
		switch field {
		case "user":
			return d.text(&p.User)
		case "configure":
			return d.text(&p.Configure)
		case "write":
			return d.text(&p.Write)
		case "read":
			return d.text(&p.Read)
		}
		return d.identity(field, &p.Vhost, new(string))
	}, func() bool { return p.User != "" && p.Vhost != "" })
}

func decodeTopicPermissions(d *decoder, p *TopicPermissions) error {
	return d.named("topic permission", func(field string) error {
		switch field {
		case "user":
			return d.text(&p.User)
		case "exchange":
			return d.text(&p.Exchange)
		case "write":
			return d.text(&p.Write)
		case "read":
			return d.text(&p.Read)
		}
		return d.identity(field, &p.Vhost, new(string))
	}, func() bool { return p.User != "" && p.Vhost != "" })
}

func decodeLimits(d *decoder, l *Limits) error {
	return d.named("limit", func(field string) error {
		switch field {
		case "vhost", "user":
			return d.text(&l.Name)
		case "value":
			return d.limits(&l.Value)
		}
		return skipValue(d)
	}, func() bool { return l.Name != "" })
}

// limits may be negative, which means "no limit".
func (d *decoder) limits(to *map[string]int64) error {
	if d.PeekKind() != '{' {
		return skipValue(d) // [] where there are none
	}
	*to = map[string]int64{}
	return d.object(func(name string) error {
		if d.PeekKind() != '0' {
			return skipValue(d)
		}
		var n int64
		err := d.integer(&n)
		(*to)[name] = n
		return err
	})
}

func splitComma(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
