package control

import (
	"os"

	"golang.org/x/sys/unix"
)

// These are locks of open file descriptions (F_OFD_SETLK in fcntl(2)), not
// flock(2): they too live as long as any process has the description open, but whether one is
// held can be asked without taking it, so that who only looks never stands in the way.

// Lock locks the file for the caller and all that inherit the descriptor;
// false where another has it.
func Lock(f *os.File) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk)
	if err == unix.EAGAIN || err == unix.EACCES {
		return false, nil
	}
	return err == nil, err
}

// Locked tells whether anybody has the file at the path locked. A file that
// is not there is not locked; one that cannot be asked counts as locked.
func Locked(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return !os.IsNotExist(err)
	}
	defer f.Close()
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
		return true
	}
	return lk.Type != unix.F_UNLCK
}

// agentEnded tells whether no agent has the folder locked. An agent that this
// process started is its child: it is reaped.
func (p Place) agentEnded() (bool, error) {
	if Locked(p.AgentLock()) {
		return false, nil
	}
	if s, ok := p.Seat(); ok && s.PID > 1 {
		_, _ = unix.Wait4(s.PID, nil, unix.WNOHANG, nil)
	}
	return true, nil
}
