package tfjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/state"
)

// Encode writes a document as Terraform does: one line, ending in a newline.
// What a terminal might obey (C1 controls, bidirectional overrides) is written
// as \u escapes, for a document may be printed on one.
func Encode(doc any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return escape(b.Bytes()), nil
}

// escape rewrites runes that do not print. In JSON text they stand in strings
// only, where \u means the same; below U+0020 encoding/json escapes already.
func escape(b []byte) []byte {
	odd := func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }
	if !bytes.ContainsFunc(b, odd) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		switch {
		case !odd(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// Validation is what `validate -json` prints.
type Validation struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	ErrorCount    int          `json:"error_count"`
	WarningCount  int          `json:"warning_count"`
	Diagnostics   []Diagnostic `json:"diagnostics"`
}

// NewValidation counts diagnostics and converts them.
func NewValidation(ds hcl.Diagnostics, files map[string]*hcl.File) Validation {
	v := Validation{FormatVersion: "1.0", Valid: !ds.HasErrors(), Diagnostics: Diagnostics(ds, files)}
	for _, d := range ds {
		if d.Severity == hcl.DiagWarning {
			v.WarningCount++
		} else {
			v.ErrorCount++
		}
	}
	return v
}

// Version is what `version -json` prints. Terraform's keys hold msgflo's
// version, for readers that look there.
type Version struct {
	FormatVersion      string            `json:"format_version"`
	Version            string            `json:"terraform_version"`
	Revision           string            `json:"terraform_revision"`
	Platform           string            `json:"platform"`
	ProviderSelections map[string]string `json:"provider_selections"`
	Outdated           bool              `json:"terraform_outdated"`
	Msgflo             string            `json:"msgflo_version"`
	Go                 string            `json:"go_version"`
}

// NewVersion describes this program; providers are built in and have its version.
func NewVersion(version, revision string, providers []string) Version {
	v := Version{FormatVersion: "1.0", Version: version, Revision: revision, Msgflo: version,
		Platform: runtime.GOOS + "_" + runtime.GOARCH, Go: runtime.Version(), ProviderSelections: map[string]string{}}
	for _, p := range providers {
		v.ProviderSelections[providerName(p)] = version
	}
	return v
}

// providerName is a provider's name in Terraform's form of a source address.
func providerName(kind string) string { return "registry.msgflo.org/msgflo/" + kind }

// OutputValue is one output in `output -json` and in state documents. A
// sensitive one has no value: the state keeps none.
type OutputValue struct {
	Sensitive bool            `json:"sensitive"`
	Action    string          `json:"action,omitempty"` // in the lines of a plan: create, update, delete, noop
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

// Outputs is what `output -json` prints.
func Outputs(outs map[string]state.Output) map[string]OutputValue {
	doc := make(map[string]OutputValue, len(outs))
	for _, n := range slices.Sorted(maps.Keys(outs)) {
		doc[n] = outputValue(outs[n])
	}
	return doc
}

func outputValue(o state.Output) OutputValue {
	v := OutputValue{Sensitive: o.Sensitive, Type: o.Type}
	if o.Sensitive {
		v.Value = json.RawMessage("null")
		return v
	}
	v.Value = orNull(o.Value)
	return v
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}
