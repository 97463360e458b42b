package mqtt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

func routeWith(from, to string) cty.Value {
	return Type().Resources[typeRoute].Complete(attrs{"from": str(from), "to": str(to)})
}

func none(typ string) cty.Value { return cty.NullVal(Type().Resources[typ].ImpliedType()) }

func (p *provider) create(v cty.Value) (cty.Value, error) {
	return p.Apply(context.Background(), providers.Change{Type: typeRoute, Before: none(typeRoute), After: v})
}

func (p *provider) remove(v cty.Value) (cty.Value, error) {
	return p.Apply(context.Background(), providers.Change{Type: typeRoute, Before: v, After: none(typeRoute)})
}

func readRoute(t testing.TB, p *provider, v cty.Value) providers.Result {
	t.Helper()
	res, err := p.Read(t.Context(), []providers.Query{{Type: typeRoute, Value: v}})
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	return res[0]
}

// kept is what is retained under a topic.
func kept(t testing.TB, url, topic string) string {
	t.Helper()
	r, err := retained.Dial(t.Context(), mqtt.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.Read(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return string(all[topic])
}

func here(t testing.TB) (url, lineage string, typ *providers.Type) {
	return mosquittotest.Shared(t).URL, mosquittotest.Prefix(t), patient()
}

// gathered waits until so many edits wait for one that is being written.
func gathered(t testing.TB, table *table, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		table.mu.Lock()
		ok := table.running && len(table.waiting) == n
		table.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Errorf("there are never %d changes that wait", n)
			return
		}
	}
}

// Many changes at once are few documents; after the last is gone so is the
// document.
func TestGroupCommit(t *testing.T) {
	url, lineage, typ := here(t)
	startRouter(t, url, lineage)
	p := openAt(t, typ, lineage, attrs{"url": str(url)})
	var documents atomic.Int64
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: mqtt.Options{URL: url}, Receive: func(mqtt.Received) { documents.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: routes.Topic(lineage)}); err != nil {
		t.Fatal(err)
	}
	const n = 200
	each := func(do func(cty.Value) (cty.Value, error)) {
		t.Helper()
		var wg sync.WaitGroup
		one := func(i int) {
			if _, err := do(routeWith(fmt.Sprintf("%sfrom/%d", lineage, i), lineage+"to")); err != nil {
				t.Error(err)
			}
		}
		// The first is being written, which takes until all others are there.
		p.dialling.Lock()
		wg.Go(func() { one(0) })
		gathered(t, &p.table, 0)
		for i := 1; i < n; i++ {
			wg.Go(func() { one(i) })
		}
		gathered(t, &p.table, n-1)
		p.dialling.Unlock()
		wg.Wait()
	}
	each(p.create)
	queries := make([]providers.Query, n)
	for i := range queries {
		queries[i] = providers.Query{Type: typeRoute, Value: routeWith(fmt.Sprintf("%sfrom/%d", lineage, i), lineage+"to")}
	}
	got, err := p.Read(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if r.Value.IsNull() || r.Owner != lineage {
			t.Fatalf("route %d: %#v", i, r)
		}
	}
	if got := documents.Load(); got > n/10 {
		t.Errorf("%d routes were written as %d documents", n, got)
	}
	each(p.remove)
	if got := kept(t, url, routes.Topic(lineage)); got != "" {
		t.Errorf("after the last route is gone there is a document: %s", got)
	}
}

// Without a router a route is no use, and removing one needs none.
func TestNoRouter(t *testing.T) {
	url, lineage, typ := here(t)
	p := openAt(t, quick(), lineage, attrs{"url": str(url)})
	v := routeWith(lineage+"a", lineage+"b")
	left, err := p.create(v)
	if err == nil || !strings.Contains(err.Error(), "msgflo agent") {
		t.Fatalf("without a router: %v", err)
	}
	if left.IsNull() {
		t.Error("what was written down is not said to be there")
	}
	if r := readRoute(t, p, v); r.Value.IsNull() {
		t.Error("the route is not read")
	}
	if !warns(p.Warnings(), "No router") {
		t.Error("nobody says that there is no router")
	}
	stop := startRouter(t, url, lineage)
	p = openAt(t, typ, lineage, attrs{"url": str(url)})
	if _, err := p.create(v); err != nil {
		t.Errorf("once there is a router: %v", err)
	}
	readRoute(t, p, v)
	if warns(p.Warnings(), "No router") {
		t.Error("a router that is there is missed")
	}
	stop()
	if left, err := p.remove(v); err != nil || !left.IsNull() {
		t.Errorf("removing: %v", err)
	}
	if got := kept(t, url, routes.Topic(lineage)); got != "" {
		t.Errorf("a document is left: %s", got)
	}
}

