package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/msgflo/msgflo/providers/launch"
)

// An Other is what runs for a lineage, whether its agent does or only what
// that one left running.
type Other struct {
	Seat
	Agent bool   // it runs, with the pid of the Seat
	Held  []Held // see ReadFolder: which of it runs, without having asked the agent
}

// Others finds what runs on this machine for other lineages and was started for
// the directory. It asks no agent: it lists their folders, and looks
// into those of this directory only.
func Others(dir, lineage string) ([]Other, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // as launchers name it
		dir = real
	}
	seats, err := seats()
	if err != nil {
		return nil, err
	}
	var out []Other
	for _, s := range seats {
		if s.Dir != dir || s.Lineage == lineage {
			continue
		}
		if o, err := s.look(); err != nil {
			return nil, err
		} else if o.runs() {
			out = append(out, o)
		}
	}
	return out, nil
}

// OtherOf is what a lineage has on this machine, running or not; nil where it never had an agent.
func OtherOf(lineage string) (*Other, error) {
	p, err := Locate(lineage)
	if err != nil {
		return nil, err
	}
	s, ok := p.Seat()
	if !ok {
		return nil, nil
	}
	s.Lineage = lineage // of an earlier version's agent it is not written down
	o, err := s.look()
	return &o, err
}

// Lineages are those that ever had an agent on this machine.
func Lineages() ([]string, error) {
	seats, err := seats()
	out := make([]string, len(seats))
	for i, s := range seats {
		out[i] = s.Lineage
	}
	return out, err
}

func seats() ([]Seat, error) {
	any, err := Locate("any")
	if err != nil {
		return nil, err
	}
	home := filepath.Dir(any.Folder)
	entries, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []Seat
	for _, e := range entries {
		s, ok := Place{Folder: filepath.Join(home, e.Name())}.Seat()
		if ok && FileName(s.Lineage) == e.Name() { // a copy of a folder is nobody's
			out = append(out, s)
		}
	}
	return out, err
}

func (s Seat) look() (Other, error) {
	o := Other{Seat: s}
	p, err := Locate(s.Lineage)
	if err != nil {
		return o, err
	}
	o.Agent = Locked(p.AgentLock())
	o.Held, err = ReadFolder(s.Lineage)
	return o, err
}

func (o *Other) runs() bool { return o.Agent || slices.ContainsFunc(o.Held, Held.Runs) }

// Runs tells whether a process of the object runs.
func (h Held) Runs() bool {
	return h.Status != nil && slices.ContainsFunc(h.Status.Replicas, func(r launch.Replica) bool { return r.PID != 0 })
}
