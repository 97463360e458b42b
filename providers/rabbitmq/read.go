package rabbitmq

import (
	"context"
	"errors"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

const (
	// fewObjects is up to how many objects of a vhost are asked for by name.
	// A name costs a call of some 1.5 ms of the broker's time; an object of a
	// sweep some 50 µs, wanted or not.
	fewObjects = 200
	// sweepAdvantage is how many objects a sweep reads in the time of one call.
	sweepAdvantage = 25
	// fewGlobals is the same for users, vhosts, permissions, whose number is
	// not known beforehand.
	fewGlobals = 50
	// parallelReads is how many calls run at a time.
	parallelReads = 16
)

// Read implements providers.Provider: one sweep a vhost, or each object by its
// name where few are wanted of many.
func (p *provider) Read(ctx context.Context, queries []providers.Query) ([]providers.Result, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	results := make([]providers.Result, len(queries))
	client, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return results, p.readPassively(ctx, queries, results)
	}
	if err != nil {
		return nil, err
	}
	p.seen.note(queries, p.brokerVersion())
	r := &reader{p: p, client: client, queries: queries, results: results}
	if err := r.run(ctx); err != nil {
		return nil, p.managementError(err)
	}
	if err := r.noteVhosts(ctx); err != nil {
		return nil, p.managementError(err)
	}
	return results, nil
}

// reader is one Read.
type reader struct {
	p       *provider
	client  *mgmt.Client
	queries []providers.Query
	results []providers.Result
}

// run groups the queries: those of a vhost's topology by vhost, the others by
// type, data sources one by one since they want statistics.
func (r *reader) run(ctx context.Context) error {
	vhosts, globals := map[string][]int{}, map[string][]int{}
	var single []int
	for i, q := range r.queries {
		switch q.Type {
		case typeInitial:
			r.results[i].Value = cty.UnknownVal(r.p.nullType(typeInitial))
		case typeQueue, typeExchange, typeBinding, typePolicy, typeOpPolicy, typeParameter, typeShovel, typeUpstream:
			v := attr.Text(q.Value, "vhost")
			vhosts[v] = append(vhosts[v], i)
		case typeVhost, typeUser, typePermission, typeTopicPerm, typeVhostLimit, typeUserLimit, typeGlobalParam:
			globals[q.Type] = append(globals[q.Type], i)
		default:
			single = append(single, i)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	count := map[string]int{}
	for v, wanted := range vhosts {
		count[v] = len(wanted)
	}
	sweep, err := worthSweeping(ctx, r.client, count)
	if err != nil {
		return err
	}
	for vhost, wanted := range vhosts {
		if sweep[vhost] {
			g.Go(func() error { return r.sweep(ctx, vhost, wanted) })
		} else {
			single = append(single, wanted...)
		}
	}
	for typ, wanted := range globals {
		if len(wanted) > fewGlobals {
			g.Go(func() error { return r.sweepGlobals(ctx, typ, wanted) })
		} else {
			single = append(single, wanted...)
		}
	}
	for _, i := range single {
		g.Go(func() error { return r.byName(ctx, i) })
	}
	return g.Wait()
}

// worthSweeping decides, by how many objects of each vhost are asked about,
// between reading the vhost whole and asking by name.
func worthSweeping(ctx context.Context, c *mgmt.Client, count map[string]int) (map[string]bool, error) {
	sweep := map[string]bool{}
	var unsure []string
	for v, n := range count {
		switch {
		case n > fewObjects:
			sweep[v] = true
		case n > 4:
			unsure = append(unsure, v)
		}
	}
	if len(unsure) == 0 {
		return sweep, nil
	}
	t, err := c.Totals(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range unsure {
		if t.Queues >= 0 && t.Exchanges >= 0 {
			sweep[v] = (t.Queues+t.Exchanges)*2 < int64(count[v]*sweepAdvantage)
		}
	}
	return sweep, nil
}

// answer stores one result; an error that ends the connection is returned, any
// other belongs to the query.
func (r *reader) answer(i int, v cty.Value, owner string, err error) error {
	if err != nil {
		if absent(err) {
			err = nil
		} else if endsConnection(err) {
			return err
		}
		_ = r.none(i)
		r.results[i].Err = err
		return nil
	}
	r.results[i] = providers.Result{Value: v, Owner: owner}
	return nil
}

func (r *reader) none(i int) error {
	q := r.queries[i]
	r.results[i] = providers.Result{Value: cty.NullVal(r.p.nullType(q.Type)), Note: transient(q)}
	return nil
}

// transient says why an object may be gone as it should be: making it again
// would be wrong, or for nothing.
func transient(q providers.Query) string {
	switch {
	case q.Type == typeQueue && attr.Bool(q.Value, "auto_delete", false):
		return "it is auto_delete, and goes with its last consumer"
	case q.Type == typeShovel && attr.String(normalShovelEnd(q.Value)) != "":
		return "it has delete_after, and is gone when its work is done"
	}
	return ""
}

// normalShovelEnd is delete_after, null where that is never.
func normalShovelEnd(v cty.Value) cty.Value { return attr.Of(normalize(typeShovel, v), "delete_after") }

func (p *provider) nullType(typ string) cty.Type {
	if t, ok := p.types[typ]; ok {
		return t
	}
	return cty.DynamicPseudoType
}

func absent(err error) bool { return mgmt.IsNotFound(err) }

func endsConnection(err error) bool {
	if e, ok := errors.AsType[*mgmt.Error](err); ok {
		return e.EndsConnection()
	}
	var c *providers.ConnectionError
	return errors.As(err, &c) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
