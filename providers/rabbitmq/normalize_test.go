package rabbitmq

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

func object(kv ...any) cty.Value {
	m := map[string]cty.Value{}
	for i := 0; i < len(kv); i += 2 {
		switch v := kv[i+1].(type) {
		case string:
			m[kv[i].(string)] = cty.StringVal(v)
		case int:
			m[kv[i].(string)] = cty.NumberIntVal(int64(v))
		case bool:
			m[kv[i].(string)] = cty.BoolVal(v)
		case cty.Value:
			m[kv[i].(string)] = v
		}
	}
	return cty.ObjectVal(m)
}

// TestSameNormalForm: what the broker takes for the same is the same.
func TestSameNormalForm(t *testing.T) {
	queue := queueSchema()
	dead := object("exchange", "x", "routing_key", "k", "strategy", cty.NullVal(cty.String))
	for name, pair := range map[string][2]cty.Value{
		"durations":        {object("message_ttl", "90m"), object("message_ttl", "1h30m")},
		"as an argument":   {object("message_ttl", "1m"), object("arguments", object("x-message-ttl", 60000))},
		"type argument":    {object("type", "quorum"), object("arguments", object("x-queue-type", "quorum"))},
		"dead letter":      {object("dead_letter", dead), object("arguments", object("x-dead-letter-exchange", "x", "x-dead-letter-routing-key", "k"))},
		"no arguments":     {object("arguments", cty.EmptyObjectVal), object()},
		"a map":            {object("arguments", cty.MapVal(map[string]cty.Value{"x-queue-leader-locator": cty.StringVal("l")})), object("arguments", object("x-queue-leader-locator", "l"))},
		"what is not said": {object("single_active_consumer", false), object()},
		"null argument":    {object("arguments", object("team", cty.NullVal(cty.String))), object()},
		"a list":           {object("arguments", object("l", cty.ListVal([]cty.Value{cty.Zero}))), object("arguments", object("l", cty.TupleVal([]cty.Value{cty.Zero})))},
	} {
		a, b := normalize(typeQueue, queue.Complete(pair[0].AsValueMap())), normalize(typeQueue, queue.Complete(pair[1].AsValueMap()))
		if !a.RawEquals(b) {
			t.Errorf("%s:\n%#v\n%#v", name, a, b)
		}
	}
	different := normalize(typeQueue, queue.Complete(object("arguments", object("team", 1)).AsValueMap()))
	if different.RawEquals(normalize(typeQueue, queue.Complete(object("arguments", object("team", "1")).AsValueMap()))) {
		t.Error("a number and its text are the same")
	}
}

// TestVhostTypeInjected: a vhost's default type ends up in the arguments of
// queues declared without one; that is no difference, and a classic queue in
// such a vhost is declared with its type.
func TestVhostTypeInjected(t *testing.T) {
	for _, typ := range []string{classic, quorum, stream} {
		want := queueSchema().Complete(object("name", "q", "vhost", "v", "type", typ).AsValueMap())
		live, _ := queueValue(&mgmt.Queue{Vhost: "v", Name: "q", Durable: true, Arguments: map[string]any{"x-queue-type": typ}})
		if !normalize(typeQueue, want).RawEquals(normalize(typeQueue, live)) {
			t.Errorf("%s: %#v", typ, live)
		}
	}
	want := queueSchema().Complete(object("name", "q", "vhost", "v").AsValueMap())
	if got := queueWire(want, "")["x-queue-type"]; got != nil {
		t.Errorf("the default type is sent: %v", got)
	}
	if got := queueWire(want, quorum)["x-queue-type"]; got != classic {
		t.Errorf("in a vhost of quorum queues a classic one is declared as %v", got)
	}
}

