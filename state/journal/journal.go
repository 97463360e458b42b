// Package journal is an append-only file of records, each durable before its
// Append returns, for what must be remembered in constant time. It knows
// nothing of what the records mean and imports the standard library only.
//
// A record is one line:
//
//	CRC SEQ BASE PAYLOAD\n
//
// CRC is the CRC-32C (RFC 3720, B.4) of the rest of the line as eight hex
// digits, SEQ the record's number from 0, BASE the number of the first record
// that was written together with it. A batch is only begun once the one before
// is on disk, so BASE tells that all records before it were acknowledged: of a
// line that cannot be read, a later BASE tells damage from a torn last write.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// ErrClosed is returned for an append to a closed journal.
var ErrClosed = errors.New("the journal is closed")

// maxPayload bounds a record, so that one line of a damaged file is no reason
// to exhaust memory.
const maxPayload = 64 << 20

// A Journal is open for appending. Its methods are safe for concurrent use.
type Journal struct {
	file file
	path string

	flush sync.Mutex // held by whoever writes a batch
	err   error      // under flush: the first failure, after which nothing is known to be durable
	next  uint64     // under flush: number of the next record

	mu    sync.Mutex
	batch *batch // that records join now
}

// file is what a Journal needs of an *os.File.
type file interface {
	Write([]byte) (int, error)
	Sync() error
	Close() error
}

// batch is the records that one write and one fsync make durable.
type batch struct {
	payloads [][]byte
	done     bool // under flush
	err      error
}

// Create makes an empty journal at the path, in place of any that is there.
func Create(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Sync(), syncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return open(f, path, 0), nil
}

// Append opens the journal at the path, which may not exist yet, to add to it.
// A torn last write is cut off. Damage elsewhere is a *CorruptError.
func Append(path string) (*Journal, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Create(path)
	}
	if err != nil {
		return nil, err
	}
	records, good, err := parse(b)
	if err != nil {
		return nil, located(err, path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(int64(good)), f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return open(f, path, uint64(len(records))), nil
}

func open(f file, path string, next uint64) *Journal {
	return &Journal{file: f, path: path, next: next, batch: &batch{}}
}

// Append adds a record and returns once it is durable. The payload is one line
// of text. Callers that wait at the same time share one fsync. After a failed
// write every later Append fails too: what the disk holds is no longer known.
func (j *Journal) Append(payload []byte) error {
	if len(payload) > maxPayload || bytes.IndexByte(payload, '\n') >= 0 {
		return fmt.Errorf("a journal record is one line of at most %d bytes", maxPayload)
	}
	j.mu.Lock()
	b := j.batch
	b.payloads = append(b.payloads, payload)
	j.mu.Unlock()

	j.flush.Lock()
	defer j.flush.Unlock()
	if !b.done { // nobody took this batch while we waited: we write it
		j.mu.Lock()
		j.batch = &batch{}
		j.mu.Unlock()
		b.err, b.done = j.write(b.payloads), true
	}
	return b.err
}

// write makes a batch durable. The caller holds flush.
func (j *Journal) write(payloads [][]byte) error {
	if j.err != nil {
		return j.err
	}
	var buf []byte
	for i, p := range payloads {
		buf = appendRecord(buf, j.next+uint64(i), j.next, p)
	}
	_, err := j.file.Write(buf)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.err = fmt.Errorf("writing the journal %s: %w", j.path, err)
		return j.err
	}
	j.next += uint64(len(payloads))
	return nil
}

// Close waits for a write under way and closes the file. Closing twice is no
// error.
func (j *Journal) Close() error {
	j.flush.Lock()
	defer j.flush.Unlock()
	if errors.Is(j.err, ErrClosed) {
		return nil
	}
	j.err = ErrClosed
	return j.file.Close()
}

// Read returns the records of the journal at the path, oldest first; none
// where there is no file. A torn last write, which was never acknowledged, is
// left out. Damage elsewhere is a *CorruptError.
func Read(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	records, _, err := parse(b)
	return records, located(err, path)
}

func appendRecord(buf []byte, seq, base uint64, payload []byte) []byte {
	start := len(buf)
	buf = append(buf, "00000000 "...)
	buf = strconv.AppendUint(buf, seq, 10)
	buf = append(buf, ' ')
	buf = strconv.AppendUint(buf, base, 10)
	buf = append(buf, ' ')
	buf = append(buf, payload...)
	copy(buf[start:], sumText(buf[start+9:]))
	return append(buf, '\n')
}

func sumText(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
