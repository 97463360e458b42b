package workspace

import (
	"path/filepath"
	"testing"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

// FuzzConfiguration: whatever the text, loading and evaluating it end with
// diagnostics, not with a panic; also evaluating what has errors.
func FuzzConfiguration(f *testing.F) {
	f.Add("broker \"m\" {\n  url = \"amqp://h\"\n}\nqueue \"a\" {\n  for_each = toset([\"x\"])\n  name = each.key\n  dead_letter {\n    exchange = exchange.b\n  }\n}\nexchange \"b\" {\n  typ = 1\n}\n")
	f.Add("variable \"v\" {}\nlocals {\n  a = local.b\n  b = [for x in var.v : local.a]\n}\noutput \"o\" {\n  value = module.m[0].x\n}\n")
	f.Add("binding \"b\" {\n  count = 3\n  source = exchange.nowhere[count.index]\n  destination = queue.q[each.key].name\n  lifecycle {\n    replace_triggered_by = [queue.q]\n  }\n}\n")
	types := []*providers.Type{rabbitmq.Type()}
	f.Fuzz(func(t *testing.T, text string) {
		w := &Workspace{o: Options{Dir: "d", Types: types, Version: "1.0.0"}}
		m, diags := config.Load("d", config.Options{Types: types, Version: "1.0.0", Sources: map[string][]byte{filepath.Join("d", "main.flo.hcl"): []byte(text)}})
		if m == nil {
			return
		}
		w.module = m
		if diags.HasErrors() {
			w.alsoWrong(diags)
			return
		}
		desired.Build(m, w.validateEnv())
	})
}
