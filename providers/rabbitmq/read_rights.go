package rabbitmq

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// Of some objects the broker shows a list to users to whom it refuses each
// by its name (3.10: a vhost wants administrator, vhosts only management). What
// can be seen is read, so that a plan needs no more rights than there must be.

// vhostNamed reads a vhost. By name only administrators may, in the list every
// user finds those that are open to him. The error is of kind Forbidden where the
// list does not tell.
func vhostNamed(ctx context.Context, c *mgmt.Client, name string) (*mgmt.Vhost, error) {
	v, err := c.Vhost(ctx, name)
	if !mgmt.IsKind(err, mgmt.Forbidden) {
		return v, err
	}
	all, listErr := c.Vhosts(ctx)
	if listErr != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, err
}

// policyNamed reads a policy: by name only policymakers may, in the list whoever
// may enter the vhost.
func policyNamed(ctx context.Context, c *mgmt.Client, vhost, name string) (*mgmt.Policy, error) {
	p, err := c.Policy(ctx, vhost, name)
	if !mgmt.IsKind(err, mgmt.Forbidden) {
		return p, err
	}
	all, listErr := c.Policies(ctx, vhost)
	if listErr != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, nil
}

// readOperatorPolicy reads an operator policy: by name only administrators may,
// among the parameters policymakers.
func readOperatorPolicy(ctx context.Context, c *mgmt.Client, vhost, name string) (cty.Value, string, error) {
	p, err := c.OperatorPolicy(ctx, vhost, name)
	if err == nil {
		return policyValue(p), "", nil
	}
	null := cty.NullVal(cty.DynamicPseudoType)
	if !mgmt.IsKind(err, mgmt.Forbidden) {
		return null, "", err
	}
	parameter, listErr := c.Parameter(ctx, componentOpPolicy, vhost, name)
	switch {
	case absent(listErr):
		return null, "", nil
	case listErr != nil:
		return null, "", err
	}
	return operatorPolicyValue(parameter), "", nil
}
