package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v3"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/cli"
	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/providers"
)

var update = flag.Bool("update", false, "write the generated parts of docs and the golden files")

// TestDocs holds the generated parts of the docs against the code: what stands
// between <!-- begin NAME --> and <!-- end NAME -->.
func TestDocs(t *testing.T) {
	types := providerTypes()
	parts := map[string]string{
		"commands":          commands(cli.Root(cli.Env{Types: types, Version: version})),
		"block component":   block(config.ComponentSchema()),
		"block participant": block(config.ParticipantSchema()),
		"block graph":       config.GraphSchema().Doc + "\n" + nested(config.GraphBlocks(), true),
	}
	for _, ty := range types {
		kind := "broker "
		if ty.Launcher {
			kind = "launcher "
		}
		parts[kind+ty.Name] = table(ty.Config.Attrs, false)
		for name, s := range ty.Resources {
			if !s.Derived {
				parts["block "+name] = block(s)
			}
		}
		for name, s := range ty.Data {
			parts["data "+name] = s.Doc + "\n\n" + table(s.Attrs, false)
		}
	}
	used := map[string]bool{}
	for _, path := range []string{"../../docs/language.md", "../../docs/commands.md"} {
		checkDoc(t, path, parts, used)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if !used[name] {
			t.Errorf("no document has a place for %q: <!-- begin %s --> … <!-- end %s -->", name, name, name)
		}
	}
}

var part = regexp.MustCompile(`(?s)<!-- begin ([a-z_ ]+) -->\n.*?<!-- end ([a-z_ ]+) -->`)

func checkDoc(t *testing.T, path string, parts map[string]string, used map[string]bool) {
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := part.ReplaceAllStringFunc(string(old), func(s string) string {
		m := part.FindStringSubmatch(s)
		text, ok := parts[m[1]]
		if !ok || m[1] != m[2] {
			t.Errorf("%s has a part %q … %q that nothing generates", path, m[1], m[2])
			return s
		}
		used[m[1]] = true
		return fmt.Sprintf("<!-- begin %s -->\n%s\n<!-- end %s -->", m[1], strings.TrimSpace(text), m[1])
	})
	if now == string(old) {
		return
	}
	if *update {
		write(t, path, now)
		return
	}
	t.Errorf("%s is not as the code says; run go test ./cmd/msgflo -run TestDocs -update", path)
}

// table lists a block's attributes, nested blocks below it.
func table(attrs []providers.Attr, changes bool) string {
	var b strings.Builder
	head := "| attribute | type | default |"
	rule := "|---|---|---|"
	if changes {
		head, rule = head+" a change means |", rule+"---|"
	}
	fmt.Fprintf(&b, "%s meaning |\n%s---|\n", head, rule)
	for i := range attrs {
		a := &attrs[i]
		if a.NotYet != "" {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |", a.Name, typeText(a), defaultText(a))
		if changes {
			fmt.Fprintf(&b, " %s |", changeText(a))
		}
		fmt.Fprintf(&b, " %s |\n", strings.ReplaceAll(a.Doc, "|", "\\|"))
	}
	return b.String() + nested(attrs, changes)
}

// block is what there is to say of a block's schema.
func block(s *providers.Schema) string { return s.Doc + "\n\n" + table(s.Attrs, true) }

// nested are the tables of the nested blocks among some attributes.
func nested(attrs []providers.Attr, changes bool) string {
	var b strings.Builder
	for i := range attrs {
		a := &attrs[i]
		if !a.IsBlock() || a.NotYet != "" {
			continue
		}
		name := a.Name
		for l := range strings.FieldsSeq(a.Label) {
			name += fmt.Sprintf(" %q", strings.ToUpper(l))
		}
		fmt.Fprintf(&b, "\n`%s` block (%s):\n\n%s", name, a.Doc, table(a.Attrs, changes))
	}
	return b.String()
}

func typeText(a *providers.Attr) string {
	switch {
	case a.IsBlock():
		return "block"
	case len(a.Ref) > 0:
		return strings.Join(a.Ref, " or ") + ", or a name"
	case a.Type == cty.DynamicPseudoType:
		return "any"
	}
	return strings.ReplaceAll(a.Type.FriendlyNameForConstraint(), " of any single type", "")
}

func defaultText(a *providers.Attr) string {
	switch {
	case a.Required:
		return "required"
	case a.ReadOnly:
		return "read only"
	case a.Default == cty.NilVal || a.Default.IsNull():
		return "—"
	case a.Default.Type() == cty.String:
		return fmt.Sprintf("`%q`", a.Default.AsString())
	case a.Default.Type() == cty.Bool:
		return fmt.Sprintf("`%v`", a.Default.True())
	case a.Default.Type() == cty.Number:
		return "`" + a.Default.AsBigFloat().Text('f', -1) + "`"
	}
	return "`{}`"
}

func changeText(a *providers.Attr) string {
	switch {
	case a.ChangeMeans != "":
		return a.ChangeMeans
	case a.ReadOnly:
		return "—"
	case a.Identity || a.ForceNew:
		return "replace"
	}
	return "in place"
}

// commands is the reference of every command with its flags.
func commands(root *urfave.Command) string {
	var b strings.Builder
	for _, c := range root.Commands {
		writeCommand(&b, "msgflo", c)
	}
	return b.String()
}

func writeCommand(b *strings.Builder, parent string, c *urfave.Command) {
	if c.Hidden {
		return
	}
	name := parent + " " + c.Name
	fmt.Fprintf(b, "### %s\n\n", name)
	fmt.Fprintf(b, "`%s`: %s.\n\n", strings.TrimSpace(name+" [flags] "+c.ArgsUsage), c.Usage)
	if c.Description != "" {
		fmt.Fprintf(b, "```\n%s\n```\n\n", c.Description)
	}
	if len(c.Flags) > 0 && len(c.Commands) == 0 {
		b.WriteString("| flag | meaning |\n|---|---|\n")
		for _, f := range c.Flags {
			fmt.Fprintf(b, "| %s |\n", flagRow(f))
		}
		b.WriteString("\n")
	}
	for _, sub := range c.Commands {
		writeCommand(b, name, sub)
	}
}

func flagRow(f urfave.Flag) string {
	d, ok := f.(urfave.DocGenerationFlag)
	if !ok {
		return "`-" + f.Names()[0] + "` |"
	}
	usage, name := d.GetUsage(), "-"+f.Names()[0]
	if i := strings.IndexByte(usage, '`'); i >= 0 {
		if j := strings.IndexByte(usage[i+1:], '`'); j >= 0 {
			name += " " + usage[i+1:i+1+j]
			usage = strings.ReplaceAll(usage, "`", "")
		}
	}
	if v := d.GetValue(); v != "" && v != "false" && d.TakesValue() && d.IsDefaultVisible() {
		usage += " (default " + v + ")"
	}
	return "`" + name + "` | " + usage
}
