package rabbitmq

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// noteVhosts says of absent objects that their vhost is absent, too, unless
// the vhost itself is among the queries, so that the caller knows. One
// call for each vhost in which nothing was found.
func (r *reader) noteVhosts(ctx context.Context) error {
	suspects := r.emptyVhosts()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for vhost, absentIn := range suspects {
		g.Go(func() error {
			_, err := vhostNamed(ctx, r.client, vhost)
			if err != nil && endsConnection(err) {
				return err
			}
			// To a closed vhost the broker answers "forbidden", not "not found":
			// one that gave only the latter and is not in the list of what this user
			// may see is not there.
			if absent(err) || mgmt.IsKind(err, mgmt.Forbidden) {
				for _, i := range absentIn {
					r.results[i].Needs = providers.Need{Type: typeVhost, Name: vhost}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// emptyVhosts are the queries of each vhost that has none of what was asked
// for and is not asked for itself.
func (r *reader) emptyVhosts() map[string][]int {
	found, in := map[string]bool{}, map[string][]int{}
	for i, q := range r.queries {
		switch {
		case q.Type == typeVhost:
			found[attr.Text(q.Value, "name")] = true
		case !takesVhost(q.Type) || r.p.catalogue.resources[q.Type] == nil || r.results[i].Err != nil:
		case r.results[i].Value.IsNull():
			v := attr.Text(q.Value, "vhost")
			in[v] = append(in[v], i)
		default:
			found[attr.Text(q.Value, "vhost")] = true
		}
	}
	for v := range found {
		delete(in, v)
	}
	return in
}
