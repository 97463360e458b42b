package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/msgflo/msgflo/providers/local/control"
)

// maxLine is how long a line is taken whole; a longer one comes in parts.
const maxLine = 64 << 10

// A tail reads one source through its rotated files, and on as the newest
// grows.
type tail struct {
	source *Source
	files  []*os.File // still to be read, the oldest first; files[0] is being read
	buf    *bufio.Reader
	part   []byte // of a line that has no end yet
	at     time.Time
}

func (t *tail) close() {
	for _, f := range t.files {
		_ = f.Close() // only read from
	}
	t.files = nil
}

// line is the next whole line, io.EOF where there is none yet.
func (t *tail) line() (Line, error) {
	for {
		if len(t.files) == 0 {
			if found, err := t.open(nil); err != nil {
				return Line{}, err
			} else if !found {
				return Line{}, io.EOF
			}
		}
		raw, err := t.buf.ReadSlice('\n')
		switch {
		case err == nil:
			return t.whole(bytes.TrimSuffix(raw, []byte("\n"))), nil
		case errors.Is(err, bufio.ErrBufferFull):
			return t.whole(raw), nil
		case !errors.Is(err, io.EOF):
			return Line{}, err
		}
		t.part = append(t.part, raw...)
		if len(t.part) >= maxLine {
			return t.whole(nil), nil
		}
		more, err := t.next()
		if err != nil {
			return Line{}, err
		}
		if !more {
			return Line{}, io.EOF
		}
	}
}

// whole is a line of what was kept of it and its end.
func (t *tail) whole(end []byte) Line {
	raw := end
	if len(t.part) > 0 {
		raw = append(t.part, end...)
		t.part = nil
	}
	var text []byte
	t.at, text = cut(raw, t.at)
	return Line{t.source, t.at, text}
}

// rest is a last line that never got an end.
func (t *tail) rest() (Line, error) {
	if len(t.part) == 0 {
		return Line{}, io.EOF
	}
	return t.whole(nil), nil
}

// next goes to the file after the one that has been read: true where there is
// more to read. The one read last stays open, for it may grow.
func (t *tail) next() (bool, error) {
	if len(t.files) == 1 {
		now, err := os.Stat(t.source.Path) // nil where nothing was written since it was rotated
		if err := unlessGone(err); err != nil {
			return false, err
		}
		was, err := t.files[0].Stat()
		if err != nil {
			return false, err
		}
		if now != nil && os.SameFile(was, now) {
			return t.emptied(was)
		}
		// It was rotated after all of it was read, or while: what was added in
		// between is read before going on.
		grown, err := t.grown(was)
		if grown || err != nil {
			return grown, err
		}
		return t.open(was)
	}
	_ = t.files[0].Close() // only read from
	t.files = t.files[1:]
	t.buf.Reset(t.files[0])
	return true, nil
}

// grown tells whether the file has more than was read.
func (t *tail) grown(st os.FileInfo) (bool, error) {
	here, err := t.files[0].Seek(0, io.SeekCurrent)
	return st.Size() > here, err
}

// emptied goes back to the beginning of a file that somebody cut short.
func (t *tail) emptied(st os.FileInfo) (bool, error) {
	here, err := t.files[0].Seek(0, io.SeekCurrent)
	if err != nil || st.Size() >= here {
		return st.Size() > here, err
	}
	_, err = t.files[0].Seek(0, io.SeekStart)
	t.buf.Reset(t.files[0])
	return st.Size() > 0, err
}

// open opens the source's files that are newer than the one given, all of them
// for nil. The newest is opened first: rotation renames from the old end, so
// that one which happens meanwhile shows as a file seen twice, never as a gap. False: there is none.
func (t *tail) open(after os.FileInfo) (bool, error) {
	var newer []*os.File
	var infos []os.FileInfo
	for _, path := range slices.Backward(control.LogFiles(t.source.Path)) {
		f, err := os.Open(path)
		if err != nil {
			if err := unlessGone(err); err != nil {
				return false, err
			}
			continue
		}
		st, err := f.Stat()
		if err != nil {
			f.Close()
			return false, err
		}
		if after != nil && os.SameFile(st, after) {
			f.Close()
			break
		}
		if slices.ContainsFunc(infos, func(i os.FileInfo) bool { return os.SameFile(i, st) }) {
			f.Close()
			continue
		}
		newer, infos = append(newer, f), append(infos, st)
	}
	if len(newer) == 0 {
		return false, nil
	}
	t.close()
	slices.Reverse(newer)
	t.files = newer
	if t.buf == nil {
		t.buf = bufio.NewReaderSize(nil, maxLine)
	}
	t.buf.Reset(t.files[0])
	return true, nil
}

func unlessGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// selected gives the lines up to the present end that the selection wants. One without an
// end is given too: nobody waits for it.
func (t *tail) selected(sel Selection) func() (Line, error) {
	next := func() (Line, error) {
		l, err := t.line()
		if errors.Is(err, io.EOF) {
			return t.rest()
		}
		return l, err
	}
	if !sel.Since.IsZero() {
		all := next
		next = func() (Line, error) {
			for {
				l, err := all()
				if err != nil || !l.At.Before(sel.Since) {
					return l, err
				}
			}
		}
	}
	if sel.Last < 0 {
		return next
	}
	return last(sel.Last, next)
}

// last keeps the last n lines, which takes reading all of them: logs are
// rotated, so that this is bounded.
func last(n int, next func() (Line, error)) func() (Line, error) {
	var ring []Line
	read, oldest, given := false, 0, 0
	return func() (Line, error) {
		for !read {
			l, err := next()
			if errors.Is(err, io.EOF) {
				read = true
				break
			}
			if err != nil {
				return Line{}, err
			}
			l.Text = slices.Clone(l.Text)
			switch {
			case len(ring) < n:
				ring = append(ring, l)
			case n > 0:
				ring[oldest], oldest = l, (oldest+1)%n
			}
		}
		if given == len(ring) {
			return Line{}, io.EOF
		}
		given++
		return ring[(oldest+given-1)%len(ring)], nil
	}
}
