package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/local/control"
)

// A stat is what proc(5)'s stat has of a process, as far as it matters here.
type stat struct {
	control.Identity
	state               byte // R, S, D, Z …
	parent, group, sess int
	kernel              bool // a thread of the kernel's own
	bare                bool // its program was given an empty environment
}

// kthread is PF_KTHREAD of the kernel's sched.h, among the flags of proc(5)'s stat.
const kthread = 0x00200000

// dead tells that it has ended and waits to be reaped.
func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

// readStat reads /proc/PID/stat. The command in it is in parentheses and may
// hold anything, parentheses too: the last one ends it.
func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, b)
}

func parseStat(pid int, b []byte) (stat, error) {
	end := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[max(end+1, 0):]))
	if end < 0 || len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("the stat of process %d cannot be read", pid)
	}
	s := stat{state: fields[0][0]}
	s.PID = pid
	var errs [5]error
	var flags uint64
	s.parent, errs[0] = strconv.Atoi(fields[1])
	s.group, errs[1] = strconv.Atoi(fields[2])
	s.sess, errs[2] = strconv.Atoi(fields[3])
	s.Start, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	flags, errs[4] = strconv.ParseUint(fields[6], 10, 64)
	s.kernel = flags&kthread != 0
	// env_start and env_end, which are 0 in the midst of execve(2), and for who may not look.
	s.bare = len(fields) > 48 && fields[47] == fields[48] && fields[48] != "0"
	return s, errors.Join(errs[:]...)
}

// processes are all that run now; those that end meanwhile may be missing.
func processes() []stat {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []stat
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// descendants are the living processes below one, at any depth; those that
// have ended and wait to be reaped are left out.
func descendants(of int) []stat {
	all := processes()
	below := map[int]bool{of: true}
	for found := true; found; {
		found = false
		for _, s := range all {
			if below[s.parent] && !below[s.PID] {
				below[s.PID], found = true, true
			}
		}
	}
	var living []stat
	for _, s := range all {
		if below[s.PID] && s.PID != of && !s.dead() {
			living = append(living, s)
		}
	}
	return living
}

// signalTo sends a signal to just that process: never to another that has got
// its pid since. A process that has ended is no error.
func signalTo(id control.Identity, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		return gone(err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The descriptor holds the process; is it the one that is meant?
	if s, err := readStat(id.PID); err != nil || s.Start != id.Start {
		return nil
	}
	return gone(unix.PidfdSendSignal(fd, sig, nil, 0))
}

func gone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// alive tells whether that very process runs.
func alive(id control.Identity) bool {
	s, err := readStat(id.PID)
	return err == nil && id.PID > 0 && s.Start == id.Start && !s.dead()
}

// await returns when that process has ended, at once if it is not there, or
// the context's error. It costs no thread: the kernel tells the poller.
func await(ctx context.Context, id control.Identity) error {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		if gone(err) == nil {
			return nil
		}
		return fmt.Errorf("watching process %d: %w", id.PID, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	if s, err := readStat(id.PID); err != nil || s.Start != id.Start {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = conn.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// runVariable marks everything that one start of a replica gives rise to: it
// is in the environment of the shim, of the child and, unless they clean it, of
// all below.
const runVariable = "MSGFLO_RUN"

// nameless is for how long a process that shows no environment is taken for one that is just
// replacing its program, and may be anybody's.
const nameless = 5 * time.Second

// sweep kills what is left of a run whose shim is dead: the child, its group
// and session, and whoever has the run's mark. It returns when none of them lives.
func sweep(ctx context.Context, nonce string, s control.ShimStatus, boot string) error {
	mark := []byte(runVariable + "=" + nonce)
	sameBoot := s.Boot == boot && s.Shim.PID > 0
	settled := time.Now().Add(nameless)
	met := map[control.Identity]bool{} // ours, whatever they still show while they end
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		left := 0
		for _, p := range processes() {
			if p.kernel || p.dead() || p.PID == os.Getpid() {
				continue
			}
			ours, known := marked(p.PID, mark)
			ours = ours || met[p.Identity] ||
				// The shim led a session of its own. As long as that has members, its id is given to no
				// other; members older than the shim belong to an earlier one.
				sameBoot && p.sess == s.Shim.PID && p.Start >= s.Shim.Start && !alive(control.Identity{PID: p.sess, Start: leader(p.sess)}) ||
				sameBoot && p.Identity == s.Child
			if !ours {
				if !known && time.Now().Before(settled) {
					left++ // to be looked at again
				}
				continue
			}
			left++
			met[p.Identity] = true
			if err := signalTo(p.Identity, unix.SIGKILL); err != nil {
				return fmt.Errorf("ending process %d, which is left of an earlier start: %w", p.PID, err)
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// leader is the start time of the process that leads a session, 0 where it has
// ended.
func leader(sess int) uint64 {
	s, err := readStat(sess)
	if err != nil {
		return 0
	}
	return s.Start
}

// marked tells whether a process has the mark in its environment. Known is false where that
// cannot be said yet: in the midst of execve(2), and of its end, a process has none.
func marked(pid int, mark []byte) (is, known bool) {
	const looks, pause = 20, 200 * time.Microsecond // for who does hardly anything else than execve(2)
	for range looks {
		if is, known = look(pid, mark); known {
			break
		}
		time.Sleep(pause)
	}
	return is, known
}

func look(pid int, mark []byte) (is, known bool) {
	b, err := readAtOnce("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false, errors.Is(err, fs.ErrPermission) // another user's
	}
	if len(b) == 0 {
		// It may have another program by now: only of one without an environment is it said for good.
		s, err := readStat(pid)
		return false, err == nil && s.bare
	}
	return slices.ContainsFunc(bytes.Split(b, []byte{0}), func(kv []byte) bool { return bytes.Equal(kv, mark) }), true
}

// readAtOnce reads a file of proc(5) by one read(2): at a second one the process may have
// another program, and what was read of the first be cut off.
func readAtOnce(path string) ([]byte, error) {
	for size := 1 << 14; ; size *= 4 {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		b := make([]byte, size)
		n, err := f.Read(b)
		f.Close()
		switch {
		case n == size:
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		return b[:n], nil
	}
}

// bootID tells one boot of this machine from another.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// noInheritance keeps descriptors that somebody left open for us from those
// that we start.
func noInheritance() { _ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) }
