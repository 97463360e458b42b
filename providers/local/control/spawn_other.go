//go:build !linux

package control

import (
	"errors"
	"runtime"
)

var errLinux = errors.New("participants are launched on Linux only in this version of msgflo, and this is " + runtime.GOOS + ": declare them foreign = true and run them yourself, or run msgflo on Linux")

func canServe() error { return errLinux }

func spawn(Place, string, []string, []string) (func() bool, error) { return nil, errLinux }
