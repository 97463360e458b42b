package child

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// A Process is a child in a process group of its own, so that a Ctrl-C on the
// terminal reaches us first, and that dies with us. A nil Process is one that is
// not running.
type Process struct {
	Pid  int
	Done <-chan struct{} // closed once it has ended and is reaped
}

// Start starts a program with its output in a file, in the folder of that file.
// A nil env is ours. One goroutine keeps the thread that forked for the child's
// whole life: the kernel ties "die with your parent" to that thread.
func Start(logFile string, env []string, name string, args ...string) (*Process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Dir(logFile)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended tells the log
			close(done)
		}
		runtime.UnlockOSThread()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(name), err)
	}
	return &Process{Pid: cmd.Process.Pid, Done: done}, nil
}

// Ended reports whether it has ended, by itself or otherwise.
func (p *Process) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Kill ends the process's group and waits for the process.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	p.signal(-p.Pid, syscall.SIGKILL)
	<-p.Done
}

// Terminate asks the process to end, then kills its group; it tells whether
// asking was enough.
func (p *Process) Terminate(patience time.Duration) bool {
	if p == nil {
		return true
	}
	p.signal(p.Pid, syscall.SIGTERM)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.Done:
		return true
	case <-t.C:
		p.Kill()
		return false
	}
}

// signal goes to the process or its group, but only while the process is not
// reaped: later its pid may be another's.
func (p *Process) signal(to int, s syscall.Signal) {
	if !p.Ended() {
		_ = syscall.Kill(to, s) // it may be ending just now
	}
}