func warns(diags hcl.Diagnostics, summary string) bool {
	for _, d := range diags {
		if d.Summary == summary {
			return true
		}
	}
	return false
}

// Other lineages' routes are theirs: found, never written, and no loop leads
// through them.
func TestOtherLineages(t *testing.T) {
	url, lineage, typ := here(t)
	other := lineage + "other"
	startRouter(t, url, lineage)
	startRouter(t, url, other)
	ours, theirs := openAt(t, typ, lineage, attrs{"url": str(url)}), openAt(t, typ, other, attrs{"url": str(url)})
	a, b, c := lineage+"a/1", lineage+"b", lineage+"c/2"
	if _, err := theirs.create(routeWith(a, b)); err != nil {
		t.Fatal(err)
	}
	if r := readRoute(t, ours, routeWith(a, b)); r.Value.IsNull() || r.Owner != other {
		t.Errorf("their route is read as %#v", r)
	}
	if _, err := ours.create(routeWith(a, b)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("their route made once more: %v", err)
	}
	want := []providers.Object{
		{Type: typeRoute, Value: routeWith(b, c), Decl: hcl.Range{Filename: "b"}},
		{Type: typeRoute, Value: routeWith(lineage+"+/2", a), Decl: hcl.Range{Filename: "c"}},
	}
	if diags := typ.Lint(want, nil); diags.HasErrors() {
		t.Errorf("no loop without them: %v", diags)
	}
	diags := ours.Lint(want)
	if len(diags) != 1 || diags[0].Summary != "Routes in a circle" || !strings.Contains(diags[0].Detail, "another configuration") || diags[0].Subject.Filename == "" {
		t.Errorf("the loop through theirs: %v", diags)
	}
	if _, err := ours.create(want[0].Value); err != nil {
		t.Fatal(err)
	}
	if left, err := ours.create(want[1].Value); err == nil || !strings.Contains(err.Error(), "for ever") || !left.IsNull() {
		t.Errorf("a loop is carried out: %v", err)
	}
	for _, o := range []struct {
		p *provider
		v cty.Value
	}{{ours, want[0].Value}, {theirs, routeWith(a, b)}} {
		if _, err := o.p.remove(o.v); err != nil {
			t.Error(err)
		}
	}
}

func TestLint(t *testing.T) {
	object := func(from, to, file string) providers.Object {
		return providers.Object{Type: typeRoute, Value: routeWith(from, to), Decl: hcl.Range{Filename: file}}
	}
	diags := Type().Lint([]providers.Object{object("a/+", "b", "1"), object("b", "c", "2"), object("c", "a/x", "3"), object("c", "d", "4"),
		{Type: typeRoute, Value: Type().Resources[typeRoute].Complete(attrs{"from": cty.UnknownVal(cty.String), "to": str("x")})},
		{Type: typeRetained, Value: Type().Resources[typeRetained].Complete(attrs{"topic": str("b"), "payload": str("x")})}}, nil)
	const want = `These routes lead back to where they begin, so that a message would go round for ever: "a/+" to "b", then "b" to "c", then "c" to "a/x". Give one of them another topic.`
	if len(diags) != 1 || diags[0].Detail != want || diags[0].Subject.Filename != "1" {
		t.Errorf("%v", diags)
	}
}

