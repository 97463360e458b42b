//go:build unix

package control

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// writable says why this user cannot make files in a folder; root mostly can.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// owner is the user that a file belongs to.
func owner(fi fs.FileInfo) (uid int, known bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
