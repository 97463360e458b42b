package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/msgflo/msgflo/config/diag"
)

// maxSocket is how long the path of a unix socket may be: sun_path of sockaddr_un
// has 108 bytes on Linux, 104 elsewhere, with the final NUL.
const maxSocket = 103

// A Place is where the agent of one lineage listens and keeps what it must
// not forget. Nothing of it need exist.
type Place struct {
	Lineage string
	Socket  string // where an agent of this environment listens
	Folder  string // private to the user: journal, secrets, logs, programs
}

// Locate finds the place of a lineage from XDG_RUNTIME_DIR, XDG_STATE_HOME
// and HOME. It makes nothing.
func Locate(lineage string) (Place, error) {
	if lineage == "" {
		return Place{}, errors.New("an agent belongs to the lineage of a state, and this state has none")
	}
	home := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(home) { // the specification: a relative path is to be ignored
		h, err := os.UserHomeDir()
		if err != nil {
			return Place{}, fmt.Errorf("finding where the agent keeps its files: neither XDG_STATE_HOME nor HOME is set: %w", err)
		}
		home = filepath.Join(h, ".local", "state")
	}
	sum := sha256.Sum256([]byte(lineage))
	name := hex.EncodeToString(sum[:8]) + ".sock"
	p := Place{Lineage: lineage, Folder: filepath.Join(home, "msgflo", FileName(lineage))}
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		p.Socket = filepath.Join(run, "msgflo", name)
	}
	if p.Socket == "" || len(p.Socket) > maxSocket {
		p.Socket = filepath.Join("/tmp", "msgflo-"+strconv.Itoa(os.Getuid()), name)
	}
	return p, nil
}

// Journal is the path of what the agent holds and has started.
func (p Place) Journal() string { return filepath.Join(p.Folder, "journal") }

// Secrets is the path of the one file that has any, mode 0600.
func (p Place) Secrets() string { return filepath.Join(p.Folder, "secrets.json") }

// AgentLog is the path of what the agent says for itself.
func (p Place) AgentLog() string { return filepath.Join(p.Folder, "agent.log") }

// AgentLock is the path of the file that a living agent has locked.
func (p Place) AgentLock() string { return filepath.Join(p.Folder, "agent.lock") }

// AgentFile is the path of where the last agent listened: a Seat.
func (p Place) AgentFile() string { return filepath.Join(p.Folder, "agent.json") }

// Programs is the folder of the copies that agents run from, one for each build.
func (p Place) Programs() string { return filepath.Join(p.Folder, "bin") }

// Proc is the folder of one start of a process.
func (p Place) Proc(nonce string) string { return filepath.Join(p.Folder, "procs", nonce) }

// Log is the path of the newest log file of a replica.
func (p Place) Log(broker, role string, index int) string {
	return filepath.Join(p.Folder, "logs", FileName(broker), FileName(role), strconv.Itoa(index)+".log")
}

// FileName writes any text as one file name: letters, digits, "-", "_" and
// "." but at the start stay, other bytes become %XX. A long one is cut and
// ends in a digest of all of it, so two texts never share a name.
func FileName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	if len(name) > 150 {
		sum := sha256.Sum256([]byte(s))
		name = name[:120] + "%-" + hex.EncodeToString(sum[:8])
	}
	if name == "" {
		return "%"
	}
	return name
}

// Usable says why Prepare would fail, and changes nothing.
func (p Place) Usable() error {
	for _, f := range []struct{ dir, what, variable string }{
		{p.Folder, "keeps its files", "XDG_STATE_HOME"},
		{filepath.Dir(p.Socket), "listens", "XDG_RUNTIME_DIR"},
	} {
		if err := checkPrivate(f.dir); err != nil && !absent(err) {
			return err
		}
		if err := usable(f.dir); err != nil {
			return fmt.Errorf("the agent, which looks after what runs here, %s in %s, and cannot: %w; set %s to a folder that this user can write to",
				f.what, diag.Escape(f.dir), err, f.variable)
		}
	}
	return nil
}

// absent reports that a path leads nowhere, also where it leads through a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// usable looks at a folder, or, as long as there is none, at the one that it would be in.
func usable(at string) error {
	for ; ; at = filepath.Dir(at) {
		fi, err := os.Stat(at)
		switch {
		case err != nil && absent(err):
			// Anything else that is there by now, another command has just made.
			if fi, err := os.Lstat(at); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
				return fmt.Errorf("%s is a link that leads nowhere", diag.Escape(at))
			}
			continue // up to the root, which is there
		case err != nil:
			return err
		case !fi.IsDir():
			return fmt.Errorf("%s is %s and no folder", diag.Escape(at), kindOf(fi.Mode()))
		}
		if err := writable(at); err != nil {
			return fmt.Errorf("this user cannot write to %s (%w)", diag.Escape(at), err)
		}
		return nil
	}
}

// Prepare makes the folders of the place, private to the user, and checks
// those that are there: a folder of somebody else's is an error, not a trap.
func (p Place) Prepare() error {
	if err := p.Usable(); err != nil {
		return err
	}
	for _, dir := range []string{p.Folder, filepath.Dir(p.Socket)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the agent's folder %s: %w", diag.Escape(dir), err)
		}
		if err := checkPrivate(dir); err != nil {
			return err
		}
	}
	return nil
}

// checkPrivate says what is wrong with a folder that others may write to or
// read from.
func checkPrivate(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	name := diag.Escape(dir)
	if !fi.IsDir() {
		return fmt.Errorf("%s must be a folder of this user, and it is %s: remove it, or set XDG_RUNTIME_DIR and XDG_STATE_HOME to folders of your own", name, kindOf(fi.Mode()))
	}
	if uid, ok := owner(fi); ok && uid != os.Getuid() {
		return fmt.Errorf("the folder %s belongs to user %d and this is user %d, so the agent's socket and secrets cannot be there: remove it, or set XDG_RUNTIME_DIR and XDG_STATE_HOME to folders of your own", name, uid, os.Getuid())
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("the folder %s has mode %04o, so others can reach the agent's socket and secrets in it: `chmod 700 %s`", name, mode, name)
	}
	return nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsRegular():
		return "a file"
	}
	return "something else"
}