func TestSchema(t *testing.T) {
	typ := Type()
	check := func(block, attr string, v cty.Value) error { return typ.Resources[block].Attr(attr).Check(v) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{check(typeRoute, "qos", num(1)), ""}, {check(typeRoute, "qos", num(2)), "QoS 2"}, {check(typeRoute, "qos", num(3)), "0 (at most once)"},
		{check(typeRoute, "qos", cty.NumberFloatVal(0.5)), "0 (at most once)"}, {check(typeRoute, "from", str("a/#")), ""}, {check(typeRoute, "to", str("a/#")), "one topic"},
		{check(typeRetained, "topic", str("msgflo/routes/x")), "msgflo itself"}, {check(typeRetained, "payload", str("")), "remove the block"},
		{errors.Join(typ.Resources[typeRoute].Validate(routeWith("a/#", "a"))...), "for ever"},
		{errors.Join(typ.Resources[typeRoute].Validate(routeWith("a", "a"))...), "is the source"},
		{errors.Join(typ.Resources[typeRoute].Validate(routeWith("a/+", "b"))...), ""},
	} {
		if (c.err == nil) != (c.want == "") || c.err != nil && !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%v, want %q", c.err, c.want)
		}
	}
}

// What cannot be promised is said once, when routes are made.
func TestWarnings(t *testing.T) {
	url, lineage, typ := here(t)
	startRouter(t, url, lineage)
	p := openAt(t, typ, lineage, attrs{"url": str(url)})
	v := routeWith(lineage+"a", lineage+"b")
	readRoute(t, p, v)
	if d := p.Warnings(); !warns(d, "What routes promise") || !strings.Contains(d[0].Detail, "QoS 0") || !strings.Contains(d[0].Detail, "max_queued_messages") {
		t.Errorf("a route that is to be made: %v", d)
	}
	if _, err := p.create(v); err != nil {
		t.Fatal(err)
	}
	readRoute(t, p, v)
	if d := p.Warnings(); len(d) != 0 {
		t.Errorf("a route that is there: %v", d)
	}
	if _, err := p.remove(v); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(t.Context(), []providers.Query{{Type: typeRetained, Value: Type().Resources[typeRetained].Complete(attrs{"topic": str("x"), "payload": str("x")})}}); err != nil {
		t.Fatal(err)
	}
	if d := p.Warnings(); len(d) != 0 {
		t.Errorf("no route at all: %v", d)
	}
}

func TestRabbitMQLimits(t *testing.T) {
	url := rabbittest.Own(t, rabbittest.Options{Plugins: []string{"rabbitmq_mqtt"}}).MQTTURL
	t.Run("conformance", func(t *testing.T) { conform(t, url) })
	startRouter(t, url, "l")
	p := openAt(t, patient(), "l", attrs{"url": str(url)})
	if line, err := p.Ping(t.Context()); err != nil || !strings.Contains(line, "RabbitMQ") {
		t.Errorf("%q, %v", line, err)
	}
	// Topics with a dot come as with a slash.
	if _, err := p.create(routeWith("thumb.OUT", "resize.IN")); err != nil {
		t.Fatal(err)
	}
	readRoute(t, p, routeWith("thumb.OUT", "resize.IN"))
	if !warns(p.Warnings(), "Routes of other configurations cannot be seen") {
		t.Errorf("%v", p.Warnings())
	}
	if _, err := p.create(routeWith("resize/IN", "thumb/OUT")); err == nil || !strings.Contains(err.Error(), "for ever") {
		t.Errorf("a loop by dots: %v", err)
	}
	conn, err := p.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sub, err := conn.Subscribe(t.Context(), "resize.IN", transport.SubscribeOptions{Prefetch: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := transport.Publish(t.Context(), conn, transport.ToQueue("thumb.OUT"), transport.Message{Body: []byte("x"), Persistent: true}); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-sub.Deliveries():
		if string(d.Body) != "x" {
			t.Errorf("%q arrived", d.Body)
		}
		_ = d.Ack()
	case <-time.After(time.Minute):
		t.Error("nothing arrives")
	}
}

// A broker that does not answer is an error of the connection.
func TestUnreachable(t *testing.T) {
	addr := child.Address(t)
	p := openAt(t, quick(), "l", attrs{"url": str("mqtt://u:correct-horse@" + addr)})
	_, err := p.Read(t.Context(), []providers.Query{{Type: typeRoute, Value: routeWith("a", "b")}})
	refused(t, err, "Broker unreachable")
	_, err = p.create(routeWith("a", "b"))
	refused(t, err, "Broker unreachable")
	_, err = p.Dial(t.Context())
	refused(t, err, "Broker unreachable")
}

func refused(t testing.TB, err error, headline string) {
	t.Helper()
	ce, ok := errors.AsType[*providers.ConnectionError](err)
	if !ok || ce.Headline != headline || strings.Contains(err.Error(), secret) {
		t.Errorf("%#v, want %q without a secret", err, headline)
	}
}

func TestLogin(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"ann": secret}})
	for name, c := range map[string]struct {
		config attrs
		want   string
	}{
		"url":         {attrs{"url": str(b.As("ann", secret))}, ""},
		"attributes":  {attrs{"url": str(b.As("x", "y")), "username": str("ann"), "password": str(secret)}, ""},
		"command":     {attrs{"url": str(b.URL), "username": str("ann"), "password_command": cty.ListVal([]cty.Value{str("echo"), str(secret)})}, ""},
		"bad command": {attrs{"url": str(b.URL), "username": str("ann"), "password_command": cty.ListVal([]cty.Value{str("false"), str(secret)})}, "No password"},
		"wrong":       {attrs{"url": str(b.As("ann", "wrong"+secret))}, "Login refused"},
		"none":        {attrs{"url": str(b.URL)}, "Login refused"},
	} {
		_, err := openAt(t, quick(), "l", c.config).Ping(t.Context())
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		refused(t, err, c.want)
	}
	for _, config := range []attrs{
		{"url": str("amqp://x")}, {"url": str(b.URL), "password": str(secret)},
		{"url": str(b.URL), "tls": cty.ObjectVal(attrs{"ca_file": cty.NullVal(cty.String), "cert_file": cty.NullVal(cty.String), "key_file": cty.NullVal(cty.String), "server_name": str("x"), "insecure": cty.False})},
	} {
		if _, err := Type().Open(t.Context(), providers.Env{Config: Type().Config.Complete(config), Lineage: "l"}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%v: %v", config, err)
		}
	}
}

