package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// A launcher is a launcher block of the root module, or this machine where
// there is none. Processes are objects on it as queues are on a broker.
type launcher struct {
	broker
	written bool
	used    bool // by a participant
	of      *config.Launcher
}

func (l *launcher) decl() hcl.Range {
	if l.of == nil {
		return hcl.Range{}
	}
	return l.of.Decl
}

// declareLaunchers takes over the launcher blocks. Without any, participants
// run on this machine.
func (e *evaluator) declareLaunchers(m *config.Module) {
	e.launchers = map[string]*launcher{}
	for key, c := range m.Launchers {
		e.launchers[key] = &launcher{of: c, written: true, broker: broker{addr: addr.Provider{Kind: "launcher." + c.Kind, Name: c.Name}, mod: e.root, typ: c.Type}}
	}
	if len(e.launchers) > 0 {
		return
	}
	for _, t := range e.env.Types {
		if t.Launcher && t.Name == "local" {
			e.launchers["local.here"] = &launcher{of: &config.Launcher{}, broker: broker{addr: addr.Provider{Kind: "launcher.local", Name: "here"}, mod: e.root, typ: t}}
		}
	}
}

func (e *evaluator) evalLauncher(l *launcher) bool {
	return e.once(l, &l.state, func() {
		l.failed = true
		l.in = e.info(&l.typ.Config)
		body := e.compileBody(l.mod, l.in.attrs, l.of.Attrs, l.of.Blocks, l.of.Decl, nil)
		d := e.decodeSettings(&l.broker, body)
		if d.held && e.env.AllowMissing {
			return
		}
		if d.held {
			e.errorf(l.of.Decl, "Launcher depends on data", "%s depends on a data source. A launcher must be known before anything can be read.", l.addr)
			return
		}
		if d.failed {
			return
		}
		e.configure(&l.broker, body)
	})
}

// launcherOf is where a participant runs; nil: reported.
func (e *evaluator) launcherOf(i *instance) *launcher {
	var l *launcher
	src := i.block.cfg.Launcher
	if src == nil {
		l = e.onlyLauncher(i)
	} else {
		l = e.launcherNamed(i, src)
	}
	if l == nil || !e.evalLauncher(l) || l.failed {
		return nil
	}
	l.used = true
	return l
}

func (e *evaluator) onlyLauncher(i *instance) *launcher {
	names := sortedKeys(e.launchers)
	switch len(names) {
	case 1:
		return e.launchers[names[0]]
	case 0:
		e.errorf(i.decl(), "No launcher", "%s is to be launched, and this msgflo has no launcher for processes of this machine.", i.label())
	default:
		e.errorf(i.decl(), "Which launcher?", "There are several launchers (%s), so %s has to say where it runs: launcher = launcher.%s", strings.Join(names, ", "), i.label(), names[0])
	}
	return nil
}

func (e *evaluator) launcherNamed(i *instance, src hcl.Expression) *launcher {
	var name string
	if t, ok := unwrap(src).(*hclsyntax.ScopeTraversalExpr); ok && t.Traversal.RootName() == "launcher" && len(t.Traversal) == 3 {
		name = stepName(t.Traversal[1]) + "." + stepName(t.Traversal[2])
	} else {
		v := e.eval(e.compile(i.block.mod, src, nil), i.scope)
		if traitsOf(v).broken || e.unknownHere(v) {
			return nil
		}
		if v.IsNull() {
			return e.onlyLauncher(i)
		}
		s, ok := stringOf(v)
		if !ok || traitsOf(v).sensitive {
			e.errorf(src.Range(), "Invalid launcher", "The launcher of %s must be written as launcher.KIND.NAME, or as a string that names one.", i.label())
			return nil
		}
		name = strings.TrimPrefix(s, "launcher.")
	}
	if l := e.launchers[name]; l != nil {
		return l
	}
	e.errorf(src.Range(), "No such launcher", "There is no launcher.%s.%s Launchers are declared in the root module.", diag.Escape(name), diag.DidYouMean("launcher."+name, prefixed("launcher.", e.launchers)))
	return nil
}
