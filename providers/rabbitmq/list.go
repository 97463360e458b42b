package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// List implements providers.Lister.
func (p *provider) List(ctx context.Context, vhost, match string) ([]providers.Object, error) {
	c, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return nil, fmt.Errorf("what is on the broker can be listed by the management API only, and %w", err)
	}
	if err != nil {
		return nil, err
	}
	if match != "" && !doublestar.ValidatePattern(match) {
		return nil, fmt.Errorf("%q is no pattern: * stands for any characters, ? for one, [ab] for one of those", match)
	}
	out, err := p.list(ctx, c, vhost, match)
	return out, p.managementError(err)
}

func (p *provider) list(ctx context.Context, c *mgmt.Client, vhost, match string) ([]providers.Object, error) {
	var out []providers.Object
	vhosts := []string{vhost}
	if vhost == "" {
		globals, all, err := listGlobals(ctx, c, match)
		if err != nil {
			return nil, err
		}
		out, vhosts = globals, all
	}
	for _, v := range vhosts {
		inside, err := p.inside(ctx, c, v, match)
		if err != nil && vhost == "" {
			inside, err = p.insideAgain(ctx, c, v, match, err)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, inside...)
	}
	access, err := listAccess(ctx, c, vhost, match)
	return append(out, access...), err
}

// insideAgain deals with a vhost that could not be listed among all: others
// make and delete vhosts meanwhile, and of one that is on its way the broker
// tells half a story. What is gone is passed over, what is there is read again.
func (p *provider) insideAgain(ctx context.Context, c *mgmt.Client, vhost, match string, err error) ([]providers.Object, error) {
	const (
		again = 10
		pause = 200 * time.Millisecond
	)
	for range again {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		if _, gone := c.Vhost(ctx, vhost); mgmt.IsNotFound(gone) {
			return nil, nil
		}
		var out []providers.Object
		if out, err = p.inside(ctx, c, vhost, match); err == nil {
			return out, nil
		}
	}
	return nil, err
}

// matches is a glob over names. A slash is a character like others.
func matches(match, name string) bool {
	if match == "" {
		return true
	}
	flat := strings.NewReplacer("/", "\x00")
	ok, _ := doublestar.Match(flat.Replace(match), flat.Replace(name))
	return ok
}

// inside are the objects in one vhost that were made, not those that every
// vhost has: amq.* exchanges, the default exchange's bindings.
func (p *provider) inside(ctx context.Context, c *mgmt.Client, vhost, match string) ([]providers.Object, error) {
	all := map[string]bool{typeQueue: true, typeExchange: true, typeBinding: true, typePolicy: true, typeParameter: true}
	defs, err := readDefinitions(ctx, c, vhost, all, true)
	if err != nil {
		return nil, err
	}
	var out []providers.Object
	add := func(typ, name string, v cty.Value, owner string) {
		if matches(match, name) {
			out = append(out, providers.Object{Type: typ, Value: v, Owner: owner})
		}
	}
	for i := range defs.Exchanges {
		x := &defs.Exchanges[i]
		if x.Name != "" && !strings.HasPrefix(x.Name, "amq.") {
			v, owner := exchangeValue(x)
			add(typeExchange, x.Name, v, owner)
		}
	}
	for i := range defs.Queues {
		v, owner := queueValue(&defs.Queues[i])
		add(typeQueue, defs.Queues[i].Name, v, owner)
	}
	for i := range defs.Bindings {
		if b := &defs.Bindings[i]; b.Source != "" {
			add(typeBinding, b.Destination, bindingValue(b), "")
		}
	}
	for i := range defs.Policies {
		add(typePolicy, defs.Policies[i].Name, policyValue(&defs.Policies[i]), "")
	}
	for i := range defs.Parameters {
		typ, v := parameterObject(&defs.Parameters[i])
		name := defs.Parameters[i].Name
		if typ == typeVhostLimit {
			name = vhost
		}
		if typ != "" {
			add(typ, name, v, "")
		}
	}
	return out, nil
}

// parameterObject is the object that a runtime parameter stands for.
func parameterObject(x *mgmt.Parameter) (typ string, v cty.Value) {
	switch x.Component {
	case componentShovel:
		return typeShovel, shovelValue(x)
	case componentUpstream:
		return typeUpstream, upstreamValue(x)
	case componentOpPolicy:
		return typeOpPolicy, operatorPolicyValue(x)
	case "policy":
		return "", cty.NilVal // among the policies
	case componentLimits:
		limits := map[string]int64{}
		each(fromJSON(x.Value), func(k string, n cty.Value) {
			if n.Type() == cty.Number {
				limits[k], _ = n.AsBigFloat().Int64()
			}
		})
		if v, ok := limitsValue(typeVhostLimit, x.Vhost, limits); ok {
			return typeVhostLimit, v
		}
		return "", cty.NilVal
	}
	return typeParameter, parameterValue(x)
}

// listGlobals are the objects of the broker as a whole, and the names of its vhosts.
func listGlobals(ctx context.Context, c *mgmt.Client, match string) (out []providers.Object, vhosts []string, err error) {
	add := func(typ, name string, v cty.Value) {
		if matches(match, name) {
			out = append(out, providers.Object{Type: typ, Value: v})
		}
	}
	vs, err := c.Vhosts(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range vs {
		add(typeVhost, vs[i].Name, vhostValue(&vs[i]))
		vhosts = append(vhosts, vs[i].Name)
	}
	users, err := c.Users(ctx)
	if err = unlessForbidden(err); err != nil {
		return nil, nil, err
	}
	for i := range users {
		add(typeUser, users[i].Name, userValue(&users[i], cty.NilVal))
	}
	limits, err := c.UserLimits(ctx)
	if err = unlessForbidden(err); err != nil {
		return nil, nil, err
	}
	for _, l := range limits {
		if v, ok := limitsValue(typeUserLimit, l.Name, l.Value); ok {
			add(typeUserLimit, l.Name, v)
		}
	}
	params, err := c.GlobalParameters(ctx)
	if err = unlessForbidden(err); err != nil {
		return nil, nil, err
	}
	for i := range params {
		// The broker's own; nobody declares them.
		if !slices.Contains([]string{"internal_cluster_id", "cluster_name", "cluster_tags", "imported_definition_hash_value"}, params[i].Name) {
			add(typeGlobalParam, params[i].Name, globalParameterValue(&params[i]))
		}
	}
	return out, vhosts, nil
}

// listAccess are the permissions in one vhost, or in all.
func listAccess(ctx context.Context, c *mgmt.Client, vhost, match string) (out []providers.Object, err error) {
	perms, err := c.Permissions(ctx)
	if err = unlessForbidden(err); err != nil {
		return nil, err
	}
	for i := range perms {
		if x := &perms[i]; (vhost == "" || x.Vhost == vhost) && matches(match, x.User) {
			out = append(out, providers.Object{Type: typePermission, Value: permissionValue(x)})
		}
	}
	topics, err := c.TopicPermissions(ctx)
	if err = unlessForbidden(err); err != nil {
		return nil, err
	}
	for i := range topics {
		if x := &topics[i]; (vhost == "" || x.Vhost == vhost) && matches(match, x.User) {
			out = append(out, providers.Object{Type: typeTopicPerm, Value: topicPermissionValue(x)})
		}
	}
	return out, nil
}

// unlessForbidden: what the user may not see is not listed.
func unlessForbidden(err error) error {
	if mgmt.IsKind(err, mgmt.Forbidden) {
		return nil
	}
	return err
}
