package rabbittest

import (
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const tempPrefix = "msgflo-rabbit-"

// makeTemp makes a temporary folder and locks it for as long as this process
// lives. A process that is killed cannot remove its folder: the next one that
// starts a broker does.
func (b *Broker) makeTemp() error {
	sweep(os.TempDir(), time.Now())
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		return err
	}
	b.Dir, b.temp = dir, true
	b.lock = flock.New(filepath.Join(dir, lockFile))
	_, err = b.lock.TryLock()
	return err
}

const lockFile = "in-use"

// sweep removes folders whose lock nobody holds. Young ones are left alone:
// their lock may be about to be taken.
func sweep(parent string, now time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(parent, tempPrefix+"*"))
	for _, dir := range dirs {
		path := filepath.Join(dir, lockFile)
		if st, err := os.Stat(path); err != nil || now.Sub(st.ModTime()) < time.Minute {
			continue
		}
		lock := flock.New(path)
		if free, err := lock.TryLock(); err == nil && free {
			os.RemoveAll(dir)
			lock.Unlock()
		}
	}
}

func (b *Broker) removeTemp() error {
	if !b.temp {
		return nil
	}
	err := os.RemoveAll(b.Dir)
	b.lock.Unlock()
	return err
}
