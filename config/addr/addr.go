// Package addr names things: objects, participants, modules and providers, as
// users write them in `-target`, in references and in state. It is a ground
// floor package: it imports the standard library and hcl's syntax only.
package addr

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Instance names one object. It is comparable, so it keys maps.
type Instance struct {
	Module string // "" or `module.eu` or `module.eu["a"].module.b`
	Owner  string // "" or what it was lowered from: `participant.resize`, `graph.thumbs`
	Type   string // queue, exchange, binding, route, process …
	Name   string // the block's label; "" where Owner is set
	Key    string // for_each key or count index, as written: `["eu"]`, `[0]`
}

// String returns the address as users write it: `module.eu.queue.jobs["a"]`,
// `participant.resize.queue["in"]`. Parse is its inverse.
func (i Instance) String() string {
	parts := make([]string, 0, 4)
	for _, p := range []string{i.Module, i.Owner, i.Type, i.Name} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".") + i.Key
}

// MarshalText makes an Instance usable as a JSON value and key.
func (i Instance) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText parses what MarshalText wrote.
func (i *Instance) UnmarshalText(b []byte) error {
	p, err := Parse(string(b))
	if err != nil {
		return err
	}
	*i = p
	return nil
}

// Block is the address of the declaration: the instance without its key.
func (i Instance) Block() Instance {
	if i.Owner != "" {
		return i
	}
	i.Key = ""
	return i
}

// Less reports whether i stands before o, as Compare orders them.
func (i Instance) Less(o Instance) bool { return i.Compare(o) < 0 }

// Compare orders addresses for people: by module, owner, type, name, then key,
// numbers by value. It is below zero where i stands before o.
func (i Instance) Compare(o Instance) int {
	switch {
	case i.Module != o.Module:
		return strings.Compare(i.Module, o.Module)
	case i.Owner != o.Owner:
		return compareOwners(i.Owner, o.Owner)
	case i.Type != o.Type:
		return strings.Compare(i.Type, o.Type)
	case i.Name != o.Name:
		return strings.Compare(i.Name, o.Name)
	}
	return compareKeys(i.Key, o.Key)
}

// compareOwners orders the instances of one participant as those of a block.
func compareOwners(a, b string) int {
	i, j := strings.IndexByte(a, '['), strings.IndexByte(b, '[')
	if i < 0 || j < 0 || a[:i] != b[:j] {
		return strings.Compare(a, b)
	}
	return compareKeys(a[i:], b[j:])
}

func compareKeys(a, b string) int {
	na, oka := indexOf(a)
	nb, okb := indexOf(b)
	if oka && okb {
		return cmp.Compare(na, nb)
	}
	return strings.Compare(a, b)
}

func indexOf(key string) (int, bool) {
	if len(key) < 3 || key[0] != '[' || key[1] == '"' {
		return 0, false
	}
	n, err := strconv.Atoi(key[1 : len(key)-1])
	return n, err == nil
}

// Sort orders a slice of addresses in place, as Compare says.
func Sort(as []Instance) { slices.SortFunc(as, Instance.Compare) }

// StringKey returns the Key of a for_each instance: `["eu"]`, quoted as HCL
// quotes a string.
func StringKey(s string) string { return "[" + quoteHCL(s) + "]" }

// KeyText is the string that StringKey made the key of, "" and false for an
// instance without a key, or with a number.
func (i Instance) KeyText() (string, bool) {
	q, ok := strings.CutPrefix(i.Key, "[")
	q, end := strings.CutSuffix(q, "]")
	// HCL's quoting is Go's but for what begins a template, which is doubled.
	s, err := strconv.Unquote(q)
	if !ok || !end || err != nil {
		return "", false
	}
	return strings.NewReplacer("$${", "${", "%%{", "%{").Replace(s), true
}

// IntKey returns the Key of a count instance: `[0]`.
func IntKey(n int) string { return "[" + strconv.Itoa(n) + "]" }

// Provider names one broker or launcher block of the root module, as
// `broker.main`, `launcher.local.here`. It is comparable.
type Provider struct {
	Kind string // broker, launcher.local …
	Name string // the block's label
}

// String returns the provider's address as users write it.
func (p Provider) String() string { return p.Kind + "." + p.Name }

// MarshalText makes a Provider usable as a JSON value and key.
func (p Provider) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses what MarshalText wrote: the label is what follows the
// last dot.
func (p *Provider) UnmarshalText(b []byte) error {
	s := string(b)
	i := strings.LastIndexByte(s, '.')
	if i <= 0 || i == len(s)-1 {
		return &ParseError{Text: s, Problem: "a provider is written KIND.NAME, as in broker.main"}
	}
	p.Kind, p.Name = s[:i], s[i+1:]
	return nil
}
