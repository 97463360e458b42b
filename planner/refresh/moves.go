package refresh

import (
	"strings"

	"github.com/msgflo/msgflo/config/addr"
)

// origins maps the new address of every recorded object with hashes that a
// moved block takes elsewhere to the one it is recorded under. It decides
// nothing but which hash a wanted password is compared with.
func origins(r *Request) map[addr.Instance]addr.Instance {
	if len(r.Moves) == 0 {
		return nil
	}
	out := map[addr.Instance]addr.Instance{}
	for i := range r.Prior.Objects {
		o := &r.Prior.Objects[i]
		if len(o.Hashes) == 0 {
			continue
		}
		for _, m := range r.Moves {
			if m.From.Matches(o.Addr) {
				out[moved(o.Addr, m.From.Instance, m.To.Instance)] = o.Addr
				break
			}
		}
	}
	return out
}

// moved is the address that an object under from has under to: what the target leaves
// open (the key, the modules below) stays.
func moved(a, from, to addr.Instance) addr.Instance {
	if rest, ok := strings.CutPrefix(a.Module, from.Module); ok {
		a.Module = to.Module + rest
	}
	if from.Type == "" && from.Owner == "" {
		return a
	}
	if rest, ok := strings.CutPrefix(a.Owner, from.Owner); ok && from.Owner != "" {
		a.Owner = to.Owner + rest
	}
	if from.Type == "" {
		return a
	}
	a.Type, a.Name = to.Type, to.Name
	if from.Key != "" || to.Key != "" {
		a.Key = to.Key
	}
	return a
}
