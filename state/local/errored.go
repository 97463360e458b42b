package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/msgflo/msgflo/state"
)

// SaveErrored writes a state that its store refused to errored.flostate in the
// directory, or errored-2.flostate and so on where an earlier one waits to be
// pushed, and returns the path for `msgflo state push`. If that fails too, the
// caller prints state.Encode's document to stderr.
func SaveErrored(dir string, snap *state.Snapshot) (string, error) {
	b, err := state.Encode(snap)
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		path := filepath.Join(dir, "errored.flostate")
		if n > 1 {
			path = filepath.Join(dir, fmt.Sprintf("errored-%d.flostate", n))
		}
		err := osDisk{}.write(path, b)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = osDisk{}.syncDir(dir)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("writing %s: %w", path, err), removeIfThere(osDisk{}, path))
		}
		return path, nil
	}
}
