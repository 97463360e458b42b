// Package logs reads the log files of participants: rotated ones in their
// order, several replicas merged by time, and on as they grow. It knows how the
// shim writes them (providers/local/control) and nothing of agents: files are enough.
package logs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/msgflo/msgflo/providers/local/control"
)

// A Source is the log of one replica.
type Source struct {
	Role  string // as people name it
	Index int
	Path  string // of its newest file
}

// A Line is one line of a log, without its end.
type Line struct {
	Source *Source
	// At is when it was written; of the rest of a line that was too long to be
	// kept whole, when that line was.
	At   time.Time
	Text []byte // valid until the next line
}

// A Selection says which lines.
type Selection struct {
	Since time.Time // zero: from the beginning
	Last  int       // of each replica, below 0: all
}

// Sources are the logs of a role's replicas in a folder, by their numbers.
func Sources(role, folder string) ([]Source, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var out []Source
	for _, e := range entries {
		number, rotated, isLog := strings.Cut(e.Name(), ".log") // "0.log", or "0.log.1" while it is being rotated
		i, err := strconv.Atoi(number)
		if !isLog || rotated != "" && rotated[0] != '.' || err != nil || i < 0 || strconv.Itoa(i) != number {
			continue
		}
		if !slices.ContainsFunc(out, func(s Source) bool { return s.Index == i }) {
			out = append(out, Source{role, i, filepath.Join(folder, number+".log")})
		}
	}
	slices.SortFunc(out, func(a, b Source) int { return a.Index - b.Index })
	return out, nil
}

// A Reader reads several logs. Close it.
type Reader struct {
	sources func() ([]Source, error)
	tails   []*tail
}

// New makes a reader of the sources that the function names; while following
// it is asked again, for replicas come and go.
func New(sources func() ([]Source, error)) *Reader { return &Reader{sources: sources} }

// Close closes the files.
func (r *Reader) Close() error {
	for _, t := range r.tails {
		t.close()
	}
	return nil
}

// Read gives the selected lines of all sources, by time; lines of one source
// stay in their order whatever their times say.
func (r *Reader) Read(sel Selection, emit func(Line) error) error {
	if err := r.look(); err != nil {
		return err
	}
	var heads []*head
	for _, t := range r.tails {
		h := &head{next: t.selected(sel)}
		if ok, err := h.advance(); err != nil {
			return err
		} else if ok {
			heads = append(heads, h)
		}
	}
	for len(heads) > 0 {
		first := 0
		for i, h := range heads {
			if h.line.At.Before(heads[first].line.At) {
				first = i
			}
		}
		if err := emit(heads[first].line); err != nil {
			return err
		}
		ok, err := heads[first].advance()
		if err != nil {
			return err
		}
		if !ok {
			heads = slices.Delete(heads, first, first+1)
		}
	}
	return nil
}

// head is the next line of a source.
type head struct {
	line Line
	next func() (Line, error)
}

func (h *head) advance() (bool, error) {
	var err error
	h.line, err = h.next()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// Follow gives what is added after Read, until the context ends; that is no
// error. Tick says when to look again, flush is called after each look.
func (r *Reader) Follow(ctx context.Context, tick <-chan time.Time, emit func(Line) error, flush func() error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		if err := r.look(); err != nil {
			return err
		}
		var lines []Line
		for _, t := range r.tails {
			for {
				l, err := t.line()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				l.Text = slices.Clone(l.Text)
				lines = append(lines, l)
				if len(lines) >= maxBatch { // a flood is shown as it comes, not hoarded
					break
				}
			}
		}
		slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
		for _, l := range lines {
			if err := emit(l); err != nil {
				return err
			}
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// maxBatch bounds how many lines are held to be sorted.
const maxBatch = 10_000

// look finds sources that are new.
func (r *Reader) look() error {
	sources, err := r.sources()
	if err != nil {
		return err
	}
	for _, s := range sources {
		known := slices.ContainsFunc(r.tails, func(t *tail) bool { return t.source.Path == s.Path })
		if known {
			continue
		}
		r.tails = append(r.tails, &tail{source: &s})
	}
	return nil
}

// Since reads what -since takes: how long ago, or a time as RFC 3339 has it;
// without a zone it is that of this machine.
func Since(text string, now time.Time) (time.Time, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), d >= 0
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// cut parts a raw line; one that has no time has the time before it.
func cut(raw []byte, before time.Time) (time.Time, []byte) {
	at, text := control.CutTime(raw)
	if at.IsZero() {
		at = before
	}
	return at, text
}
