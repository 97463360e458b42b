package cli

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/cli/logs"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/providers/local/control"
)

// followEvery is how often -f looks for more.
const followEvery = 200 * time.Millisecond

type logFlags struct {
	follow, times bool
	since, until  string
	last          int
}

func (a *app) logsCommand() *cli.Command {
	var f logFlags
	return &cli.Command{
		Name: "logs", Usage: "print what participants wrote", ArgsUsage: "[ROLE …]",
		Description: "All replicas of the roles named, of all roles where none is, merged by time. They are there also when nothing runs.\n" +
			"Examples:\n  msgflo logs resize\n  msgflo logs -f -n 20 resize store\n  msgflo logs -until ready -timeout 1m store\n  msgflo logs -since 10m -chdir examples/thumbnails",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON(),
			&cli.BoolFlag{Name: "f", Aliases: []string{"follow"}, Usage: "go on with what is written from now on, until Ctrl-C", Destination: &f.follow},
			&cli.StringFlag{Name: "until", Usage: "as -f, but end after the first line that contains `TEXT` (-timeout bounds the wait)", Destination: &f.until},
			&cli.StringFlag{Name: "since", Usage: "only what was written since `TIME`: 10m ago, or 2026-01-02T15:04:05Z", Destination: &f.since},
			&cli.IntFlag{Name: "n", Usage: "only the last `N` lines of each replica", Destination: &f.last, Value: -1, HideDefault: true},
			&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "when each line was written, before it", Destination: &f.times}),
		Action: func(ctx context.Context, c *cli.Command) error {
			sel, err := f.selection(c.IsSet("n"), c.IsSet("since"))
			if err != nil {
				return err
			}
			return a.onRunning(ctx, a.o.chdirOrHere(), func(k *running) error { return k.logs(ctx, c.Args().Slice(), sel, &f) })
		},
	}
}

func (f *logFlags) selection(limited, timed bool) (logs.Selection, error) {
	sel := logs.Selection{Last: f.last}
	if limited && f.last < 0 {
		return sel, usagef("-n is a number of lines, 0 or more, not %d", f.last)
	}
	if timed {
		var ok bool
		if sel.Since, ok = logs.Since(f.since, time.Now()); !ok {
			return sel, usagef("-since %q is neither how long ago, as in 10m, nor a time, as in 2026-01-02T15:04:05Z", f.since)
		}
	}
	return sel, nil
}

func (k *running) logs(ctx context.Context, names []string, sel logs.Selection, f *logFlags) error {
	if k.recorded.Lineage == "" {
		return nothingApplied(k.w.Dir())
	}
	sources, err := k.logSources(names)
	if err != nil {
		return err
	}
	found, err := sources()
	if err != nil {
		return err
	}
	wide := 0
	for _, s := range found {
		wide = max(wide, utf8.RuneCountInString(ui.LogName(s.Role, s.Index)))
	}
	t := k.terminal()
	out := ui.NewLogs(t.Out, wide, ui.LogOptions{
		Color: t.Color, Times: f.times, JSON: k.o.json, Raw: !term.IsTerminal(int(k.env.Stdout.Fd())),
	})
	emit := func(l logs.Line) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := out.Line(l.Source.Role, l.Source.Index, l.At, l.Text)
		if err == nil && f.until != "" && bytes.Contains(l.Text, []byte(f.until)) {
			return errSeen
		}
		return err
	}
	r := logs.New(sources)
	defer func() { _ = r.Close() }() // only read from
	read := r.Read(sel, emit)
	if read == nil && (f.follow || f.until != "") {
		if err := out.Flush(); err != nil {
			return err
		}
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		read = r.Follow(ctx, tick.C, emit, out.Flush)
	}
	if errors.Is(read, errSeen) {
		read = nil
	}
	return errors.Join(read, out.Flush())
}

// errSeen ends the reading: the line that -until waits for was there.
var errSeen = errors.New("seen")

// logSources finds the folders with the logs of the roles named, all where none is.
// A role that is gone keeps its logs, and is found by its name.
func (k *running) logSources(names []string) (func() ([]logs.Source, error), error) {
	place, err := control.Locate(k.recorded.Lineage)
	if err != nil {
		return nil, err
	}
	folders, err := k.logFolders(place, names)
	return func() ([]logs.Source, error) {
		var out []logs.Source
		for _, f := range folders {
			s, err := logs.Sources(f.role, f.path)
			if err != nil {
				return nil, err
			}
			out = append(out, s...)
		}
		return out, nil
	}, err
}

type logFolder struct{ role, path string }

func (k *running) logFolders(place control.Place, names []string) ([]logFolder, error) {
	all := k.r.Roles(k.recorded, k.here)
	folder := func(r *workspace.Role) logFolder {
		return logFolder{r.Role, filepath.Dir(place.Log(r.Broker, r.Role, 0))}
	}
	var out []logFolder
	if len(names) == 0 {
		for i := range all {
			out = append(out, folder(&all[i]))
		}
		return out, nil
	}
	for _, name := range names {
		r, err := workspace.FindRole(all, name)
		switch {
		case err == nil && (r.State == workspace.Foreign || r.State == workspace.Elsewhere):
			return nil, k.ours(r)
		case err == nil:
			out = append(out, folder(r))
			continue
		}
		gone, globErr := filepath.Glob(filepath.Join(globEscape(place.Folder), "logs", "*", globEscape(control.FileName(name))))
		if globErr != nil || len(gone) == 0 {
			return nil, err
		}
		for _, path := range gone {
			out = append(out, logFolder{name, path})
		}
	}
	return out, nil
}

// globEscape writes a path such that Glob takes it as it is.
func globEscape(s string) string {
	var b []rune
	for _, r := range s {
		switch r {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, r)
	}
	return string(b)
}
