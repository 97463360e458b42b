package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
)

// FormatVersion is the version of the plan document that this program writes.
const FormatVersion = 1

// kind tells a plan from any other JSON file, in the first line for people.
const kind = "msgflo plan"

// A file is the document's envelope. The checksum is over the plan as its
// bytes stand in the file.
type file struct {
	Kind          string          `json:"kind"`
	FormatVersion int             `json:"format_version"`
	SHA256        string          `json:"sha256"`
	Plan          json.RawMessage `json:"plan"`
}

// A FileError says why something is no usable plan file, and what to do.
type FileError struct{ Problem string }

func (e *FileError) Error() string {
	return e.Problem + "; make a new plan with `msgflo plan -out FILE`"
}

// Summary is the error's headline.
func (e *FileError) Summary() string { return "Plan file cannot be used" }

// Encode writes the plan document: JSON of one envelope, the plan in it, and
// a checksum. The same plan gives the same bytes.
func Encode(p *Plan) ([]byte, error) {
	body, err := encodePlain(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the plan: %w", err)
	}
	sum := sha256.Sum256(body)
	out := fmt.Appendf(nil, `{"kind":%q,"format_version":%d,"sha256":%q,"plan":`, kind, FormatVersion, hex.EncodeToString(sum[:]))
	out = append(out, body...)
	return append(out, '}', '\n'), nil
}

// encodePlain leaves <, > and & as they are: addresses of bindings have arrows.
func encodePlain(p *Plan) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(p)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// Decode reads a plan document. The error is a *FileError.
func Decode(b []byte) (*Plan, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, &FileError{"the plan file is empty"}
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && bytes.Contains(b[:min(len(b), 64)], []byte(kind)) {
			return nil, &FileError{"the plan file is cut short or was edited"}
		}
		return nil, &FileError{"this is no plan file of msgflo"}
	}
	switch {
	case f.Kind != kind:
		return nil, &FileError{"this is no plan file of msgflo"}
	case f.FormatVersion > FormatVersion:
		return nil, &FileError{fmt.Sprintf("the plan file has format version %d, which a newer msgflo wrote; this one knows version %d", f.FormatVersion, FormatVersion)}
	case f.FormatVersion != FormatVersion:
		return nil, &FileError{fmt.Sprintf("the plan file has format version %d, and this msgflo reads version %d only", f.FormatVersion, FormatVersion)}
	}
	if sum := sha256.Sum256(f.Plan); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, &FileError{"the plan file's checksum does not fit its content: it was edited or damaged"}
	}
	return decodeBody(f.Plan)
}

func decodeBody(b []byte) (*Plan, error) {
	p := &Plan{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, &FileError{"the plan file does not hold what a plan holds (another version of msgflo may have written it)"}
	}
	ids := make(map[StepID]bool, len(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.ID != ID(s.Action, s.Addr) || ids[s.ID] {
			return nil, &FileError{"the plan file has a step that is not what its ID says"}
		}
		ids[s.ID] = true
	}
	for i := range p.Steps {
		for _, n := range p.Steps[i].Needs {
			if !ids[n] {
				return nil, &FileError{"the plan file has a step that needs one which is not there"}
			}
		}
	}
	return p, nil
}

// Write stores the plan in a file that only its owner can read. It is there as
// a whole or not at all.
func Write(path string, p *Plan) error {
	b, err := Encode(p)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, b, fs.FileMode(0o600), renameio.WithPermissions(0o600)); err != nil {
		return fmt.Errorf("writing the plan file: %w", err)
	}
	return nil
}

// maxFile bounds what Read takes into memory: a plan of 100 000 steps is a
// tenth of it.
const maxFile = 1 << 30

// Read reads a plan file.
func Read(path string) (*Plan, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan file: %w", err)
	}
	if st.Size() > maxFile {
		return nil, &FileError{fmt.Sprintf("%s is too large to be a plan file", path)}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan file: %w", err)
	}
	return Decode(b)
}
