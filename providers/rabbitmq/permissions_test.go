package rabbitmq_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// A clerk is a user with one tag ("" for none) and, in the test's vhost, the
// given permission; nil: none.
type clerk struct {
	tag                    string
	configure, write, read string
	inVhost                bool
}

// TestPermissions holds the tables of docs/permissions.md: what each tag may
// plan, and what each may apply. A user who may not is told the tag or the
// permission that is missing.
func TestPermissions(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	root := open(t, b, vhost, nil)
	in := func(more attrs) attrs { return attrs{"vhost": str(vhost)}.with(more) }
	definition := obj(attrs{"expires": num(50000)})
	there := map[string]cty.Value{ // one of each, made by the administrator
		"queue":               value("queue", in(attrs{"name": str("there")})),
		"exchange":            value("exchange", in(attrs{"name": str("there")})),
		"binding":             value("binding", in(attrs{"source": str("there"), "destination": str("there"), "routing_key": str("there")})),
		"policy":              value("policy", in(attrs{"name": str("there"), "pattern": str("^none"), "definition": definition})),
		"operator_policy":     value("operator_policy", in(attrs{"name": str("there"), "pattern": str("^none"), "definition": definition})),
		"federation_upstream": value("federation_upstream", in(attrs{"name": str("there"), "url": str("amqp://")})),
		"vhost_limit":         value("vhost_limit", in(attrs{"max_queues": num(500)})),
		"global_parameter":    value("global_parameter", attrs{"name": str("there " + vhost), "value": str("x")}),
		"permission":          value("permission", in(attrs{"user": str("guest"), "configure": str(".*"), "write": str(".*"), "read": str(".*")})),
		"vhost":               value("vhost", attrs{"name": str(vhost)}),
		"user":                value("user", attrs{"name": str("there " + vhost), "password": str(secret)}),
		"user_limit":          value("user_limit", attrs{"user": str("there " + vhost), "max_channels": num(5)}),
	}
	for _, typ := range []string{"queue", "exchange", "binding", "policy", "operator_policy", "federation_upstream", "vhost_limit", "global_parameter", "user", "user_limit"} {
		mustMake(t, root, typ, there[typ])
	}
	t.Cleanup(func() {
		mustDelete(t, root, "user", there["user"])
		mustDelete(t, root, "global_parameter", there["global_parameter"])
	})
	topology := "queue exchange binding"
	runtime := "policy federation_upstream"
	for _, c := range []struct {
		name  string
		who   clerk
		plans string // what it can plan, by type; the rest is an error
		makes string // of what it may plan, what it may also make anew and delete
	}{
		{"management, no permission", clerk{tag: "management"}, "user_limit", ""},
		{"management, may enter", clerk{tag: "management", inVhost: true}, topology + " policy vhost vhost_limit user_limit", ""},
		{"management, all permissions", clerk{"management", ".*", ".*", ".*", true}, topology + " policy vhost vhost_limit user_limit", topology},
		{"policymaker, may enter", clerk{tag: "policymaker", inVhost: true}, topology + " " + runtime + " operator_policy vhost vhost_limit user_limit global_parameter", runtime + " global_parameter"},
		{"policymaker, all permissions", clerk{"policymaker", ".*", ".*", ".*", true}, topology + " " + runtime + " operator_policy vhost vhost_limit user_limit global_parameter", topology + " " + runtime + " global_parameter"},
		{"monitoring, no permission", clerk{tag: "monitoring"}, "vhost vhost_limit user_limit", ""},
		{"monitoring, may enter", clerk{tag: "monitoring", inVhost: true}, topology + " policy vhost vhost_limit user_limit", ""},
		{"administrator, no permission", clerk{tag: "administrator"}, "all", runtime + " operator_policy global_parameter vhost_limit user_limit"},
		{"administrator, all permissions", clerk{"administrator", ".*", ".*", ".*", true}, "all", topology + " " + runtime + " operator_policy global_parameter vhost_limit user_limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.who.open(t, b, root, vhost)
			for typ, v := range there {
				plans := c.plans == "all" || contains(c.plans, typ)
				for how, r := range readBothWays(t, p, typ, v) {
					if (r.Err == nil) != plans || plans && r.Value.IsNull() {
						t.Errorf("%s, %s: %#v, %v; may it be planned: %v", typ, how, r.Value, r.Err, plans)
					}
					if r.Err != nil && !strings.Contains(r.Err.Error(), "lacks the tag") && !strings.Contains(r.Err.Error(), "no permissions in the vhost") {
						t.Errorf("%s, %s: what is missing is not named: %v", typ, how, r.Err)
					}
				}
				if !plans || typ == "permission" || typ == "vhost" || typ == "user" {
					continue
				}
				err := makeAndDelete(t, p, root, typ, v)
				if (err == nil) != contains(c.makes, typ) {
					t.Errorf("%s: making: %v", typ, err)
				}
			}
		})
	}
	// What a plan asks before it deletes: counting needs no more than entering;
	// a stream that statistics call empty is looked into, and that is reading.
	stream := value("queue", in(attrs{"name": str("stream"), "type": str("stream")}))
	mustMake(t, root, "queue", stream)
	for _, c := range []struct {
		read    string
		streams bool
	}{{"", false}, {".*", true}} {
		p := clerk{tag: "management", read: c.read, inVhost: true}.open(t, b, root, vhost)
		if d := depth(t, p, "queue", there["queue"]); d.Unknown || len(d.Collateral) != 1 {
			t.Errorf("read %q: %+v", c.read, d)
		}
		if d := depth(t, p, "queue", stream); d.Unknown == c.streams {
			t.Errorf("stream, read %q: %+v", c.read, d)
		}
	}
	t.Run("other exchanges", func(t *testing.T) {
		own := clerk{"management", "^own", "", "", true}.open(t, b, root, vhost)
		full := clerk{"management", "^own", "^there$", "^own", true}.open(t, b, root, vhost)
		dead := attrs{"dead_letter": obj(attrs{"exchange": str("there"), "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)})}
		for typ, v := range map[string]cty.Value{
			"queue":    value("queue", in(attrs{"name": str("own")}).with(dead)),
			"exchange": value("exchange", in(attrs{"name": str("own"), "alternate": str("there")})),
		} {
			if _, err := apply(t, own, typ, null(typ), v); err == nil || !strings.Contains(err.Error(), "Permission") && !strings.Contains(err.Error(), "permission") {
				t.Errorf("%s, configure alone: %v", typ, err)
			}
			mustMake(t, full, typ, v)
		}
	})
	t.Run("who makes a vhost may enter it", func(t *testing.T) {
		p := clerk{tag: "administrator"}.open(t, b, root, vhost)
		other := value("vhost", attrs{"name": str(vhost + " other")})
		mustMake(t, p, "vhost", other)
		mustMake(t, p, "queue", value("queue", attrs{"name": str("q"), "vhost": str(vhost + " other")}))
		mustDelete(t, p, "vhost", other, func(c *providers.Change) { c.Collateral = depth(t, p, "vhost", other).Collateral })
	})
	t.Run("no tag", func(t *testing.T) {
		p := clerk{"", ".*", ".*", ".*", true}.open(t, b, root, vhost)
		_, err := p.Read(testContext(t), []providers.Query{{Type: "queue", Value: there["queue"]}})
		if err == nil || !strings.Contains(err.Error(), `"management"`) {
			t.Errorf("got %v, want the tag named", err)
		}
		// Without the management API it works.
		blind := clerk{"", ".*", ".*", ".*", true}.openWith(t, b, root, vhost, attrs{"management": str("none")})
		if r := readOne(t, blind, "queue", there["queue"]); r.Err != nil || r.Value.IsNull() {
			t.Errorf("over AMQP: %#v, %v", r.Value, r.Err)
		}
	})
}

// TestOwnLogin: a run does not take from itself what it needs to go on.
func TestOwnLogin(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	root := open(t, b, vhost, nil)
	name, tags := "own "+vhost, cty.SetVal([]cty.Value{str("administrator")})
	user := value("user", attrs{"name": str(name), "password": str(secret), "tags": tags})
	mustMake(t, root, "user", user)
	t.Cleanup(func() { mustDelete(t, root, "user", user) })
	p := open(t, b, vhost, attrs{"username": str(name), "password": str(secret)})
	with := func(more attrs) cty.Value { return value("user", attrs{"name": str(name), "tags": tags}.with(more)) }
	for what, v := range map[string]cty.Value{
		"keep the tag":         with(attrs{"password": str(secret), "tags": cty.SetVal([]cty.Value{str("monitoring")})}),
		"not its present pass": with(attrs{"password": str("another")}),
	} {
		_, err := apply(t, p, "user", user, v)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), what) {
			t.Errorf("got %v, want %q", err, what)
		}
		if r := readOne(t, p, "user", user); r.Err != nil || !r.Value.RawEquals(user) {
			t.Errorf("%s: it is %#v, %v", what, r.Value, r.Err)
		}
	}
	mustMake(t, p, "user", with(attrs{"password": str(secret), "tags": cty.SetVal([]cty.Value{str("administrator"), str("more")})}))
	mustMake(t, root, "user", user)
}

