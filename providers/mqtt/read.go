package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A view is what there is of routes on a broker.
type view struct {
	own    *routes.Document // nil: none
	others []routes.Hop     // of other lineages, as far as they can be seen
	router routes.Announcement
	there  bool    // a router of ours announces itself
	broken []error // documents of other lineages that cannot be read
	dots   bool    // . and / are the same to the broker, and others cannot be seen
}

// look reads all tables. An own document that cannot be read is an error;
// others' are noted.
func (p *provider) look(ctx context.Context, r *retained.Reader, more ...string) (*view, map[string][]byte, error) {
	own, router := routes.Topic(p.lineage), routes.RouterTopic(p.lineage)
	all, err := r.Read(ctx, append([]string{own, router, routes.Tables}, more...)...)
	if err != nil {
		return nil, nil, p.answered(ctx, err)
	}
	v := &view{dots: r.Dots()}
	v.router, v.there = routes.ParseAnnouncement(all[router])
	if v.own, err = routes.Parse(p.lineage, all[own]); err != nil {
		return nil, nil, err
	}
	for topic, body := range all {
		if !strings.HasPrefix(topic, routes.Topic("")) || topic == own {
			continue
		}
		doc, err := routes.ParseAny(topic, body)
		if err != nil {
			v.broken = append(v.broken, err)
			continue
		}
		for _, route := range doc.Routes {
			v.others = append(v.others, routes.Hop{Route: route, Lineage: doc.Lineage})
		}
	}
	return v, all, nil
}

// find is a route, and whose it is: ours before others'.
func (v *view) find(lineage, from, to string) (routes.Route, string, bool) {
	if r, ok := v.own.Find(from, to); ok {
		return r, lineage, true
	}
	for _, h := range v.others {
		if h.From == from && h.To == to {
			return h.Route, h.Lineage, true
		}
	}
	return routes.Route{}, "", false
}

// Read implements providers.Provider: one reading for all queries.
func (p *provider) Read(ctx context.Context, queries []providers.Query) ([]providers.Result, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	r, err := p.broker(ctx)
	if err != nil {
		if p.notStarted(err) {
			return p.nothing(queries), nil
		}
		return nil, err
	}
	var topics []string
	if p.settings.embedded {
		topics = append(topics, embedded.LineageTopic)
	}
	for _, q := range queries {
		if t := attr.Text(q.Value, "topic"); t != "" && mqtt.CheckTopic(t) == nil {
			topics = append(topics, t)
		}
	}
	v, all, err := p.look(ctx, r, topics...)
	if err != nil {
		return nil, err
	}
	if p.strangers(all) {
		return p.nothing(queries), nil
	}
	out := make([]providers.Result, len(queries))
	for i, q := range queries {
		out[i] = p.answer(q, v, all, r)
	}
	p.seen.note(v, queries, out)
	return out, nil
}

// notStarted reports whether an error of connecting says that the agent, which
// hosts this broker, does not run: apply starts it.
func (p *provider) notStarted(err error) bool {
	return p.settings.embedded && errors.Is(err, syscall.ECONNREFUSED)
}

// strangers reports whether the broker at the address is not the one that our
// agent hosts: another directory's, or a program that has the port. What is on
// it is none of our business, and starting ours says that the port is taken.
func (p *provider) strangers(all map[string][]byte) bool {
	return p.settings.embedded && string(all[embedded.LineageTopic]) != p.lineage
}

func (p *provider) answer(q providers.Query, v *view, all map[string][]byte, r *retained.Reader) providers.Result {
	null, ok := p.null(q.Type)
	if !ok {
		return providers.Result{Err: fmt.Errorf("an MQTT broker has no %s", q.Type)}
	}
	res := providers.Result{Value: null}
	switch q.Type {
	case typeRoute:
		if route, owner, there := v.find(p.lineage, attr.Text(q.Value, "from"), attr.Text(q.Value, "to")); there {
			res.Value, res.Owner = routeValue(route), owner
		}
	case typeRetained:
		topic := attr.Text(q.Value, "topic")
		if body, there := all[r.Key(topic)]; there {
			res.Value = retainedValue(topic, body)
		}
	case dataRetained:
		topic := attr.Text(q.Value, "topic")
		if body, there := all[r.Key(topic)]; there {
			res.Value = cty.ObjectVal(map[string]cty.Value{"topic": cty.StringVal(topic), "payload": payloadText(body)})
		}
	}
	return res
}

// nothing is the answer while the broker that the agent is to host is not up.
// What it keeps is back with it; what it does not has to be made again.
func (p *provider) nothing(queries []providers.Query) []providers.Result {
	out := make([]providers.Result, len(queries))
	for i, q := range queries {
		null, ok := p.null(q.Type)
		if !ok {
			out[i].Err = fmt.Errorf("an MQTT broker has no %s", q.Type)
			continue
		}
		out[i] = providers.Result{Value: null}
		if p.settings.persist {
			out[i].Note = "the agent, which hosts its broker, is not running"
		}
	}
	return out
}

// List finds the routes and retained messages of a broker; an MQTT broker has
// no vhosts. Match is a glob over topics, of a route over its source.
func (p *provider) List(ctx context.Context, _, match string) ([]providers.Object, error) {
	if match != "" && !doublestar.ValidatePattern(match) {
		return nil, fmt.Errorf("%q is no pattern: * stands for any characters, ? for one, [ab] for one of those", match)
	}
	r, err := p.broker(ctx)
	if err != nil {
		return nil, err
	}
	v, all, err := p.look(ctx, r, "#")
	if err != nil {
		return nil, err
	}
	var out []providers.Object
	add := func(name string, o providers.Object) {
		if match == "" || doublestar.MatchUnvalidated(slashless.Replace(match), slashless.Replace(name)) {
			out = append(out, o)
		}
	}
	if v.own != nil {
		for _, route := range v.own.Routes {
			add(route.From, providers.Object{Type: typeRoute, Value: routeValue(route), Owner: p.lineage})
		}
	}
	for _, h := range v.others {
		add(h.From, providers.Object{Type: typeRoute, Value: routeValue(h.Route), Owner: h.Lineage})
	}
	for topic, body := range all {
		if routes.CheckPublished(topic) == nil {
			add(topic, providers.Object{Type: typeRetained, Value: retainedValue(topic, body)})
		}
	}
	slices.SortFunc(out, func(a, b providers.Object) int {
		return strings.Compare(a.Type+" "+id(a), b.Type+" "+id(b))
	})
	return out, nil
}

// slashless keeps * from stopping at the slashes of a topic.
var slashless = strings.NewReplacer("/", "\x00") //nolint:gochecknoglobals // a table

func id(o providers.Object) string {
	return attr.Text(o.Value, "topic") + attr.Text(o.Value, "from") + arrow + attr.Text(o.Value, "to")
}
