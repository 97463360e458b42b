//go:build unix && !linux

package child

import "syscall"

// childAttributes: only Linux lets a child die with its parent.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
