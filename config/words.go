package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/providers"
)

const notYet = "Not in this version"

func later(what string) refusal {
	return refusal{notYet, what + " is part of the language, but this version of msgflo does not have it yet."}
}

// laterBlocks are the top-level blocks of docs/language.md that are still to
// come. One that a provider type brings is none of them.
func laterBlocks() map[string]refusal {
	out := map[string]refusal{}
	for _, w := range []string{"library", "route", "retained"} {
		out[w] = later("The block " + w)
	}
	return out
}

// foreignBlocks are what people bring from Terraform, and what stands in another
// block.
func foreignBlocks() map[string]refusal {
	edge := refusal{"Unknown block", `It stands in a graph block: write graph "main" { edge "a.out" "b.in" {} }.`}
	port := refusal{"Unknown block", "A port stands in the block that has it: a component, a participant or a graph."}
	return map[string]refusal{
		"edge": edge, "connection": edge, "initial": edge,
		"inport": port, "outport": port,
		"embedded":  {"Unknown block", `It stands in a broker block: write broker "main" { embedded {} }.`},
		"terraform": {"Unknown block", "Settings stand in a block called msgflo: write msgflo { … }."},
		"provider":  {"Unknown block", `A broker has a block of its own: write broker "main" { url = … }.`},
		"resource":  {"Unknown block", `Each kind of object is a block of its own: write queue "jobs" { … }, without the word resource.`},
		"local":     {"Unknown block", "Local values stand in a block called locals: write locals { … }."},
		"ephemeral": later("The block ephemeral"),
	}
}

// foreignRoots are first words of references that people bring from Terraform,
// with the answer to each.
func foreignRoots() map[string]string {
	return map[string]string{
		"variable":  "A variable is referred to as var.NAME.",
		"output":    "An output is for who calls the module, as module.NAME.OUTPUT; put what it shares with others into a local value.",
		"resource":  "An object is referred to by its kind, as in queue.jobs, without the word resource.",
		"terraform": "There are no workspaces: give what differs in a variable.",
	}
}

var metaArguments = []string{"count", "for_each", "depends_on", "broker"}

var (
	variableForm = newForm("a variable block",
		[]string{"type", "default", "description", "sensitive", "nullable", "ephemeral"},
		map[string][]string{"validation": {}}, nil)
	conditionAttrs = []string{"condition", "error_message"}
	outputForm     = newForm("an output block",
		[]string{"value", "description", "sensitive", "ephemeral", "depends_on"},
		map[string][]string{"precondition": {}}, nil)
	settingsForm = newForm("the msgflo block", []string{"required_version", "ownership_marks"},
		map[string][]string{"backend": {"type"}},
		map[string]refusal{
			"required_providers": {"Unknown block", "Providers are part of msgflo; there is nothing to require. Remove the block."},
			"cloud":              {"Unknown block", `State is kept in a backend: write backend "http" { … }.`},
		})
	callForm = func() *form {
		f := newForm("a module block", []string{"source", "count", "for_each", "depends_on"}, nil,
			map[string]refusal{
				"version":   {"Unknown argument", "Modules are local directories in this version, and those have no version. Remove the argument."},
				"providers": {"Unknown argument", "A module uses the brokers of its caller. Remove the argument."},
				"broker":    {"Unknown argument", "A module uses the brokers of its caller; within it, write broker = broker.NAME at each block."},
				"lifecycle": {"Unknown block", "A lifecycle block belongs to the blocks that make objects, within the module."},
			})
		f.open = true
		return f
	}()
	movedForm   = newForm("a moved block", []string{"from", "to"}, nil, nil)
	removedForm = newForm("a removed block", []string{"from"}, map[string][]string{"lifecycle": {}}, nil)
	destroyForm = newForm("the lifecycle of a removed block", []string{"destroy"}, nil, nil)
	importForm  = newForm("an import block", []string{"to", "id", "for_each"}, nil,
		map[string]refusal{"provider": {"Unknown argument", "Which broker it is on follows from the block that \"to\" names. Remove the argument."}})
	checkForm                = newForm("a check block", nil, map[string][]string{"assert": {}, "data": {"type", "name"}}, nil)
	lifecycleForm            = lifecycleOf("A broker object is its name, so a second one of that name cannot be made beside it: the old one is deleted first and made again after, with everything that goes with it in the same plan, and bindings are made before the ones they replace go. Remove the argument.")
	participantLifecycleForm = lifecycleOf("How replicas are replaced is said by update: with update { strategy = \"rolling\" }, the default, new ones are started before the old ones stop. Remove the argument.")
	dataLifecycleForm        = newForm("the lifecycle of a data block", nil,
		map[string][]string{"precondition": {}, "postcondition": {}}, nil)
	dynamicForm = newForm("a dynamic block", []string{"for_each", "iterator"}, map[string][]string{"content": {}},
		map[string]refusal{"labels": {"Unknown argument", "Nested blocks have no labels here. Remove the argument."}})
)

