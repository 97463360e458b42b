package funcs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFile is how many bytes a file function reads at most: what lands in an
// expression is held in memory several times over.
const maxFile = 16 << 20

// files are the functions that look at the file system, from baseDir.
func files(baseDir string) map[string]function.Function {
	return map[string]function.Function{
		"file": ofStrings(cty.String, func(a []string) (cty.Value, error) {
			s, err := readText(baseDir, a[0])
			return cty.StringVal(s), err
		}, "path"),
		"fileexists": ofStrings(cty.Bool, func(a []string) (cty.Value, error) {
			return fileExists(resolve(baseDir, a[0]), a[0])
		}, "path"),
		"filesha256": ofStrings(cty.String, func(a []string) (cty.Value, error) {
			return fileSum(resolve(baseDir, a[0]), a[0])
		}, "path"),
		"fileset": ofStrings(cty.Set(cty.String), func(a []string) (cty.Value, error) {
			return fileSet(resolve(baseDir, a[0]), a[1])
		}, "path", "pattern"),
		"abspath": ofStrings(cty.String, func(a []string) (cty.Value, error) {
			p, err := filepath.Abs(resolve(baseDir, a[0]))
			return cty.StringVal(filepath.ToSlash(p)), err
		}, "path"),
	}
}

func resolve(baseDir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(baseDir, path)
}

func readText(baseDir, path string) (string, error) {
	b, err := readLimited(resolve(baseDir, path), path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%q is not UTF-8 text, and a string holds nothing else", path)
	}
	return string(b), nil
}

// readLimited reads a regular file; a pipe or device could block for ever.
func readLimited(full, shown string) ([]byte, error) {
	f, err := openRegular(full, shown)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", shown, cause(err))
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%q is larger than %d MiB, which is too much for an expression", shown, maxFile>>20)
	}
	return b, nil
}

func openRegular(full, shown string) (*os.File, error) {
	info, err := os.Stat(full)
	if err != nil {
		return nil, fmt.Errorf("no file %q: %w", shown, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", shown)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", shown, cause(err))
	}
	return f, nil
}

// cause drops the resolved path from an error: messages name the path as it
// was written.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func fileExists(full, shown string) (cty.Value, error) {
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cty.False, nil
	case err != nil:
		return cty.NilVal, fmt.Errorf("looking for %q: %w", shown, cause(err))
	case !info.Mode().IsRegular():
		return cty.NilVal, fmt.Errorf("%q is not a regular file", shown)
	}
	return cty.True, nil
}

// fileSum does not hold the file in memory, so no limit applies.
func fileSum(full, shown string) (cty.Value, error) {
	f, err := openRegular(full, shown)
	if err != nil {
		return cty.NilVal, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return cty.NilVal, fmt.Errorf("reading %q: %w", shown, cause(err))
	}
	return cty.StringVal(hex.EncodeToString(h.Sum(nil))), nil
}

func fileSet(full, pattern string) (cty.Value, error) {
	if !doublestar.ValidatePattern(pattern) {
		return cty.NilVal, function.NewArgErrorf(1, "%q is no file pattern", pattern)
	}
	found, err := doublestar.Glob(os.DirFS(full), filepath.ToSlash(filepath.Clean(pattern)), doublestar.WithFilesOnly())
	if err != nil {
		return cty.NilVal, fmt.Errorf("matching %q: %w", pattern, cause(err))
	}
	var names []cty.Value
	for _, f := range found {
		names = append(names, cty.StringVal(f))
	}
	if len(names) == 0 {
		return cty.SetValEmpty(cty.String), nil
	}
	return cty.SetVal(names), nil
}

// env reads an environment variable. One that is not set is an error unless a
// second argument says what to take instead, so that a forgotten password
// does not become an empty one.
func env(environ func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errors.New("env takes a name and at most one default")
			}
			if s, ok := environ(args[0].AsString()); ok {
				if !utf8.ValidString(s) {
					return cty.NilVal, fmt.Errorf("the environment variable %q is not UTF-8", args[0].AsString())
				}
				return cty.StringVal(s), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, fmt.Errorf("the environment variable %q is not set; set it, or give env a default as second argument", args[0].AsString())
		},
	})
}