// TestOfNobody: 3.10 fails, with a 500, at some requests about a user that is
// not there.
func TestOfNobody(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p := open(t, b, vhost, nil)
	nobody := str("nobody " + vhost)
	for typ, v := range map[string]cty.Value{
		"user_limit": value("user_limit", attrs{"user": nobody, "max_connections": num(1)}),
		"permission": value("permission", attrs{"user": nobody, "vhost": str(vhost), "configure": str(""), "write": str(""), "read": str("")}),
	} {
		if _, err := apply(t, p, typ, null(typ), v); err == nil || !strings.Contains(err.Error(), "no such user") {
			t.Errorf("%s: %v", typ, err)
		}
		mustDelete(t, p, typ, v) // which is done: there is none
	}
}

func contains(words, word string) bool {
	return slices.Contains(strings.Fields(words), word)
}

func (c clerk) open(t *testing.T, b *rabbittest.Broker, root providers.Provider, vhost string) providers.Provider {
	return c.openWith(t, b, root, vhost, nil)
}

func (c clerk) openWith(t *testing.T, b *rabbittest.Broker, root providers.Provider, vhost string, more attrs) providers.Provider {
	t.Helper()
	// Not by address: that of a clerk who is there no more may be the next one's,
	// while his user is there yet.
	name := "clerk " + vhost + " " + rand.Text()[:8]
	user := attrs{"name": str(name), "password": str(secret)}
	if c.tag != "" {
		user["tags"] = cty.SetVal([]cty.Value{str(c.tag)})
	}
	mustMake(t, root, "user", value("user", user))
	t.Cleanup(func() { mustDelete(t, root, "user", value("user", user)) })
	if c.inVhost {
		mustMake(t, root, "permission", value("permission", attrs{"user": str(name), "vhost": str(vhost),
			"configure": str(c.configure), "write": str(c.write), "read": str(c.read)}))
	}
	return open(t, b, vhost, attrs{"username": str(name), "password": str(secret)}.with(more))
}

