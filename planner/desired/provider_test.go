package desired_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/mqtt"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

func wholly() []cty.Path { return []cty.Path{{}} }

// testTypes are two kinds of broker: one shaped like RabbitMQ, and one that
// has almost nothing.
func testTypes() []*providers.Type {
	return []*providers.Type{rabbit(), {
		Name: "mqtt", Schemes: []string{"mqtt", "mqtts"},
		Config:    providers.Schema{Attrs: []providers.Attr{{Name: "url", Type: cty.String, Required: true, Sensitive: wholly()}}},
		Resources: map[string]*providers.Schema{"retained": {Attrs: []providers.Attr{{Name: "topic", Type: cty.String, Required: true, Identity: true}}}},
		Open:      nowhere,
	}}
}

// realTypes are the kinds of brokers as they are, and a launcher.
func realTypes() []*providers.Type {
	return []*providers.Type{rabbitmq.Type(), mqtt.Type(), local.Type()}
}

func nowhere(context.Context, providers.Env) (providers.Provider, error) {
	return nil, errors.New("desired is pure: it opens nothing")
}

func rabbit() *providers.Type {
	str, boolean := cty.String, cty.Bool
	name := providers.Attr{Name: "name", Type: str, Identity: true, Check: shortName}
	vhost := providers.Attr{Name: "vhost", Type: str, Identity: true, Ref: []string{"vhost"}, Relation: providers.Within}
	arguments := providers.Attr{Name: "arguments", Type: cty.DynamicPseudoType}
	user := providers.Attr{Name: "user", Type: str, Required: true, Identity: true, Ref: []string{"user"}, Relation: providers.Within}
	return &providers.Type{
		Name: "rabbitmq", Schemes: []string{"amqp", "amqps"},
		Config: providers.Schema{Attrs: []providers.Attr{
			{Name: "url", Type: str, Sensitive: wholly()},
			{Name: "management", Type: str},
			{Name: "password", Type: str, Sensitive: wholly()},
			{Name: "tls", Attrs: []providers.Attr{{Name: "ca_file", Type: str}, {Name: "insecure", Type: boolean, Default: cty.False}}},
		}},
		Open: nowhere,
		Defaults: func(config cty.Value, _ string, attrs map[string]cty.Value) {
			v, ok := attrs["vhost"]
			if !ok || !v.IsNull() {
				return
			}
			attrs["vhost"] = cty.StringVal("/")
			if u, err := url.Parse(config.GetAttr("url").AsString()); err == nil && len(u.Path) > 1 {
				attrs["vhost"] = cty.StringVal(u.Path[1:])
			}
		},
		Data: map[string]*providers.Schema{
			"queue": {Attrs: []providers.Attr{name, vhost, {Name: "messages", Type: cty.Number, ReadOnly: true}, {Name: "token", Type: str, ReadOnly: true, Sensitive: wholly()}}},
		},
		Resources: map[string]*providers.Schema{
			"vhost": {Attrs: []providers.Attr{name, {Name: "description", Type: str}, {Name: "tags", Type: cty.Set(str)}}},
			"queue": {Attrs: []providers.Attr{
				name, vhost,
				{Name: "type", Type: str, Default: cty.StringVal("classic"), ForceNew: true, Check: oneOf("classic", "quorum", "stream")},
				{Name: "durable", Type: boolean, Default: cty.True, ForceNew: true},
				{Name: "max_length", Type: cty.Number},
				{Name: "message_ttl", Type: str},
				{Name: "server_id", Type: str, Computed: true},
				{Name: "dead_letter", Attrs: []providers.Attr{
					{Name: "exchange", Type: str, Required: true, Ref: []string{"exchange"}},
					{Name: "routing_key", Type: str},
					{Name: "strategy", Type: str, Check: oneOf("at-most-once", "at-least-once")},
				}},
				arguments,
			}, Validate: streamsHaveNoTTL},
			"exchange": {Attrs: []providers.Attr{
				name, vhost, {Name: "type", Type: str, Default: cty.StringVal("direct")},
				{Name: "durable", Type: boolean, Default: cty.True},
				{Name: "alternate", Type: str, Ref: []string{"exchange"}}, arguments,
			}},
			"binding": {Attrs: []providers.Attr{
				vhost,
				{Name: "source", Type: str, Required: true, Identity: true, Ref: []string{"exchange"}, Relation: providers.Within},
				{Name: "destination", Type: str, Required: true, Identity: true, Ref: []string{"queue", "exchange"}, RefKind: "destination_type", Relation: providers.Within},
				{Name: "destination_type", Type: str, Identity: true, Default: cty.StringVal("queue"), Check: oneOf("queue", "exchange")},
				{Name: "routing_key", Type: str, Identity: true, Default: cty.StringVal("")},
				{Name: "arguments", Type: cty.DynamicPseudoType, Identity: true},
			}},
			"user":       {Attrs: []providers.Attr{name, {Name: "password", Type: str, WriteOnly: true, Sensitive: wholly()}, {Name: "tags", Type: cty.Set(str)}}},
			"permission": {Attrs: []providers.Attr{vhost, user, {Name: "configure", Type: str, Default: cty.StringVal("")}, {Name: "write", Type: str, Default: cty.StringVal("")}, {Name: "read", Type: str, Default: cty.StringVal("")}}},
			"policy":     {Attrs: []providers.Attr{name, vhost, {Name: "pattern", Type: str, Required: true}, {Name: "definition", Type: cty.DynamicPseudoType}}},
		},
	}
}

func shortName(v cty.Value) error {
	if len(v.AsString()) > 255 {
		return fmt.Errorf("%q is longer than 255 bytes", v.AsString())
	}
	return nil
}

func oneOf(words ...string) func(cty.Value) error {
	return func(v cty.Value) error {
		for _, w := range words {
			if v.AsString() == w {
				return nil
			}
		}
		return fmt.Errorf("%q is none of %s", v.AsString(), strings.Join(words, ", "))
	}
}

func streamsHaveNoTTL(v cty.Value) []error {
	typ, ttl := v.GetAttr("type"), v.GetAttr("message_ttl")
	if typ.IsKnown() && !typ.IsNull() && typ.AsString() == "stream" && ttl.IsKnown() && !ttl.IsNull() {
		return []error{cty.GetAttrPath("message_ttl").NewErrorf("a stream has no message TTL (%q)", ttl.AsString())}
	}
	return nil
}
