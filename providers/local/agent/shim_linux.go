package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// ShimArgs are the arguments that make a msgflo program a shim; what follows
// them is for people who read the process table.
func ShimArgs() []string { return []string{"agent", "shim"} }

// Descriptors that a shim is started with, beside the standard ones.
const (
	lockFD   = 3 // of the start's lock file: held for life, by nobody else
	jobFD    = 4 // the job comes in here: it has secrets
	reportFD = 5 // a control.ShimStatus goes out here, once
)

// A job is what a shim is to run.
type job struct {
	Path  string // of the program
	Args  []string
	Env   []string
	Dir   string
	Proc  string // the start's folder: status.json, stop.json
	Boot  string
	Log   string // path
	Limit int64  // of a log file, in bytes
	Files int
	Stop  launch.Stop
	// Secrets are the texts that its log must not have.
	Secrets []string
}

// Shim runs one process to its end: it owns its group, its log and its exit status, and
// outlives the agent that started it. It ends when the process and all that came from it
// have ended. SIGTERM asks it to stop them, as stop.json in the start's folder says. The
// return value is the exit code.
func Shim([]string) int {
	runtime.LockOSThread() // the child's death signal is bound to the thread that forks
	debug.SetGCPercent(20)
	noInheritance()
	s := &shim{
		child: make(chan os.Signal, 1), term: make(chan os.Signal, 1),
		report: os.NewFile(reportFD, "report"),
	}
	s.signals()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return s.fail("becoming a subreaper", err)
	}
	in := os.NewFile(jobFD, "job")
	err := json.NewDecoder(in).Decode(&s.job)
	in.Close()
	if err != nil {
		// The agent died before it had said what to run: nothing is.
		return 1
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		return s.fail("reading /proc", err)
	}
	s.status = control.ShimStatus{Boot: s.job.Boot, Shim: self.Identity}
	return s.run()
}

type shim struct {
	job     job
	report  *os.File
	child   chan os.Signal // SIGCHLD
	term    chan os.Signal // SIGTERM
	status  control.ShimStatus
	pid     int
	exit    *control.Exit
	killed  map[control.Identity]bool
	drained chan struct{}
}

// signals takes all signals: what is caught here has its default disposition
// in the child, also where an ancestor ignored it; and a shim dies of none.
func (s *shim) signals() {
	signal.Notify(s.child, unix.SIGCHLD)
	signal.Notify(s.term, unix.SIGTERM)
	ignored := make(chan os.Signal, 1)
	for n := 1; n <= 64; n++ {
		switch sig := syscall.Signal(n); sig {
		case unix.SIGCHLD, unix.SIGTERM, unix.SIGKILL, unix.SIGSTOP, unix.SIGURG: // SIGURG is the Go scheduler's own
		default:
			signal.Notify(ignored, sig)
		}
	}
}

func (s *shim) fail(doing string, err error) int {
	s.status.Failed = fmt.Sprintf("%s: %v", doing, err)
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		s.status.Errno = int(errno)
	}
	s.write()
	s.tell()
	return 1
}

// tell sends the status to the agent that started us. If that one is dead, the
// next reads the file.
func (s *shim) tell() {
	_ = json.NewEncoder(s.report).Encode(s.status)
	s.report.Close()
}

func (s *shim) run() int {
	read, write, err := pipe()
	if err != nil {
		return s.fail("making a pipe", err)
	}
	if err := s.start(write); err != nil {
		return s.fail("starting the program", err)
	}
	l := &logFile{path: s.job.Log, limit: s.job.Limit, files: s.job.Files, now: time.Now}
	s.drained = make(chan struct{})
	from := masking(read, s.job.Secrets)
	go func() { defer close(s.drained); l.drain(from) }()
	s.job.Env, s.job.Args, s.job.Secrets = nil, nil, nil
	s.write()
	s.tell()
	debug.FreeOSMemory()

	s.watch()
	s.killRest()
	s.finishLog(read, 2*time.Second)
	s.status.Exit = s.exit
	s.status.Exit.Killed = len(s.killed)
	s.write()
	return 0
}

// pipe is one whose end to read from the poller waits on, and whose other end
// blocks, as programs expect of their output.
func pipe() (read *os.File, write int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, 0, err
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		return nil, 0, err
	}
	return os.NewFile(uintptr(p[0]), "output"), p[1], nil
}

