//go:build !linux

package agent

import (
	"context"
	"errors"
	"runtime"
)

var errLinux = errors.New("the agent runs on Linux only in this version of msgflo, and this is " + runtime.GOOS)

// Run is for Linux.
func Run(context.Context, Options) error { return errLinux }

// ShimArgs are the arguments that make a msgflo program a shim.
func ShimArgs() []string { return []string{"agent", "shim"} }

// Shim is for Linux.
func Shim([]string) int { return 1 }
