package local

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is the steps by which files reach their place. Tests break each.
type disk interface {
	write(path string, b []byte) error // makes a new private file, durable on return
	link(from, to string) error
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string) error
}

// osDisk is the operating system's.
type osDisk struct{}

func (osDisk) write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (osDisk) link(from, to string) error   { return os.Link(from, to) }
func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) remove(path string) error     { return os.Remove(path) }

func (osDisk) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func tempName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-"+rand.Text())
}

// tempPattern matches tempName, also for a name with wildcards in it.
func tempPattern(path string) string {
	var quoted []rune
	for _, r := range "." + filepath.Base(path) + ".tmp-" {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			r = '?'
		}
		quoted = append(quoted, r)
	}
	return string(quoted) + "*"
}

// writeAtomic puts b in the place of the file at the path. Unless keep is "",
// the file that is there is kept under that name, which is a second name for
// it until the rename: at no moment is there neither.
func writeAtomic(d disk, path, keep string, b []byte) (err error) {
	tmp := tempName(path)
	defer func() {
		if err != nil {
			_ = removeIfThere(d, tmp) // the first error is what matters
		}
	}()
	if err := d.write(tmp, b); err != nil {
		return err
	}
	if keep != "" {
		if err := keepAs(d, path, keep); err != nil {
			return err
		}
	}
	if err := d.rename(tmp, path); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

func keepAs(d disk, path, keep string) error {
	tmp := tempName(path)
	if err := d.link(path, tmp); err != nil { // a file system without links: copy
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := d.write(tmp, b); err != nil {
			return errors.Join(err, removeIfThere(d, tmp))
		}
	}
	if err := d.rename(tmp, keep); err != nil {
		return errors.Join(err, removeIfThere(d, tmp))
	}
	// Two names of one file: renaming one to the other did nothing and left both.
	return removeIfThere(d, tmp)
}

func removeIfThere(d disk, path string) error {
	if err := d.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