// start runs the program in a group of its own. If the shim is killed, the
// kernel kills it.
func (s *shim) start(output int) error {
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _, _ = unix.Close(null), unix.Close(output) }()
	// No signal is blocked in the child either.
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	out := uintptr(output)
	pid, err := syscall.ForkExec(s.job.Path, s.job.Args, &syscall.ProcAttr{
		Dir: s.job.Dir, Env: s.job.Env, Files: []uintptr{uintptr(null), out, out},
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return err
	}
	s.pid, s.status.Started = pid, time.Now()
	s.status.Child = control.Identity{PID: pid}
	if st, err := readStat(pid); err == nil { // it is not reaped yet, so it is the one
		s.status.Child = st.Identity
	}
	return nil
}

// write replaces status.json. If it cannot (a full disk), the lock still tells
// whether we live; how the process ended is not known then.
func (s *shim) write() {
	b, err := json.Marshal(s.status)
	if err != nil || s.job.Proc == "" {
		return
	}
	path := filepath.Join(s.job.Proc, "status.json")
	if os.WriteFile(path+".new", b, 0o600) == nil {
		_ = os.Rename(path+".new", path)
	}
}

// watch waits until the process has ended; while it is being stopped, until
// its group has, or its time is up.
func (s *shim) watch() {
	var timeUp <-chan time.Time
	stopping := false
	for {
		select {
		case <-s.child:
		case <-s.term:
			stop := s.stop()
			timeUp, stopping = time.After(stop.Timeout), true
			s.signalGroup(signalNamed(stop.Signal))
		case <-timeUp:
			s.signalGroup(unix.SIGKILL)
			stopping = false
		}
		none := s.reap()
		if s.exit != nil && (none || !stopping || len(s.group()) == 0) {
			return
		}
	}
}

// stop is how to stop: as stop.json says, else as it was when we started.
func (s *shim) stop() launch.Stop {
	stop := s.job.Stop
	if b, err := os.ReadFile(filepath.Join(s.job.Proc, "stop.json")); err == nil {
		_ = json.Unmarshal(b, &stop)
	}
	return stop
}

// signalNamed is the signal of that name, SIGTERM for one that is not known.
func signalNamed(name string) unix.Signal {
	if n := unix.SignalNum(name); n != 0 {
		return n
	}
	return unix.SIGTERM
}

// reap takes the exit status of all that have ended, ours and what was left to
// us; true if none is left.
func (s *shim) reap() (none bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return true
		case pid == 0:
			return false
		case pid == s.pid && s.exit == nil:
			s.exit = &control.Exit{Code: ws.ExitStatus(), At: time.Now()}
			if ws.Signaled() {
				s.exit.Code, s.exit.Signal = -1, unix.SignalName(ws.Signal())
			}
		}
	}
}

// group are the living members of the process's group: all of them descend
// from us.
func (s *shim) group() []stat {
	var members []stat
	for _, d := range descendants(os.Getpid()) {
		if d.group == s.pid {
			members = append(members, d)
		}
	}
	return members
}

// signalGroup signals the whole group. Only as long as its first process has
// not been reaped is the group's id certainly not another's.
func (s *shim) signalGroup(sig unix.Signal) {
	if s.exit == nil {
		_ = unix.Kill(-s.pid, sig)
		return
	}
	for _, m := range s.group() {
		_ = signalTo(m.Identity, sig)
	}
}

// killRest kills all that is left below us, whatever group or session it went
// to, until nothing is. What is not ours to kill (another user's) is left.
func (s *shim) killRest() {
	s.killed = map[control.Identity]bool{}
	for wait := time.Millisecond; !s.reap(); wait = min(2*wait, time.Second) {
		foreign, living := 0, descendants(os.Getpid())
		for _, d := range living {
			if errors.Is(signalTo(d.Identity, unix.SIGKILL), unix.EPERM) {
				foreign++
				continue
			}
			s.killed[d.Identity] = true
		}
		if len(living) > 0 && foreign == len(living) {
			return
		}
		select {
		case <-s.child:
		case <-time.After(wait):
		}
	}
}

// slowDisk is less than who stops the process waits after SIGKILL.
const slowDisk = 15 * time.Second

// finishLog waits for the last output. All that had the pipe are dead, but for those who
// were handed it: for them it does not wait. A disk that is slow is waited for, up to slowDisk.
func (s *shim) finishLog(read *os.File, patience time.Duration) {
	limit := time.NewTimer(slowDisk)
	defer limit.Stop()
	for {
		select {
		case <-s.drained:
			return
		case <-limit.C:
			read.Close()
			return
		case <-time.After(patience):
			if pending(read) == 0 {
				read.Close() // what was read is still being written
			}
		}
	}
}

// pending is how many bytes a pipe holds that nobody has read.
func pending(pipe *os.File) (n int) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n
}
