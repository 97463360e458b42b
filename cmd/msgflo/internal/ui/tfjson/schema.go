package tfjson

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/providers"
)

// Schemas is what `providers schema -json` prints.
type Schemas struct {
	FormatVersion string                    `json:"format_version"`
	Schemas       map[string]ProviderSchema `json:"provider_schemas"`
}

// ProviderSchema are the schemas of one provider type.
type ProviderSchema struct {
	Provider    Schema            `json:"provider"`
	Resources   map[string]Schema `json:"resource_schemas"`
	DataSources map[string]Schema `json:"data_source_schemas,omitempty"`
}

// Schema is one schema.
type Schema struct {
	Version int   `json:"version"`
	Block   Block `json:"block"`
}

// Block is attributes and nested blocks.
type Block struct {
	Attributes      map[string]Attribute `json:"attributes,omitempty"`
	BlockTypes      map[string]BlockType `json:"block_types,omitempty"`
	Description     string               `json:"description,omitempty"`
	DescriptionKind string               `json:"description_kind"`
}

// BlockType is a nested block: one at most.
type BlockType struct {
	NestingMode string `json:"nesting_mode"`
	Block       Block  `json:"block"`
	MinItems    int    `json:"min_items,omitempty"`
	MaxItems    int    `json:"max_items,omitempty"`
}

// Attribute is one attribute.
type Attribute struct {
	Type            json.RawMessage `json:"type"`
	Description     string          `json:"description,omitempty"`
	DescriptionKind string          `json:"description_kind"`
	Required        bool            `json:"required,omitempty"`
	Optional        bool            `json:"optional,omitempty"`
	Computed        bool            `json:"computed,omitempty"`
	Sensitive       bool            `json:"sensitive,omitempty"`
	WriteOnly       bool            `json:"write_only,omitempty"`
	Msgflo          *AttributeMeans `json:"msgflo,omitempty"`
}

// AttributeMeans is what Terraform's schema cannot say.
type AttributeMeans struct {
	ForceNew bool            `json:"force_new,omitempty"` // a change replaces the object
	Identity bool            `json:"identity,omitempty"`  // part of its name on the broker
	Ref      []string        `json:"ref,omitempty"`       // object types it takes a reference to
	Default  json.RawMessage `json:"default,omitempty"`
}

// NewSchemas describes provider types.
func NewSchemas(types []*providers.Type) Schemas {
	doc := Schemas{FormatVersion: "1.0", Schemas: map[string]ProviderSchema{}}
	for _, t := range types {
		doc.Schemas[providerName(t.Name)] = ProviderSchema{
			Provider: schema(&t.Config), Resources: schemaMap(t.Resources), DataSources: schemaMap(t.Data),
		}
	}
	return doc
}

func schemaMap(m map[string]*providers.Schema) map[string]Schema {
	out := make(map[string]Schema, len(m))
	for name, s := range m {
		out[name] = schema(s)
	}
	return out
}

func schema(s *providers.Schema) Schema {
	b := block(s.Attrs)
	b.Description = s.Doc
	return Schema{Version: s.Version, Block: b}
}

func block(attrs []providers.Attr) Block {
	b := Block{DescriptionKind: "plain"}
	for i := range attrs {
		a := &attrs[i]
		switch {
		case a.NotYet != "":
		case a.IsBlock():
			if b.BlockTypes == nil {
				b.BlockTypes = map[string]BlockType{}
			}
			nested := block(a.Attrs)
			nested.Description = a.Doc
			bt := BlockType{NestingMode: "single", Block: nested, MaxItems: 1}
			if a.Required {
				bt.MinItems = 1
			}
			b.BlockTypes[a.Name] = bt
		default:
			if b.Attributes == nil {
				b.Attributes = map[string]Attribute{}
			}
			b.Attributes[a.Name] = attribute(a)
		}
	}
	return b
}

func attribute(a *providers.Attr) Attribute {
	out := Attribute{Type: typeJSON(a.Type), Description: a.Doc, DescriptionKind: "plain",
		Required: a.Required && !a.ReadOnly, Optional: !a.Required && !a.ReadOnly,
		Computed: a.Computed || a.ReadOnly, Sensitive: len(a.Sensitive) > 0, WriteOnly: a.WriteOnly}
	m := AttributeMeans{ForceNew: a.ForceNew || a.Identity, Identity: a.Identity, Ref: a.Ref}
	if a.Default != cty.NilVal && a.Default.IsWhollyKnown() && !a.Default.IsNull() {
		m.Default = ctyJSON(a.Default)
	}
	if m.ForceNew || m.Default != nil || len(m.Ref) > 0 {
		out.Msgflo = &m
	}
	return out
}

func typeJSON(t cty.Type) json.RawMessage {
	if t == cty.NilType {
		t = cty.DynamicPseudoType
	}
	return raw(t)
}

func ctyJSON(v cty.Value) json.RawMessage {
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	return b
}
