package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

const patience = time.Minute

// everyClient is a system with every client library in a ring: each role sends to
// the next one by pubsub, and by roundrobin with dead letters.
func everyClient() string {
	roles := []string{"n nodejs in=gone! out=gone!", "o noflo", "g go", "p python", "c cpp", "r rust", "x plain", "f nodejs foreign", `u "" foreign`}
	var b, edges strings.Builder
	for i, r := range roles {
		name := r[:1]
		queue := func(port string) string {
			if name == "u" {
				return port + ":u/" + port
			}
			return port
		}
		fmt.Fprintf(&b, "role %s in=%s out=%s in=%s out=%s\n", r, queue("in"), queue("out"), queue("work"), queue("share"))
		next := roles[(i+1)%len(roles)][:1]
		fmt.Fprintf(&edges, "edge graph.g %s.out -> %s.in\nedge graph.g %s.share -> %s.work roundrobin dead=d.%s\n", name, next, name, next, name)
	}
	return b.String() + "role d nodejs\nrole e python\n" + edges.String() +
		"edge graph.g n.gone -> n.gone\nedge graph.g r.out -> e.in dead=d.e\ninitial graph.g c.in {\"first\":1}\n"
}

// create makes what is lowered, in the order of its relations.
func (l *live) create(low *flow.Lowered) {
	l.Helper()
	byAddr := map[addr.Instance]flow.Object{}
	var all []addr.Instance
	for _, o := range low.Objects {
		byAddr[o.Addr] = o
		all = append(all, o.Addr)
	}
	order, circle := dag.Order(all, func(a addr.Instance) []addr.Instance {
		return append(append([]addr.Instance{}, byAddr[a].Within...), byAddr[a].After...)
	})
	if circle != nil {
		l.Fatal(circle)
	}
	for _, a := range order {
		sch := rabbitmq.Type().Resources[a.Type]
		if sch == nil {
			l.Fatalf("RabbitMQ has no %s", a.Type)
		}
		l.make(a.Type, sch.Complete(byAddr[a].Attrs), byAddr[a].Shared)
	}
}

// TestEveryClient makes a system on a real broker, starts what each client
// library does at its start, and sends messages along every edge.
func TestEveryClient(t *testing.T) {
	l := start(t)
	s := system(t, everyClient())
	s.Broker.VHost = l.vhost
	low, diags := flow.Lower(s)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	check(t, s, low, diags)
	l.foreign()
	l.create(low)
	for _, r := range s.Roles {
		ch, err := l.participant(r)
		if err != nil {
			t.Errorf("%s (%s) cannot start: %v", r.Name, r.Client, err)
			continue
		}
		ch.Close()
	}
	ch := l.channel()
	if _, ok := l.receive(ch, "c.IN", `{"first":1}`, patience); !ok {
		t.Error("the initial packet did not come")
	}
	for n, e := range s.Edges {
		l.along(e, fmt.Sprint("message ", n))
	}
}

// foreign makes what the participant of an unknown client has made: nothing of
// it is ours.
func (l *live) foreign() {
	l.Helper()
	c := &library{ch: l.channel()}
	for _, port := range []string{"in", "work"} {
		c.queue("u/"+port, true, false, nil)
	}
	for _, port := range []string{"out", "share"} {
		c.fanout("u/"+port, true, false)
	}
	if c.err != nil {
		l.Fatal(c.err)
	}
}

// along sends a message along an edge and has the other side refuse it where
// there are dead letters. A policy takes hold a moment after it is made, so what
// is lost until then is sent again.
func (l *live) along(e flow.Edge, body string) {
	l.Helper()
	ch := l.channel()
	defer ch.Close()
	from, to := queueOf(e.From, e.From.Role.Outports), queueOf(e.To, e.To.Role.Inports)
	for deadline := time.Now().Add(patience); ; {
		l.send(ch, from, body)
		d, ok := l.receive(ch, to, body, patience)
		if !ok {
			l.Errorf("%s -> %s: nothing came", e.From, e.To)
			return
		}
		if e.DeadLetter == nil {
			d.Ack(false)
			if twice, again := l.receive(ch, to, body, 0); again {
				twice.Ack(false)
				l.Errorf("%s -> %s: it came twice", e.From, e.To)
			}
			return
		}
		d.Nack(false, false)
		if d, ok := l.receive(ch, queueOf(*e.DeadLetter, e.DeadLetter.Role.Inports), body, time.Second); ok {
			d.Ack(false)
			return
		}
		if time.Now().After(deadline) {
			l.Errorf("%s -> %s: the dead letter did not come to %s", e.From, e.To, e.DeadLetter)
			return
		}
	}
}

