package config

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

var wholly = []cty.Path{{}}

// testTypes is a small provider: objects with and without nested blocks,
// references and secrets.
func testTypes() []*providers.Type {
	str, boolean := cty.String, cty.Bool
	name := providers.Attr{Name: "name", Type: str, Identity: true}
	end := []providers.Attr{
		{Name: "uri", Type: str, Required: true, Sensitive: wholly},
		{Name: "queue", Type: str, Ref: []string{"queue"}},
	}
	return []*providers.Type{
		{
			Name: "test", Schemes: []string{"amqp"},
			Config: providers.Schema{Attrs: []providers.Attr{
				{Name: "url", Type: str, Sensitive: wholly},
				{Name: "management", Type: str, Sensitive: wholly},
				{Name: "username", Type: str},
				{Name: "password", Type: str, Sensitive: wholly},
				{Name: "tls", Attrs: []providers.Attr{{Name: "ca_file", Type: str}, {Name: "insecure", Type: boolean}}},
			}},
			Resources: map[string]*providers.Schema{
				"queue": {Attrs: []providers.Attr{
					name, {Name: "vhost", Type: str}, {Name: "type", Type: str}, {Name: "durable", Type: boolean},
					{Name: "max_length", Type: cty.Number}, {Name: "messages", Type: cty.Number, ReadOnly: true},
					{Name: "arguments", Type: cty.DynamicPseudoType},
					{Name: "mirrors", Type: str, NotYet: "mirrored queues come with the cluster"},
					{Name: "dead_letter", Attrs: []providers.Attr{
						{Name: "exchange", Type: str, Required: true, Ref: []string{"exchange"}},
						{Name: "routing_key", Type: str},
					}},
				}},
				"exchange": {Attrs: []providers.Attr{name, {Name: "type", Type: str}, {Name: "alternate", Type: str, Ref: []string{"exchange"}}}},
				"binding": {Attrs: []providers.Attr{
					{Name: "source", Type: str, Required: true, Ref: []string{"exchange"}},
					{Name: "destination", Type: str, Required: true, Ref: []string{"queue", "exchange"}},
					{Name: "routing_key", Type: str},
				}},
				"user": {Attrs: []providers.Attr{name, {Name: "password", Type: str, Sensitive: wholly}, {Name: "tags", Type: cty.List(str)}}},
				"shovel": {Attrs: []providers.Attr{
					name,
					{Name: "source", Required: true, Attrs: end},
					{Name: "destination", Attrs: end},
				}},
				"parameter": {Attrs: []providers.Attr{
					name, {Name: "component", Type: str},
					{Name: "value", Type: cty.DynamicPseudoType, Sensitive: []cty.Path{cty.GetAttrPath("src-uri"), cty.GetAttrPath("keys")}},
				}},
			},
			Data: map[string]*providers.Schema{
				"queue": {Attrs: []providers.Attr{name, {Name: "messages", Type: cty.Number, ReadOnly: true}}},
			},
		},
		{
			Name: "other", Schemes: []string{"mqtt"},
			Config: providers.Schema{Attrs: []providers.Attr{
				{Name: "url", Type: str, Sensitive: wholly},
				{Name: "client_id", Type: str},
				{Name: "tls", Attrs: []providers.Attr{{Name: "cert_file", Type: str}}},
			}},
			Resources: map[string]*providers.Schema{"retained": {Attrs: []providers.Attr{{Name: "topic", Type: str}}}},
		},
		{
			Name: "local", Launcher: true,
			Config: providers.Schema{Attrs: []providers.Attr{
				{Name: "directory", Type: str},
				{Name: "token", Type: str, Sensitive: wholly},
				{Name: "limits", Attrs: []providers.Attr{{Name: "memory", Type: cty.Number}}},
			}},
			Resources: map[string]*providers.Schema{"process": {Derived: true, Attrs: []providers.Attr{{Name: "role", Type: str}}}},
		},
	}
}
