package control

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func canServe() error { return nil }

// spawn runs a program detached: in a session of its own, in the root folder,
// with no descriptor but /dev/null and the log. The function tells whether it
// has ended.
func spawn(p Place, program string, args, env []string) (ended func() bool, err error) {
	if size(p.AgentLog()) > 10<<20 {
		_ = os.Rename(p.AgentLog(), p.AgentLog()+".1")
	}
	// What somebody left open for us (a test's pipe, a shell's file) is not for something that lives on.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	log, err := os.OpenFile(p.AgentLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...) //nolint:noctx // it outlives us
	cmd.Args[0] = "msgflo"
	cmd.Dir, cmd.Env = "/", env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	_ = cmd.Process.Release()
	return func() bool {
		got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return got == pid || err == unix.ECHILD
	}, nil
}