// TestPairsLive: two participants that name one queue or exchange are refused
// exactly where RabbitMQ refuses the second one.
func TestPairsLive(t *testing.T) {
	l := start(t)
	styles := []string{"nodejs", "nodejs!", "noflo", "python", "cpp", "rust", "plain", "plain!"}
	refused := 0
	for a, first := range styles {
		for b, second := range styles {
			for _, sides := range []string{"in+in", "out+out", "in+out", "out+in"} {
				name := fmt.Sprintf("%d-%d-%s", a, b, sides)
				role := func(n int, style string) string {
					client, transient := strings.CutSuffix(style, "!")
					line := fmt.Sprintf("role %s.%d %s %s=x:%s", name, n, client, strings.Split(sides, "+")[n], name)
					if transient {
						line += "!"
					}
					return line + "\n"
				}
				s := system(t, role(0, first)+role(1, second))
				_, diags := flow.Lower(s)
				if diags.HasErrors() {
					refused++
				}
				l.verdict(s, diags.HasErrors(), first+" "+second+" "+sides)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing is refused")
	}
}

// verdict starts the participants of a system on the broker as it is.
func (l *live) verdict(s *flow.System, refused bool, what string) {
	l.Helper()
	var failed error
	for _, r := range s.Roles {
		ch, err := l.participant(r)
		if err != nil {
			failed = err
		} else {
			defer ch.Close()
		}
	}
	if (failed != nil) != refused {
		l.Errorf("%s: refused is %v, and RabbitMQ says %v", what, refused, failed)
	}
}

// TestBlocksLive: a block of its own is refused exactly where RabbitMQ refuses
// the client's own declare after it.
func TestBlocksLive(t *testing.T) {
	l := start(t)
	dead := func(exchange, more string) string {
		return `dead_letter = { exchange = "` + exchange + `"` + more + ` }`
	}
	queues := []string{
		``, `durable = false`, `auto_delete = true`, `durable = false, auto_delete = true`, `type = "quorum"`, `message_ttl = "1h"`, `expires = "1h"`,
		`max_length = 5`, `max_length_bytes = 500`, `max_priority = 5`, `overflow = "reject-publish"`, `single_active_consumer = true`,
		`single_active_consumer = false`, `arguments = { x-queue-mode = "lazy" }`, `arguments = { x-queue-version = 1 }`,
		`arguments = { x-queue-master-locator = "client-local" }`, `arguments = { x-queue-type = "classic" }`,
		`arguments = { x-max-length = 5 }`, `arguments = { x-dead-letter-exchange = "dead-NAME" }`, `arguments = { anything = 1 }`,
		dead("dead-NAME", ""), dead("other", ""), dead("dead-NAME", `, routing_key = "k"`),
		`durable = false, auto_delete = true, ` + dead("dead-NAME", ""),
	}
	exchanges := []string{
		``, `type = "fanout"`, `type = "topic"`, `type = "fanout", durable = false`, `type = "fanout", auto_delete = true`,
		`type = "fanout", durable = false, auto_delete = true`, `type = "fanout", internal = true`, `type = "fanout", alternate = "other"`,
		`type = "fanout", arguments = { alternate-exchange = "other" }`, `type = "fanout", arguments = { anything = 1 }`,
	}
	for _, c := range []string{"nodejs", "nodejs!", "python", "cpp", "rust"} {
		client, transient := strings.CutSuffix(c, "!")
		mark := map[bool]string{true: "!"}[transient]
		for n, q := range queues {
			l.block("queue", q, client, fmt.Sprintf("in=x:q%d-%s%s", n, client, mark))
		}
		for n, x := range exchanges {
			l.block("exchange", x, client, fmt.Sprintf("out=x:x%d-%s%s", n, client, mark))
		}
	}
}

// block makes an object of its own and starts a participant that declares it.
func (l *live) block(typ, body, client, port string) {
	l.Helper()
	name := strings.TrimSuffix(port[strings.Index(port, ":")+1:], "!")
	if strings.HasSuffix(port, "!") {
		port = strings.Replace(port, name, name+"-gone", 1)
		name += "-gone"
	}
	body = strings.ReplaceAll(body, "NAME", name)
	sep := ", "
	if body == "" {
		sep = ""
	}
	s := system(l, fmt.Sprintf("role a %s %s\ndeclared %s.d { name = %q%s%s }\n", client, port, typ, name, sep, body))
	_, diags := flow.Lower(s)
	sch := rabbitmq.Type().Resources[typ]
	attrs := s.Declared[0].Value.AsValueMap()
	attrs["vhost"] = cty.StringVal(l.vhost)
	l.make(typ, sch.Complete(attrs), false)
	l.verdict(s, diags.HasErrors(), client+" "+port+" "+typ+" { "+body+" }")
}