// TestWireRoundTrip: what is sent comes back as the same value.
func TestWireRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := map[string]cty.Value{"name": cty.StringVal("q"), "vhost": cty.StringVal("v")}
		number := rapid.Int64Range(0, maxMillis)
		if rapid.Bool().Draw(t, "ttl") {
			given["message_ttl"] = cty.StringVal(formatMillis(number.Draw(t, "n")))
		}
		if rapid.Bool().Draw(t, "expires") {
			given["expires"] = cty.StringVal(formatMillis(1 + number.Draw(t, "n")))
		}
		if rapid.Bool().Draw(t, "length") {
			given["max_length"] = cty.NumberIntVal(number.Draw(t, "n"))
		}
		if rapid.Bool().Draw(t, "sac") {
			given["single_active_consumer"] = cty.BoolVal(rapid.Bool().Draw(t, "b"))
		}
		if rapid.Bool().Draw(t, "dead") {
			given["dead_letter"] = object("exchange", rapid.String().Draw(t, "x"), "routing_key", cty.NullVal(cty.String), "strategy", cty.NullVal(cty.String))
		}
		if rapid.Bool().Draw(t, "arguments") {
			given["arguments"] = object("x-queue-leader-locator", rapid.String().Draw(t, "l"), "own", cty.TupleVal([]cty.Value{cty.NumberIntVal(number.Draw(t, "n")), cty.True}))
		}
		want := normalize(typeQueue, queueSchema().Complete(given))
		live, _ := queueValue(&mgmt.Queue{Vhost: "v", Name: "q", Durable: true, Arguments: asJSON(queueWire(want, ""))})
		if got := normalize(typeQueue, live); !got.RawEquals(want) {
			t.Fatalf("sent %#v\ncame back %#v", want, got)
		}
	})
}

// asJSON is what the management API's decoder makes of arguments.
func asJSON(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = jsonValue(v)
	}
	return out
}

func jsonValue(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = jsonValue(e)
		}
		return l
	}
	return v
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40).Draw(t, "ms")
		if got, err := parseDuration(formatMillis(n)); err != nil || got != n {
			t.Fatalf("%d ms is written %s and read %d (%v)", n, formatMillis(n), got, err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	f.Add("1h30m")
	f.Add("-5s")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseDuration(s)
		if err != nil {
			return
		}
		if again, err := parseDuration(formatMillis(n)); err != nil || again != n {
			t.Fatalf("%q is %d, then %d (%v)", s, n, again, err)
		}
	})
}

// The broker's own hashes, read from RabbitMQ 3.10.8; the last is the one of
// its documentation.
func TestPasswordMatches(t *testing.T) {
	for _, c := range []struct{ password, hash, algorithm string }{
		{"pw", "i6GCKNOvme16AEf9xORaja/GMjbhDWyTM/fy3fbRU9ozwh7W", "rabbit_password_hashing_sha256"},
		{"test12", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "rabbit_password_hashing_sha256"},
	} {
		if !passwordMatches(c.password, c.hash, c.algorithm) {
			t.Errorf("%s does not match its hash", c.password)
		}
		for _, wrong := range []string{"", c.password + "x", "PW"} {
			if passwordMatches(wrong, c.hash, c.algorithm) {
				t.Errorf("%q matches the hash of %q", wrong, c.password)
			}
		}
	}
	for _, hash := range []string{"", "AAAA", "not base64", "i6GCKA=="} {
		if passwordMatches("", hash, "rabbit_password_hashing_sha256") {
			t.Errorf("the hash %q matches", hash)
		}
	}
}

func TestExplain(t *testing.T) {
	for reason, want := range map[string]string{
		"PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q1' in vhost 'exp': received '5001' but current is '5000'": "x-message-ttl = '5000' where '5001' is wanted",
		"inequivalent arg 'durable' for exchange 'e' in vhost '/': received 'false' but current is 'true'":                            "durable = 'true' where 'false' is wanted",
		"ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'":                                                      "needs configure permission",
		"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'":                                                        "exclusive queue",
		"unknown exchange type 'x-delayed-message'":                                                                                   "rabbitmq-plugins enable rabbitmq_delayed_message_exchange",
		"Validation failed component shovel not found":                                                                                "rabbitmq-plugins enable rabbitmq_shovel",
		"some\x1b[31mthing": `some\x1b[31mthing`,
	} {
		if got := explainReason("declaring queue \"q\"", reason, nil).Error(); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nhas no %s", reason, got, want)
		}
	}
}
