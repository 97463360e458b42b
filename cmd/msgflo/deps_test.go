package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const modulePath = "github.com/msgflo/msgflo/"

// floors says on which floor each room stands. A lower floor never imports a
// higher one; the design's table is docs enough, this is the check.
var floors = map[string]int{
	"config/addr": 0, "config/diag": 0, "config/nesting": 0, "config/envfile": 0, "planner/dag": 0, "state/journal": 0,
	"state": 1, "providers": 1, "config/funcs": 1, "planner/recorded": 2,
	"config": 2, "planner/plan": 2, "providers/rabbitmq": 2, "providers/rabbitmq/mgmt": 1,
	"providers/transport": 1, "providers/participant": 2, "config/component": 1,
	"providers/rabbitmq/rabbittest": 2, "providers/rabbitmq/rabbittest/cmd": 7, "providers/fake": 2, "providers/providertest": 2, "providers/providertest/child": 0, "providers/attr": 0,
	"state/local": 2, "state/http": 2, "state/storetest": 2,
	"planner/desired/flow": 2, "providers/launch": 1, "providers/discovery/wire": 1,
	"providers/local/control": 2, "providers/discovery": 2, "providers/mqtt/router": 2, "providers/mqtt/embedded": 2,
	"providers/local/agent": 3, "providers/local/services": 3,
	"providers/local": 4, "providers/mqtt": 4,
	"planner/desired": 3,
	"planner":         4, "planner/refresh": 4, "planner/apply": 4,
	"cmd/msgflo/internal/workspace": 5,
	"cmd/msgflo/internal/ui":        6,
	"cmd/msgflo/internal/cli":       7, "cmd/msgflo": 7,
}

// sameFloor are the imports between rooms of one floor, each by name.
var sameFloor = map[string]bool{
	"planner/refresh -> planner":            true, // fills planner.Live
	"cmd/msgflo -> cmd/msgflo/internal/cli": true,
	"providers -> providers/transport":      true, // providers.Dialer
	"providers/launch -> providers":         true, // the schema of a process
}

// bans are imports that no floor forbids and the design does.
var bans = []struct{ room, pkg, why string }{
	{"state", modulePath + "providers", "listing state works with every broker down"},
	{"providers", modulePath + "state", "providers see cty values; what is remembered is not theirs"},
	{"providers", modulePath + "config", "providers see cty values; addr and diag excepted"},
	{"planner/plan", modulePath + "config", "a plan is a document; addr and diag excepted"},
	{"planner", "context", "the planner is pure"},
	{"planner", "os", "the planner is pure"},
	{"planner", "net/http", "the planner is pure"},
	{"planner", "time", "the planner is pure: time is an argument"},
	{"planner/desired", "context", "lowering is pure"},
	{"planner/desired", "net/http", "lowering is pure"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Doc        string
	Name       string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,Name", modulePath+"...").Output()
	if err != nil {
		if ee, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// floorOf finds the room's floor; a folder below a room that the table does
// not name is part of that room.
func floorOf(path string) (room string, floor int, ok bool) {
	for room = strings.TrimPrefix(path, modulePath); room != ""; room = parent(room) {
		if f, found := floors[room]; found {
			return room, f, true
		}
	}
	return "", 0, false
}

func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// TestFloors holds every import against the table of floors.
func TestFloors(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		room, floor, ok := floorOf(p.ImportPath)
		if !ok {
			t.Errorf("%s stands on no floor; give it one in floors", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, modulePath) {
				continue
			}
			r, f, ok := floorOf(imp)
			if !ok || r == room {
				continue
			}
			switch edge := room + " -> " + r; {
			case f > floor:
				t.Errorf("%s (floor %d) imports %s (floor %d): a lower floor never imports a higher one", p.ImportPath, floor, imp, f)
			case f == floor && !sameFloor[edge]:
				t.Errorf("%s imports %s on the same floor; name the edge %q in sameFloor if it must be", p.ImportPath, imp, edge)
			case f == floor:
				used[edge] = true
			}
		}
	}
	for edge := range sameFloor {
		if !used[edge] {
			t.Errorf("sameFloor allows %q, which nothing needs", edge)
		}
	}
}

// TestBans holds what no floor forbids and the design does.
func TestBans(t *testing.T) {
	allowed := map[string]bool{modulePath + "config/addr": true, modulePath + "config/diag": true}
	for _, p := range packages(t) {
		room, _, _ := floorOf(p.ImportPath)
		for _, b := range bans {
			within := room == b.room || b.room == "providers" && strings.HasPrefix(room, "providers/") && !strings.Contains(room, "test")
			if !within {
				continue
			}
			for _, imp := range p.Imports {
				if (imp == b.pkg || strings.HasPrefix(imp, b.pkg+"/")) && !allowed[imp] && !strings.HasPrefix(imp, modulePath+"state/journal") {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, b.why)
				}
			}
		}
	}
}

// TestPackageDocs: each package says what it is.
func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if want := "Package " + p.Name; p.Name != "main" && !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s has no doc comment that begins %q", p.ImportPath, want)
		}
		if len(p.Doc) < 40 {
			t.Errorf("%s: its doc comment says too little: %q", p.ImportPath, p.Doc)
		}
	}
}
