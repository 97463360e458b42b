package agent

import "syscall"

// detached starts a process in a session of its own: no terminal and no group
// of ours can take it along.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