// readBothWays reads an object by its name and among so many that lists are
// read.
func readBothWays(t *testing.T, p providers.Provider, typ string, v cty.Value) map[string]providers.Result {
	t.Helper()
	queries := []providers.Query{{Type: typ, Value: v}}
	for range 250 {
		queries = append(queries, queries[0])
	}
	rs, err := p.Read(testContext(t), queries)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]providers.Result{"by name": readOne(t, p, typ, v), "swept": rs[0]}
}

// makeAndDelete makes an object like v under a name of its own, and deletes
// it. What could not be deleted, the administrator deletes.
func makeAndDelete(t *testing.T, p, root providers.Provider, typ string, v cty.Value) error {
	t.Helper()
	m := v.AsValueMap()
	switch typ {
	case "binding":
		m["routing_key"] = str("mine")
	case "vhost_limit", "user_limit":
		m["max_connections"] = num(700) // the same object, changed
		_, err := apply(t, p, typ, v, cty.ObjectVal(m))
		if err == nil {
			mustMake(t, root, typ, v)
		}
		return err
	default:
		m["name"] = str("mine " + m["name"].AsString())
	}
	mine := cty.ObjectVal(m)
	if _, err := apply(t, p, typ, null(typ), mine); err != nil {
		return err
	}
	_, err := apply(t, p, typ, mine, null(typ))
	if err != nil {
		mustDelete(t, root, typ, mine)
	}
	return err
}
