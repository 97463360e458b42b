package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// LogTime is how each line of a participant's log begins, in UTC, before one
// space and what the participant wrote.
const LogTime = "2006-01-02T15:04:05.000Z"

// LogFiles are the files of a log, the newest last: rotation puts ".1", ".2"
// … behind the name, the higher the older.
func LogFiles(path string) []string {
	files := []string{path}
	for i := 1; ; i++ {
		f := fmt.Sprintf("%s.%d", path, i)
		if _, err := os.Stat(f); err != nil {
			break
		}
		files = append(files, f)
	}
	slices.Reverse(files)
	return files
}

// CutTime parts a line of a log into when it was written and what; the zero
// time where the line is the rest of one too long to be kept whole.
func CutTime(line []byte) (time.Time, []byte) {
	stamp, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(stamp) != len(LogTime) {
		return time.Time{}, line
	}
	t, err := time.Parse(LogTime, string(stamp))
	if err != nil {
		return time.Time{}, line
	}
	return t, rest
}

// LastLines are at most n last lines that a process wrote since a time,
// escaped and without their times, from at most the last 64 KB of its log.
func LastLines(path string, n int, since time.Time) []string {
	const most, widest = 64 << 10, 300
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	b := make([]byte, min(end, most))
	if _, err := f.ReadAt(b, end-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	var lines []string
	started := since.IsZero()
	for l := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		at, text := CutTime(l)
		started = started || !at.IsZero() && !at.Before(since.Truncate(time.Millisecond))
		if !started || len(l) == 0 {
			continue
		}
		s := strings.TrimRight(string(text), "\r")
		if len(s) > widest {
			s = s[:widest] + "…"
		}
		lines = append(lines, diag.Escape(s))
	}
	return lines[max(0, len(lines)-n):]
}
