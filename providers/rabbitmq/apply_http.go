package rabbitmq

import (
	"context"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// put makes or changes an object over HTTP, and reads it back.
func (p *provider) put(ctx context.Context, c providers.Change) (cty.Value, error) {
	client, err := p.client(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	if err := p.checkSupported(c.Type, c.After); err != nil {
		return c.Before, err
	}
	what := "writing " + describe(c.Type, c.After)
	if err := p.write(ctx, client, c); err != nil {
		return cty.NilVal, explainHTTP(what, err)
	}
	return p.readBack(ctx, client, c)
}

// checkSupported refuses what this version of the broker takes and ignores.
func (p *provider) checkSupported(typ string, v cty.Value) error {
	version := p.brokerVersion()
	if typ == typeVhost && attr.Text(v, "default_queue_type") != "" && before(version, "3.11") {
		return at("default_queue_type").NewErrorf("this broker is RabbitMQ %s, which takes a vhost's default queue type and ignores it; 3.11 is the first version that has it. "+
			"Leave the attribute out and give each queue its type", version)
	}
	return nil
}

func (p *provider) write(ctx context.Context, c *mgmt.Client, ch providers.Change) error {
	v := ch.After
	name, vhost, user := attr.Text(v, "name"), attr.Text(v, "vhost"), attr.Text(v, "user")
	put := func(body any, segments ...string) error {
		_, err := c.Put(ctx, body, segments...)
		return err
	}
	parameter := func(component string, value any) error {
		return put(map[string]any{"value": value}, "parameters", component, vhost, name)
	}
	switch ch.Type {
	case typeVhost:
		p.forget(name)
		return put(vhostWire(v), "vhosts", name)
	case typeUser:
		live, err := c.User(ctx, name)
		if err != nil && !absent(err) {
			return err
		}
		if live != nil && name == p.settings.username {
			if err := keepsLogin(live, v); err != nil {
				return err
			}
		}
		return put(userWire(v, live), "users", name)
	case typePermission:
		return put(wireNames(v, "configure", "write", "read"), "permissions", vhost, user)
	case typeTopicPerm:
		return put(wireNames(v, "exchange", "write", "read"), "topic-permissions", vhost, user)
	case typePolicy:
		return put(policyWire(v), "policies", vhost, name)
	case typeOpPolicy:
		return put(policyWire(v), "operator-policies", vhost, name)
	case typeParameter:
		return parameter(attr.Text(v, "component"), toWire(attr.Of(v, "value")))
	case typeGlobalParam:
		return put(map[string]any{"value": toWire(attr.Of(v, "value"))}, "global-parameters", name)
	case typeShovel:
		return parameter(componentShovel, shovelWire(v))
	case typeUpstream:
		return parameter(componentUpstream, upstreamWire(v))
	case typeVhostLimit:
		return writeLimits(ctx, c, ch, "vhost-limits", vhost)
	case typeUserLimit:
		return writeLimits(ctx, c, ch, "user-limits", user)
	}
	return fmt.Errorf("a RabbitMQ broker has no objects of type %q", ch.Type)
}

// keepsLogin refuses to change the user that this run is logged in as so that
// it could not even be read back: whoever else may repair that is not known here.
func keepsLogin(live *mgmt.User, wanted cty.Value) error {
	const administrator = "administrator"
	password := attr.Of(wanted, "password")
	switch {
	case attr.Given(password) && !passwordMatches(attr.String(password), live.PasswordHash, live.HashingAlgorithm):
		return at("password").NewErrorf("user %q is the one this run is logged in as, and this is not its present password: with it changed, nothing further could be done. "+
			"Change it as another user or by rabbitmqctl change_password, then in the broker's URL", live.Name)
	case slices.Contains(live.Tags, administrator) && !slices.Contains(attr.Strings(attr.Of(wanted, "tags")), administrator):
		return at("tags").NewErrorf("user %q is the one this run is logged in as, and without the tag %q it could manage users no more. Keep the tag, or log in as another user", live.Name, administrator)
	}
	return nil
}

// writeLimits sets each limit that is wanted, then clears each that is not: of
// a user that is not there 3.10 says so to the first and fails at the second.
func writeLimits(ctx context.Context, c *mgmt.Client, ch providers.Change, collection, name string) error {
	wanted := normalize(ch.Type, ch.After)
	limits := limitNames(ch.Type)
	var unset []string
	for _, a := range sortedKeys(limits) {
		n, ok := intAttr(wanted, a)
		if !ok {
			unset = append(unset, limits[a])
			continue
		}
		if _, err := c.Put(ctx, map[string]any{"value": n}, collection, name, limits[a]); err != nil {
			return err
		}
	}
	for _, limit := range unset {
		if err := unlessAbsent(c.Delete(ctx, collection, name, limit)); err != nil {
			return err
		}
	}
	return nil
}

// readBack compares what the broker has now with what it was given. A field
// that it accepted and ignored is an error at the attribute, instead of a
// difference that never goes away.
func (p *provider) readBack(ctx context.Context, c *mgmt.Client, ch providers.Change) (cty.Value, error) {
	live, _, err := p.readOne(ctx, c, ch.Type, ch.After)
	if err != nil && !absent(err) {
		return cty.NilVal, explainHTTP("reading back "+describe(ch.Type, ch.After), err)
	}
	if err != nil || live.IsNull() {
		if ch.Type == typeShovel && attr.Text(ch.After, "delete_after") != "" {
			return ch.After, nil // done already, and gone
		}
		if (ch.Type == typeVhostLimit || ch.Type == typeUserLimit) && !isWritten(normalize(ch.Type, ch.After), "max_connections") {
			return ch.After, nil // what was wanted is that there be none
		}
		return cty.NullVal(p.nullType(ch.Type)), fmt.Errorf("the broker took %s and does not have it: somebody else may have removed it at once", describe(ch.Type, ch.After))
	}
	wanted, got := normalize(ch.Type, ch.After), normalize(ch.Type, live)
	for i := range p.catalogue.resources[ch.Type].Attrs {
		a := &p.catalogue.resources[ch.Type].Attrs[i]
		w, g := attr.Of(wanted, a.Name), attr.Of(got, a.Name)
		if !w.IsKnown() || !w.IsWhollyKnown() || a.WriteOnly && w.IsNull() || sameRaw(w, g) || w.IsNull() && g.IsNull() {
			continue
		}
		if len(a.Sensitive) > 0 || slices.ContainsFunc(a.Attrs, func(b providers.Attr) bool { return len(b.Sensitive) > 0 }) {
			return live, at(a.Name).NewErrorf("the broker took %s and changed or ignored this part of it", describe(ch.Type, ch.After))
		}
		return live, at(a.Name).NewErrorf("the broker took %s and changed or ignored this part: it says %s where %s was written; its version may not have this",
			describe(ch.Type, ch.After), show(g), show(w))
	}
	return ch.After, nil
}

// deleteOverHTTP removes what AMQP has no verb for.
func (p *provider) deleteOverHTTP(ctx context.Context, ch providers.Change) error {
	c, err := p.client(ctx)
	if err != nil {
		return err
	}
	v := ch.Before
	name, vhost, user := attr.Text(v, "name"), attr.Text(v, "vhost"), attr.Text(v, "user")
	var path []string
	switch ch.Type {
	case typeUser:
		if name == p.settings.username {
			return &providers.RefusedError{Detail: fmt.Sprintf("user %q is the one this run is logged in as; log in as another one to delete it", name)}
		}
		path = []string{"users", name}
	case typePermission:
		path = []string{"permissions", vhost, user}
	case typeTopicPerm:
		path = []string{"topic-permissions", vhost, user, attr.Text(v, "exchange")}
	case typePolicy:
		path = []string{"policies", vhost, name}
	case typeOpPolicy:
		path = []string{"operator-policies", vhost, name}
	case typeParameter:
		path = []string{"parameters", attr.Text(v, "component"), vhost, name}
	case typeGlobalParam:
		path = []string{"global-parameters", name}
	case typeShovel:
		path = []string{"parameters", componentShovel, vhost, name}
	case typeUpstream:
		path = []string{"parameters", componentUpstream, vhost, name}
	case typeVhostLimit, typeUserLimit:
		collection, of := "vhost-limits", vhost
		if ch.Type == typeUserLimit {
			collection, of = "user-limits", user
		}
		limits := limitNames(ch.Type)
		for _, a := range sortedKeys(limits) {
			err := unlessAbsent(c.Delete(ctx, collection, of, limits[a]))
			if err == nil {
				continue
			}
			if ch.Type == typeUserLimit {
				if _, gone := c.User(ctx, user); absent(gone) {
					return nil // they went with the user, and 3.10 fails
				}
			}
			return explainHTTP("deleting "+describe(ch.Type, v), err)
		}
		return nil
	}
	return explainHTTP("deleting "+describe(ch.Type, v), unlessAbsent(c.Delete(ctx, path...)))
}