// A broker that goes is one event, told at once.
func TestGone(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := openAt(t, Type(), "l", attrs{"url": str(b.URL)})
	readRoute(t, p, routeWith("a", "b"))
	b.Kill()
	_, err := p.Read(t.Context(), []providers.Query{{Type: typeRoute, Value: routeWith("a", "b")}})
	refused(t, err, "Broker does not answer")
	_, err = p.create(routeWith("a", "b"))
	refused(t, err, "Broker does not answer")
	b.Restart(t)
}

func TestConformanceOnEmbedded(t *testing.T) {
	where := make(chan embedded.Addresses, 1)
	b, err := embedded.New(embedded.Spec{Broker: "b", Listen: "127.0.0.1:0"}, embedded.Options{Ready: func(a embedded.Addresses) { where <- a }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	conform(t, "mqtt://"+(<-where).MQTT)
}

// List tells all that there is but our own documents, and data sources read.
func TestList(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	startRouter(t, b.URL, "l")
	p := openAt(t, patient(), "l", attrs{"url": str(b.URL)})
	message := Type().Resources[typeRetained].Complete(attrs{"topic": str("settings/rate"), "payload": str("5")})
	if _, err := p.create(routeWith("a/+", "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), providers.Change{Type: typeRetained, Before: none(typeRetained), After: message}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), providers.Change{Type: typeRetained, Before: none(typeRetained),
		After: Type().Resources[typeRetained].Complete(attrs{"topic": str("settings/rate"), "payload": str("6")})}); err == nil {
		t.Error("creating over another message is accepted")
	}
	for match, want := range map[string]int{"": 2, "a/*": 1, "settings*": 1, "*": 2, "x": 0} {
		if got, err := p.List(t.Context(), "", match); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", match, got, err)
		}
	}
	if _, err := p.List(t.Context(), "", "["); err == nil {
		t.Error("no pattern is accepted")
	}
	data := Type().Data[typeRetained].Complete(attrs{"topic": str("settings/rate")})
	res, err := p.Read(t.Context(), []providers.Query{{Type: dataRetained, Value: data}})
	if err != nil || attr.Text(res[0].Value, "payload") != "5" {
		t.Errorf("%#v, %v", res, err)
	}
}
