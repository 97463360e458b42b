package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

func brokerClient(t testing.TB, b *rabbittest.Broker, user, password string) *Client {
	t.Helper()
	c, err := New(Options{URL: b.ManagementURL, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func admin(t testing.TB) (*rabbittest.Broker, *Client) {
	b := rabbittest.Shared(t)
	return b, brokerClient(t, b, rabbittest.User, rabbittest.Password)
}

// must makes a call's result fatal where it failed.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestOverviewOfABroker(t *testing.T) {
	_, c := admin(t)
	leaktest.Check(t)
	defer c.Close()
	o := must(c.Overview(t.Context()))(t)
	for _, want := range []string{"direct", "fanout", "topic", "headers", "x-consistent-hash"} {
		if !slices.Contains(o.ExchangeTypes, want) {
			t.Errorf("exchange types %v lack %s", o.ExchangeTypes, want)
		}
	}
	if slices.Contains(o.ExchangeTypes, "x-federation-upstream") {
		t.Error("an exchange type that is the broker's own is offered")
	}
	if o.RabbitMQ == "" || o.Management == "" || o.Node == "" {
		t.Errorf("incomplete: %+v", o)
	}
	if who := must(c.Whoami(t.Context()))(t); who.Name != rabbittest.User || !slices.Contains(who.Tags, "administrator") {
		t.Errorf("whoami: %+v", who)
	}
	plugins, known, err := c.Plugins(t.Context())
	if err != nil || !known || !slices.Contains(plugins, "rabbitmq_shovel") {
		t.Errorf("plugins: %v %v %v", plugins, known, err)
	}
}

// Names that other clients break on must survive the way there and back.
func TestNamesRoundTrip(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	ctx := t.Context()
	names := []string{"a/b", "%2F", "a b", "?x#y", "ünïcode", "a+b", "a;b:c@d", "...", "-x", "~", "\x1b[31m", strings.Repeat("n", 255)}
	for _, name := range names {
		must(c.Put(ctx, map[string]any{"durable": true}, "queues", vhost, name))(t)
		if q := must(c.Queue(ctx, vhost, name))(t); q.Name != name {
			t.Errorf("asked for %q, got %q", name, q.Name)
		}
	}
	got := []string{}
	for _, q := range must(c.Definitions(ctx, vhost))(t).Queues {
		got = append(got, q.Name)
	}
	slices.Sort(names)
	slices.Sort(got)
	if !slices.Equal(names, got) {
		t.Errorf("declared %q\nlisted   %q", names, got)
	}
	for _, name := range names {
		if err := c.Delete(ctx, "queues", vhost, name); err != nil {
			t.Errorf("deleting %q: %v", name, err)
		}
	}
	for _, name := range []string{".", "..", "", "a\nb"} {
		if _, err := c.Put(ctx, map[string]any{}, "queues", vhost, name); !IsKind(err, BadName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Every type that an AMQP table can hold comes back as JSON tells it, and
// integers stay apart from floats.
func TestArgumentsKeepTheirTypes(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	conn := must(amqp.Dial(b.VhostURL(vhost)))(t)
	defer conn.Close()
	ch := must(conn.Channel())(t)
	args := amqp.Table{"int": int64(12345678901234567), "small": int32(1), "float": 1.0, "fraction": 1.5, "text": "5000",
		"yes": true, "list": []any{int32(1), "a", amqp.Table{"k": 2.0}}, "table": amqp.Table{"k": int32(1)}}
	if err := ch.ExchangeDeclare("h", "headers", true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	must(ch.QueueDeclare("q", true, false, false, false, nil))(t)
	if err := ch.QueueBind("q", "key", "h", false, args); err != nil {
		t.Fatal(err)
	}
	want := `{"float":1.0,"fraction":1.5,"int":12345678901234567,"list":[1,"a",{"k":2.0}],"small":1,"table":{"k":1},"text":"5000","yes":true}`
	defs := must(c.Definitions(t.Context(), vhost))(t)
	bindings := must(c.Bindings(t.Context(), vhost))(t)
	i := slices.IndexFunc(bindings, func(b Binding) bool { return b.Source == "h" })
	for what, got := range map[string]map[string]any{
		"exchange": defs.Exchanges[0].Arguments, "binding": defs.Bindings[0].Arguments, "bindings": bindings[i].Arguments,
	} {
		if data := must(json.Marshal(got))(t); string(data) != want {
			t.Errorf("%s:\nwant %s\ngot  %s", what, want, data)
		}
	}
}

func TestBindingsAreFoundAndDeletedByKey(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	ctx := t.Context()
	must(c.Put(ctx, map[string]any{"type": "headers"}, "exchanges", vhost, "x/y"))(t)
	must(c.Put(ctx, map[string]any{"type": "fanout"}, "exchanges", vhost, "z"))(t)
	must(c.Put(ctx, map[string]any{"durable": true}, "queues", vhost, "q/q"))(t)
	var want int
	for _, key := range []string{"", "~", "a.b", "a b/%2F+c", "ü", "#"} {
		for _, args := range []map[string]any{nil, {"n": 1}, {"f": 1.5, "s": "x"}} {
			for _, kind := range []string{"queue", "exchange"} {
				to := map[string]string{"queue": "q/q", "exchange": "z"}[kind]
				if err := c.PutBinding(ctx, Binding{Vhost: vhost, Source: "x/y", Destination: to, DestinationType: kind, RoutingKey: key, Arguments: args}); err != nil {
					t.Fatal(err)
				}
				want++
			}
		}
	}
	got := must(c.BindingsFrom(ctx, vhost, "x/y"))(t)
	if len(got) != want {
		t.Fatalf("%d bindings, want %d", len(got), want)
	}
	for _, b := range got {
		if err := c.DeleteBinding(ctx, b); err != nil {
			t.Errorf("deleting %+v: %v", b, err)
		}
	}
	if left := must(c.BindingsFrom(ctx, vhost, "x/y"))(t); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// Found on 3.10.8: such a binding makes the broker fail to list any of the
// vhost's bindings. The error must name the cause, since nothing else does.
func TestTheBindingThatBreaksLists(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	conn := must(amqp.Dial(b.VhostURL(vhost)))(t)
	defer conn.Close()
	ch := must(conn.Channel())(t)
	must(ch.QueueDeclare("q", true, false, false, false, nil))(t)
	if err := ch.QueueBind("q", "a~b", "amq.headers", false, amqp.Table{"n": int32(1)}); err != nil {
		t.Fatal(err)
	}
	c.opts.Retry.Tries = 1
	bindings, err := c.Bindings(t.Context(), vhost)
	if err == nil {
		if len(bindings) != 2 {
			t.Errorf("a broker without the fault lists both bindings, not %+v", bindings)
		}
		return
	}
	if !IsKind(err, BrokerFailed) || !strings.Contains(err.Error(), `"~"`) {
		t.Errorf("the error does not name the cause: %v", err)
	}
}

func TestAccessObjects(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	ctx := t.Context()
	user := "u/" + vhost
	must(c.Put(ctx, map[string]any{"password": "s3cret", "tags": "management,policymaker"}, "users", user))(t)
	t.Cleanup(func() { c.Delete(context.Background(), "users", user) })
	must(c.Put(ctx, map[string]any{"configure": "^a", "write": ".*", "read": ""}, "permissions", vhost, user))(t)
	must(c.Put(ctx, map[string]any{"exchange": "amq.topic", "write": "w", "read": "r"}, "topic-permissions", vhost, user))(t)
	none := must(c.UserLimitsOf(ctx, user))(t)
	must(c.Put(ctx, map[string]any{"value": 7}, "vhost-limits", vhost, "max-queues"))(t)
	must(c.Put(ctx, map[string]any{"value": 3}, "user-limits", user, "max-channels"))(t)
	must(c.Put(ctx, map[string]any{"value": map[string]any{"a": 1.5}}, "global-parameters", vhost))(t)
	t.Cleanup(func() { c.Delete(context.Background(), "global-parameters", vhost) })
	must(c.Put(ctx, map[string]any{"value": map[string]any{"uri": "amqp://"}}, "parameters", "federation-upstream", vhost, "up"))(t)
	must(c.Put(ctx, map[string]any{"pattern": "^q", "definition": map[string]any{"max-length": 10}, "priority": 2, "apply-to": "queues"}, "policies", vhost, "p"))(t)
	must(c.Put(ctx, map[string]any{"pattern": "^q", "definition": map[string]any{"max-length": 9}, "priority": 1, "apply-to": "queues"}, "operator-policies", vhost, "p"))(t)

	check := func(what string, got, want any) {
		t.Helper()
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
			t.Errorf("%s:\nwant %s\ngot  %s", what, w, g)
		}
	}
	check("no limits", none, Limits{Name: user})
	u := must(c.User(ctx, user))(t)
	check("user tags", u.Tags, []string{"management", "policymaker"})
	check("permissions", *must(c.PermissionsOf(ctx, vhost, user))(t), Permissions{user, vhost, "^a", ".*", ""})
	check("topic permissions", must(c.TopicPermissionsOf(ctx, vhost, user))(t), []TopicPermissions{{user, vhost, "amq.topic", "w", "r"}})
	check("vhost limits", must(c.VhostLimitsOf(ctx, vhost))(t), Limits{vhost, map[string]int64{"max-queues": 7}})
	check("user limits", must(c.UserLimitsOf(ctx, user))(t), Limits{user, map[string]int64{"max-channels": 3}})
	check("global parameter", must(c.GlobalParameter(ctx, vhost))(t).Value, map[string]any{"a": json.Number("1.5")})
	check("parameter", *must(c.Parameter(ctx, "federation-upstream", vhost, "up"))(t), Parameter{vhost, "federation-upstream", "up", map[string]any{"uri": "amqp://"}})
	check("policy", *must(c.Policy(ctx, vhost, "p"))(t), Policy{vhost, "p", "^q", "queues", 2, map[string]any{"max-length": json.Number("10")}})
	check("operator policy", *must(c.OperatorPolicy(ctx, vhost, "p"))(t), Policy{vhost, "p", "^q", "queues", 1, map[string]any{"max-length": json.Number("9")}})
	check("vhost", must(c.Vhost(ctx, vhost))(t).DefaultQueueType, "")

	for what, contains := range map[string]bool{
		"users":             slices.ContainsFunc(must(c.Users(ctx))(t), func(u User) bool { return u.Name == user }),
		"vhosts":            slices.ContainsFunc(must(c.Vhosts(ctx))(t), func(v Vhost) bool { return v.Name == vhost }),
		"permissions":       slices.ContainsFunc(must(c.Permissions(ctx))(t), func(p Permissions) bool { return p.User == user }),
		"topic permissions": slices.ContainsFunc(must(c.TopicPermissions(ctx))(t), func(p TopicPermissions) bool { return p.User == user }),
		"vhost limits":      slices.ContainsFunc(must(c.VhostLimits(ctx))(t), func(l Limits) bool { return l.Name == vhost }),
		"user limits":       slices.ContainsFunc(must(c.UserLimits(ctx))(t), func(l Limits) bool { return l.Name == user }),
		"global parameters": slices.ContainsFunc(must(c.GlobalParameters(ctx))(t), func(p Parameter) bool { return p.Name == vhost }),
		"parameters":        slices.ContainsFunc(must(c.Parameters(ctx))(t), func(p Parameter) bool { return p.Vhost == vhost }),
		"policies":          len(must(c.Policies(ctx, vhost))(t)) == 1,
		"operator policies": len(must(c.OperatorPolicies(ctx, vhost))(t)) == 1,
		"definitions":       len(must(c.Definitions(ctx, vhost))(t).Policies) == 1,
		"exchanges":         len(must(c.Exchanges(ctx, vhost))(t)) >= 7,
	} {
		if !contains {
			t.Errorf("the list of %s lacks it", what)
		}
	}
}

func TestAbsentIsNotFound(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	ctx := t.Context()
	for what, err := range map[string]error{
		"queue":               second(c.Queue(ctx, vhost, "none")),
		"exchange":            second(c.Exchange(ctx, vhost, "none")),
		"policy":              second(c.Policy(ctx, vhost, "none")),
		"vhost":               second(c.Vhost(ctx, "none")),
		"user":                second(c.User(ctx, "none")),
		"permissions":         second(c.PermissionsOf(ctx, vhost, "none")),
		"parameter":           second(c.Parameter(ctx, "shovel", vhost, "none")),
		"global parameter":    second(c.GlobalParameter(ctx, "none")),
		"definitions":         second(c.Definitions(ctx, "none")),
		"bindings":            second(c.Bindings(ctx, "none")),
		"queues":              second(c.Queues(ctx, "none")),
		"deleting a queue":    c.Delete(ctx, "queues", vhost, "none"),
		"binding an exchange": c.PutBinding(ctx, Binding{Vhost: vhost, Source: "none", Destination: "none", DestinationType: "queue"}),
		"operator policy":     second(c.OperatorPolicy(ctx, vhost, "none")),
	} {
		if !IsNotFound(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCountsOfAQueue(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	conn := must(amqp.Dial(b.VhostURL(vhost)))(t)
	defer conn.Close()
	ch := must(conn.Channel())(t)
	must(ch.QueueDeclare("q", true, false, false, false, nil))(t)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		confirm := must(ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{Body: []byte("x")}))(t)
		confirm.Wait()
	}
	for { // until the statistics have come; the test's own time limit ends it
		q := must(c.Queue(t.Context(), vhost, "q"))(t)
		if q.Messages == 3 && q.Ready == 3 && q.Unacked == 0 && q.Consumers == 0 {
			break
		}
	}
	for {
		if q := must(c.Queues(t.Context(), vhost))(t); len(q) == 1 && q[0].Messages == 3 && q[0].Type == "classic" {
			break
		}
	}
}

// What the broker says to users who lack something must come out as what they
// lack.
func TestMissingRightsAreNamed(t *testing.T) {
	b, c := admin(t)
	vhost := rabbittest.Vhost(t, b)
	ctx := t.Context()
	login := func(tags string) *Client {
		name := "u-" + tags + "-" + vhost
		must(c.Put(ctx, map[string]any{"password": "s3cret", "tags": tags}, "users", name))(t)
		t.Cleanup(func() { c.Delete(context.Background(), "users", name) })
		return brokerClient(t, b, name, "s3cret")
	}
	nobody, manager, refused := login(""), login("management"), brokerClient(t, b, "guest", "wr0ng")
	must(c.Put(ctx, map[string]any{"configure": "", "write": "", "read": ""}, "permissions", vhost, manager.username))(t)
	_, knownErr := manager.Vhosts(ctx)
	if knownErr != nil {
		t.Error(knownErr)
	}
	if _, known, err := manager.Plugins(ctx); known || err != nil {
		t.Errorf("plugins without the right to see them: %v %v", known, err)
	}
	for _, tc := range []struct {
		what string
		err  error
		kind Kind
		says string
		ends bool
	}{
		{"wrong password", second(refused.Overview(ctx)), LoginRefused, `user "guest"`, true},
		{"no tag", second(nobody.Overview(ctx)), Forbidden, `"management"`, true},
		{"not administrator", second(manager.Users(ctx)), Forbidden, `"administrator"`, false},
		{"no vhost access", second(manager.Bindings(ctx, "/")), Forbidden, "permissions in the vhost", false},
		{"not policymaker", second(manager.Put(ctx, map[string]any{"pattern": "x", "definition": map[string]any{"max-length": 1}}, "policies", vhost, "p")), Forbidden, `"policymaker"`, false},
		{"no configure right", second(manager.Put(ctx, map[string]any{}, "queues", vhost, "q")), Forbidden, "configure", false},
		{"reserved name", second(c.Put(ctx, map[string]any{"type": "topic"}, "exchanges", vhost, "amq.own")), Forbidden, "amq.", false},
		{"bad value", second(c.Put(ctx, map[string]any{"pattern": "x", "definition": map[string]any{"max-lengthx": 1}}, "policies", vhost, "p")), Rejected, "max-lengthx", false},
		{"unknown component", second(c.Put(ctx, map[string]any{"value": map[string]any{}}, "parameters", "nosuch", vhost, "p")), PluginMissing, "nosuch", false},
	} {
		if !IsKind(tc.err, tc.kind) || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("%s: kind %v wanted, saying %s: %v", tc.what, tc.kind, tc.says, tc.err)
			continue
		}
		if e, _ := errors.AsType[*Error](tc.err); e.EndsConnection() != tc.ends {
			t.Errorf("%s: EndsConnection is %v", tc.what, !tc.ends)
		}
		if strings.Contains(tc.err.Error(), "s3cret") || strings.Contains(tc.err.Error(), "wr0ng") {
			t.Errorf("%s: the password is shown: %v", tc.what, tc.err)
		}
	}
}