// backendForms are the backends of this version with their arguments; http has
// those of Terraform's.
var backendForms = map[string]*form{
	"local": newForm("a local backend", []string{"path"}, nil, nil),
	"http": newForm("an http backend", []string{
		"address", "update_method", "lock_address", "lock_method", "unlock_address", "unlock_method",
		"username", "password", "headers", "skip_cert_verification", "retry_max", "retry_wait_min", "retry_wait_max",
		"client_ca_certificate_pem", "client_certificate_pem", "client_private_key_pem",
	}, nil, nil),
}

var laterBackends = []string{"s3", "broker"}

func lifecycleOf(createBefore string) *form {
	return newForm("a lifecycle block",
		[]string{"prevent_destroy", "ignore_changes", "replace_triggered_by", "adopt"},
		map[string][]string{"precondition": {}, "postcondition": {}},
		map[string]refusal{
			"create_before_destroy": {"No create before destroy", createBefore},
			"prefer":                later("\"prefer\" in a lifecycle block"),
		})
}

func conditionForm(what string) *form { return newForm(what, conditionAttrs, nil, nil) }

var (
	validationForm    = conditionForm("a validation block")
	assertForm        = conditionForm("an assert block")
	preconditionForm  = conditionForm("a precondition block")
	postconditionForm = conditionForm("a postcondition block")
)

func topForm(v *vocabulary) *form {
	blocks := map[string][]string{
		"msgflo": {}, "variable": {"name"}, "locals": {}, "output": {"name"}, "module": {"name"}, "broker": {"name"},
		"data": {"type", "name"}, "moved": {}, "removed": {}, "import": {}, "check": {"name"},
		"component": {"name"}, "launcher": {"kind", "name"},
	}
	refused := laterBlocks()
	maps.Copy(refused, foreignBlocks())
	for name := range v.resources {
		blocks[name] = []string{labelOf(name)}
		delete(refused, name)
	}
	return newForm("a configuration", nil, blocks, refused)
}

// labelOf is what the label of a block that makes objects is called.
func labelOf(block string) string {
	if block == "participant" {
		return "role"
	}
	return "name"
}

// resourceForm is what a block of the schema takes beside its lifecycle.
func resourceForm(typ string, s *providers.Schema, data bool) *form {
	what := fmt.Sprintf("a %s block", typ)
	if data {
		what = fmt.Sprintf("a data %q block", typ)
	}
	f := schemaForm(what, s.Attrs, metaArguments)
	f.addBlock("lifecycle")
	foreign := map[string]refusal{
		"create_before_destroy": lifecycleForm.refused["create_before_destroy"],
		"provider":              {"Unknown argument", "The broker that an object is on is the argument broker: write broker = broker.NAME."},
	}
	for name, r := range foreign {
		if !slices.Contains(f.names, name) {
			f.refused[name] = r
		}
	}
	return f
}

// laterBroker are the words of a broker block that a provider type may not
// have yet.
func brokerForm(attrs []providers.Attr) *form {
	f := schemaForm("a broker block", attrs, nil)
	for _, w := range []string{"url", "management", "username", "password", "password_command", "tls", "embedded", "prefix"} {
		if !slices.Contains(f.names, w) && f.refused[w] == (refusal{}) {
			f.refused[w] = later(fmt.Sprintf("%q in a broker block", w))
		}
	}
	return f
}

// schemaForm is the form of a schema's attributes, with a few more arguments.
func schemaForm(what string, attrs []providers.Attr, more []string) *form {
	var args []string
	blocks := map[string][]string{}
	refused := map[string]refusal{}
	for i := range attrs {
		a := &attrs[i]
		switch {
		case a.NotYet != "":
			refused[a.Name] = refusal{notYet, fmt.Sprintf("%q in %s is part of the language, but this version of msgflo does not have it yet: %s.", a.Name, what, trimStop(a.NotYet))}
		case a.ReadOnly:
			refused[a.Name] = refusal{"Read-only attribute", fmt.Sprintf("%q in %s comes from the broker and cannot be written. It can be referred to elsewhere.", a.Name, what)}
		case a.IsBlock():
			blocks[a.Name] = strings.Fields(a.Label)
		default:
			args = append(args, a.Name)
		}
	}
	for _, m := range more {
		if !slices.Contains(args, m) {
			args = append(args, m)
		}
	}
	f := newForm(what, args, blocks, refused)
	if len(blocks) > 0 {
		// Added after, so that nobody who mistypes is led to it.
		f.blocks["dynamic"] = []string{"name"}
		f.schema.Blocks = append(f.schema.Blocks, schemaOf("dynamic", "name"))
	}
	return f
}
