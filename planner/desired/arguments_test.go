package desired_test

import (
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired"
)

// What config says of a module's arguments is not said again: Build goes on
// with what is wrong, so that all mistakes are in one run.
func TestMissingArgumentIsSaidOnce(t *testing.T) {
	m, diags := config.Load(".", config.Options{Types: testTypes(), Sources: map[string][]byte{
		"main.flo.hcl": []byte("module \"m\" {\n  source = \"./m\"\n}\noutput \"size\" {\n  value = module.m.size\n}\n"),
		"m/m.flo.hcl":  []byte("variable \"size\" {\n  type = number\n}\noutput \"size\" {\n  value = var.size * 2\n}\n"),
	}})
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, `needs the argument "size"`) {
		t.Fatal(diags)
	}
	if _, more := desired.Build(m, desired.Env{Types: testTypes(), Dir: "."}); len(more) != 0 {
		t.Error(more)
	}
}
