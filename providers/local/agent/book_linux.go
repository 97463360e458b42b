package agent

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/state/journal"
)

// A book is what the agent must not forget: the journal, and the secrets
// beside it. Its methods are safe for concurrent use, and what they noted is
// durable when they return.
type book struct {
	place   control.Place
	compact int // records

	// order lets many append at once, and one write the journal anew.
	order   sync.RWMutex
	journal *journal.Journal

	mu      sync.Mutex
	ledger  *control.Ledger
	secrets map[string]control.Secret
	coming  map[string]bool // secrets that no object has yet
	records int

	saving sync.Mutex // of the secrets file
}

// openBook reads what an earlier agent noted, and writes it anew, shorter.
func openBook(p control.Place, compact int) (*book, error) {
	l, err := control.ReadLedger(p.Journal())
	if err != nil {
		return nil, fmt.Errorf("%w.\nWhat the agent holds is not known without it. If it cannot be restored, remove it: the processes that still run are ended by the next agent, and `msgflo apply` starts them again", err)
	}
	secrets, err := control.ReadSecrets(p.Secrets())
	if err != nil {
		return nil, err
	}
	l.Down = false // there is an agent again
	b := &book{place: p, compact: compact, ledger: l, secrets: secrets, coming: map[string]bool{}}
	return b, b.rewrite()
}

// rewrite replaces the journal by one with two records. The caller holds
// order, or is alone.
func (b *book) rewrite() error {
	b.mu.Lock()
	dump, down := b.ledger.Dump(), b.ledger.Down
	b.mu.Unlock()
	line, err := json.Marshal(control.Record{Op: control.OpAll, All: &dump})
	if err != nil {
		return err
	}
	path := b.place.Journal()
	j, err := journal.Create(path + ".new")
	if err != nil {
		return fmt.Errorf("writing the journal anew: %w", err)
	}
	begun, err := json.Marshal(control.Record{Op: control.OpBegun, Down: down})
	if err != nil {
		return err
	}
	if err := errors.Join(j.Append(line), j.Append(begun), os.Rename(path+".new", path), syncDir(filepath.Dir(path))); err != nil {
		return errors.Join(fmt.Errorf("writing the journal anew: %w", err), j.Close())
	}
	if b.journal != nil {
		_ = b.journal.Close()
	}
	b.journal, b.records = j, 0
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// note appends a record. If that fails, nothing has changed.
func (b *book) note(r control.Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := b.append(line, r); err != nil {
		return fmt.Errorf("the agent cannot write its journal: %w", err)
	}
	b.order.Lock()
	defer b.order.Unlock()
	if b.records < b.compact {
		return nil
	}
	return b.rewrite()
}

func (b *book) append(line []byte, r control.Record) error {
	b.order.RLock()
	defer b.order.RUnlock()
	if err := b.journal.Append(line); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Note(r)
	b.records++
	return nil
}

func (b *book) close() { _ = b.journal.Close() }

// with lends the ledger and the secrets, to be read.
func (b *book) with(read func(*control.Ledger, map[string]control.Secret)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	read(b.ledger, b.secrets)
}

// empty tells whether nothing is held.
func (b *book) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ledger.Entries) == 0
}

// keepSecret sees to it that a secret is on disk, and returns its name: the same
// as before where it is equal to the one that the key has.
func (b *book) keepSecret(k control.Key, secret json.RawMessage) (string, error) {
	if len(secret) == 0 {
		return "", nil
	}
	b.mu.Lock()
	old := b.ledger.Entries[k].Secret
	s, ok := b.secrets[old]
	if ok && (control.Held{Salt: s.Salt, Digest: control.SecretSum(s.Salt, s.Secret)}).SameSecret(secret) {
		b.mu.Unlock()
		return old, nil
	}
	name := nonce()
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	b.secrets[name], b.coming[name] = control.Secret{Salt: salt, Secret: secret}, true
	b.mu.Unlock()
	if err := b.saveSecrets(); err != nil {
		return "", fmt.Errorf("the agent cannot write its secrets to %s: %w", diag.Escape(b.place.Secrets()), err)
	}
	return name, nil
}

// arrived says that an object has the secret now, or that none will: it is dropped
// with the object from here on.
func (b *book) arrived(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.coming, name)
}

// used are the secrets that an object has or is about to have. The caller
// holds mu.
func (b *book) used() map[string]bool {
	used := maps.Clone(b.coming)
	for _, e := range b.ledger.Entries {
		used[e.Secret] = true
	}
	for _, e := range b.ledger.Wants {
		used[e.Secret] = true
	}
	return used
}

// saveSecrets writes those that are used; the others are forgotten.
func (b *book) saveSecrets() error {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	used := b.used()
	maps.DeleteFunc(b.secrets, func(name string, _ control.Secret) bool { return !used[name] })
	all := maps.Clone(b.secrets)
	b.mu.Unlock()
	return control.WriteSecrets(b.place.Secrets(), all)
}

// tidySecrets drops from the file what no object has any more.
func (b *book) tidySecrets() error {
	b.mu.Lock()
	used, stale := b.used(), false
	for name := range b.secrets {
		stale = stale || !used[name]
	}
	b.mu.Unlock()
	if !stale {
		return nil
	}
	return b.saveSecrets()
}

// secret is that of an entry.
func (b *book) secret(name string) json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.secrets[name].Secret
}

// dropProc removes the folder of a start that has ended.
func (b *book) dropProc(nonce string) { _ = os.RemoveAll(b.place.Proc(nonce)) }

// procs are the starts that have a folder.
func (b *book) procs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(b.place.Proc("x")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// nonce is a name that nothing else has.
func nonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
