package journal

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// A CorruptError says that a record which was acknowledged cannot be read.
type CorruptError struct {
	Path string
	Line int // from 1
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("line %d of the journal %q is damaged, and lines after it are not: a fault of the disk, or an edit. It holds what an "+
		"unfinished run did that is not in the state yet. Bring back a good copy, or, where there is none, move the file away and run "+
		"`msgflo plan`: the objects that the run meant to change are read again from the broker", e.Line, e.Path)
}

// Summary is the error's headline.
func (e *CorruptError) Summary() string { return "Journal is damaged" }

func located(err error, path string) error {
	if c, ok := errors.AsType[*CorruptError](err); ok {
		return &CorruptError{Path: path, Line: c.Line}
	}
	return err
}

// parse returns the payloads and how many bytes they take with their lines,
// which is where a torn last write begins.
func parse(b []byte) (payloads [][]byte, good int, err error) {
	for good < len(b) {
		end := bytes.IndexByte(b[good:], '\n')
		if end < 0 {
			return payloads, good, nil // the last line was never finished
		}
		seq, _, payload, ok := parseLine(b[good : good+end])
		if !ok || seq != uint64(len(payloads)) {
			return payloads, good, torn(b[good:], uint64(len(payloads)))
		}
		payloads = append(payloads, payload)
		good += end + 1
	}
	return payloads, good, nil
}

// torn returns an error if a readable record in rest was begun after the
// record of number lost had been acknowledged.
func torn(rest []byte, lost uint64) error {
	// A record may also stand behind another's damaged end of line.
	starts := regexp.MustCompile(`[0-9a-f]{8} [0-9]+ [0-9]+ `)
	for line := range bytes.Lines(rest) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		for _, at := range starts.FindAllIndex(line, -1) {
			if _, base, _, ok := parseLine(line[at[0]:]); ok && base > lost {
				return &CorruptError{Line: int(lost) + 1}
			}
		}
	}
	return nil
}

func parseLine(line []byte) (seq, base uint64, payload []byte, ok bool) {
	if len(line) < 9 || line[8] != ' ' {
		return 0, 0, nil, false
	}
	// The text itself is compared: a flipped case bit ("f" to "F") is the same number and still damage.
	if string(line[:8]) != sumText(line[9:]) {
		return 0, 0, nil, false
	}
	parts := bytes.SplitN(line[9:], []byte(" "), 3)
	if len(parts) != 3 {
		return 0, 0, nil, false
	}
	seq, err1 := strconv.ParseUint(string(parts[0]), 10, 64)
	base, err2 := strconv.ParseUint(string(parts[1]), 10, 64)
	return seq, base, parts[2], err1 == nil && err2 == nil && base <= seq
}
