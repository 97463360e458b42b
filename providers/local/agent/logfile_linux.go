package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/local/control"
)

// partial is the time after which a line that has no end yet is written.
const partial = 500 * time.Millisecond

// A logFile takes what a process writes, a time before each line, and rotates by
// size. Two may write to one path while a replica replaces another. It never
// fails: what cannot be written is counted and said later, so that a full disk
// never stops the process.
type logFile struct {
	path  string
	limit int64
	files int
	now   func() time.Time

	file    *os.File
	out     []byte
	dropped int64
	why     error
}

// drain copies the pipe until its end. Memory is bounded: one buffer in, one
// out.
func (l *logFile) drain(pipe source) {
	buf := make([]byte, longest)
	n := 0
	for {
		m, err := pipe.Read(buf[n:])
		n += m
		end := bytes.LastIndexByte(buf[:n], '\n') + 1
		if err != nil || end == 0 && n == len(buf) {
			end = n
		}
		l.lines(buf[:end])
		n = copy(buf, buf[end:n])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = pipe.SetReadDeadline(time.Time{})
		case err != nil:
			l.close()
			return
		case n > 0:
			_ = pipe.SetReadDeadline(time.Now().Add(partial))
		case end > 0:
			_ = pipe.SetReadDeadline(time.Time{})
		}
	}
}

// lines writes whole lines; the last one may lack its end.
func (l *logFile) lines(b []byte) {
	if len(b) == 0 {
		return
	}
	stamp := l.now().UTC().AppendFormat(nil, control.LogTime)
	for line := range bytes.Lines(b) {
		l.out = append(append(append(l.out, stamp...), ' '), line...)
		if line[len(line)-1] != '\n' {
			l.out = append(l.out, '\n')
		}
		if len(l.out) > longest {
			l.flush()
		}
	}
	l.flush()
	if cap(l.out) > 4*longest {
		l.out = nil
	}
}

func (l *logFile) flush() {
	if len(l.out) == 0 {
		return
	}
	out := l.out
	l.out = l.out[:0]
	if err := l.current(); err != nil {
		l.drop(len(out), err)
		return
	}
	if l.dropped > 0 {
		note := fmt.Sprintf("%s msgflo: %d bytes of output were lost here: %v\n", l.now().UTC().Format(control.LogTime), l.dropped, l.why)
		if _, err := l.file.WriteString(note); err != nil {
			l.drop(len(out), err)
			return
		}
		l.dropped = 0
	}
	if n, err := l.file.Write(out); err != nil {
		l.drop(len(out)-n, err)
	}
}

func (l *logFile) drop(n int, err error) {
	l.dropped += int64(n)
	l.why = err
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		l.why = pe.Err
	}
}

// current has the newest file open, a new one where that is full or somebody
// moved or removed it.
func (l *logFile) current() error {
	full, err := l.reopen()
	if err != nil || !full {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(filepath.Dir(l.path), "."+filepath.Base(l.path)+".lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	// The other writer may have been faster.
	if full, err := l.reopen(); err != nil || !full {
		return err
	}
	l.close()
	for i := l.files - 1; i > 0; i-- {
		from := l.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", l.path, i-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", l.path, i)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if l.files <= 1 {
		if err := os.Remove(l.path); err != nil {
			return err
		}
	}
	_, err = l.reopen()
	return err
}

// reopen sees to it that the open file is the one at the path, and tells
// whether that is full.
func (l *logFile) reopen() (full bool, err error) {
	at, err := os.Stat(l.path)
	if err == nil && l.file != nil {
		if own, err := l.file.Stat(); err == nil && os.SameFile(at, own) {
			return at.Mode().IsRegular() && at.Size() >= l.limit, nil
		}
	}
	l.close()
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return false, err
	}
	if l.file, err = os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|unix.O_CLOEXEC, 0o600); err != nil {
		l.file = nil
		return false, err
	}
	at, err = l.file.Stat()
	return err == nil && at.Mode().IsRegular() && at.Size() >= l.limit, err
}

func (l *logFile) close() {
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
