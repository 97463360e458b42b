package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
)

// A Secret as the secrets file has it, with the salt that its digest is made with.
type Secret struct {
	Salt   []byte          `json:"salt"`
	Secret json.RawMessage `json:"secret"`
}

// ReadSecrets reads a secrets file; no file is no secret.
func ReadSecrets(path string) (map[string]Secret, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]Secret{}, nil
	}
	if err != nil {
		return nil, err
	}
	var all map[string]Secret
	if json.Unmarshal(b, &all) != nil || all == nil { // the error could quote a secret
		return nil, fmt.Errorf("the file of secrets %s is damaged: remove it, and `msgflo apply` writes it anew", diag.Escape(path))
	}
	return all, nil
}

// WriteSecrets replaces the secrets file, mode 0600.
func WriteSecrets(path string, all map[string]Secret) error {
	b, err := json.Marshal(all) //nolint:gosec // this is the one place where they are kept
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, b, 0o600, renameio.IgnoreUmask())
}

// A ShimStatus is what a shim writes down about the process that it runs.
type ShimStatus struct {
	Boot    string    `json:"boot"`
	Shim    Identity  `json:"shim"`
	Child   Identity  `json:"child,omitzero"`
	Started time.Time `json:"started,omitzero"`
	// Failed says why the program could not be started, Errno is that error's
	// number where it has one.
	Failed string `json:"failed,omitempty"`
	Errno  int    `json:"errno,omitempty"`
	Exit   *Exit  `json:"exit,omitempty"` // once it has ended
}

// An Identity is a process that cannot be mistaken for another: pids are used
// again, but not with the same start time in the same boot. Start is in clock
// ticks since boot, field 22 of proc(5)'s stat.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// An Exit is how a process ended: with a code, or by a signal.
type Exit struct {
	Code   int       `json:"code"`
	Signal string    `json:"signal,omitempty"` // SIGKILL …
	At     time.Time `json:"at"`
	// Killed is how many others of its group or its descendants were left and
	// got SIGKILL.
	Killed int `json:"killed,omitempty"`
}

func (e Exit) String() string {
	if e.Signal != "" {
		return "killed by " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Status reads what the shim of a run wrote; false where it wrote nothing
// (yet).
func (p Place) Status(nonce string) (ShimStatus, bool) {
	var s ShimStatus
	b, err := os.ReadFile(p.Proc(nonce) + "/status.json")
	return s, err == nil && json.Unmarshal(b, &s) == nil
}

// Why a replica does not run, or a service, where no agent does.
const (
	NoAgent = "no agent runs" // to keep it running
	ByDown  = "brought down"  // with all that was held, by `msgflo down`
)

// ReadFolder is what an agent of the lineage would hold, from its folder, and
// what of it runs now, without any agent. It changes nothing.
func ReadFolder(lineage string) ([]Held, error) {
	p, err := Locate(lineage)
	if err != nil {
		return nil, err
	}
	l, err := ReadLedger(p.Journal())
	if err != nil {
		return nil, fmt.Errorf("reading what the agent holds: %w", err)
	}
	secrets, err := ReadSecrets(p.Secrets())
	if err != nil {
		return nil, err
	}
	var held []Held
	for _, k := range slices.SortedFunc(maps.Keys(l.Entries), Compare) {
		h, err := p.held(l, l.Entries[k], secrets)
		if err != nil {
			return nil, err
		}
		held = append(held, h)
	}
	return held, nil
}

func (p Place) held(l *Ledger, e Entry, secrets map[string]Secret) (Held, error) {
	h := e.Show(secrets)
	if e.Kind != Process {
		h.Note = l.idle()
		return h, nil
	}
	var spec launch.Spec
	if err := json.Unmarshal(e.Spec, &spec); err != nil {
		return h, fmt.Errorf("the journal's spec of %s: %w", diag.Escape(e.Name), err)
	}
	st := launch.Status{Broker: spec.Broker, Role: spec.Role, Wanted: spec.Replicas, Held: e.Held}
	for i := range spec.Replicas {
		st.Replicas = append(st.Replicas, p.replica(l, e.Key, spec, i))
	}
	h.Status = &st
	return h, nil
}

// idle is why nothing runs where no agent does.
func (l *Ledger) idle() string {
	if l.Down {
		return ByDown
	}
	return NoAgent
}

// replica is how one fares by what the folder says of its runs.
func (p Place) replica(l *Ledger, k Key, s launch.Spec, index int) launch.Replica {
	r := launch.Replica{Index: index, State: launch.Stopped, Reason: l.idle(), Log: p.Log(s.Broker, s.Role, index)}
	for _, run := range l.Runs {
		if run.Key != k || run.Index != index {
			continue
		}
		st, ok := p.Status(run.Nonce)
		switch {
		case run.Final != "":
			r.State, r.Reason = run.Final, run.Reason
		case ok && st.Exit == nil && st.Child.PID != 0 && Locked(p.Proc(run.Nonce)+"/lock"):
			r.State, r.Reason, r.PID, r.Started = launch.Starting, "", st.Child.PID, st.Started
			if run.Ready {
				r.State = launch.Running
			}
			return r
		}
	}
	return r
}

// Show is an entry as it is told to others: with its secret's digest only.
func (e Entry) Show(secrets map[string]Secret) Held {
	h := Held{Key: e.Key, Spec: e.Spec, Dir: e.Dir}
	if s, ok := secrets[e.Secret]; ok && e.Secret != "" {
		h.Salt, h.Digest = s.Salt, SecretSum(s.Salt, s.Secret)
	}
	return h
}
