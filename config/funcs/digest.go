package funcs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
)

// ReadText reads a file as the function file does: a regular one of UTF-8
// text, its path relative to baseDir.
func ReadText(baseDir, path string) (string, error) { return readText(baseDir, path) }

// Digest is a hex SHA-256 over the names, relative to baseDir and with slashes, and
// the contents of all files that any of the patterns matches (`lib/**/*.js`).
// What else is there makes no difference to it, nor do times and modes. A
// pattern that matches no file is an error: it is most likely misspelt.
func Digest(baseDir string, patterns []string) (string, error) {
	var files []string
	for _, p := range patterns {
		found, err := matches(baseDir, p)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "", fmt.Errorf("the pattern %q matches no file", p)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	sum := sha256.New()
	for _, f := range slices.Compact(files) {
		if err := addFile(sum, resolve(baseDir, filepath.FromSlash(f)), f); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// matches are the files that a pattern names, relative to baseDir where they
// are below it.
func matches(baseDir, pattern string) ([]string, error) {
	clean := filepath.ToSlash(filepath.Clean(pattern))
	if pattern == "" || !doublestar.ValidatePattern(clean) {
		return nil, fmt.Errorf("%q is no file pattern", pattern)
	}
	if baseDir == "" {
		baseDir = "."
	}
	if fs.ValidPath(clean) {
		found, err := doublestar.Glob(os.DirFS(baseDir), clean, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
		if err != nil {
			return nil, fmt.Errorf("matching %q: %w", pattern, cause(err))
		}
		return found, nil
	}
	found, err := doublestar.FilepathGlob(resolve(baseDir, pattern), doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("matching %q: %w", pattern, cause(err))
	}
	for n, f := range found {
		if rel, err := filepath.Rel(baseDir, f); err == nil {
			f = rel
		}
		found[n] = filepath.ToSlash(f)
	}
	return found, nil
}

// addFile hashes a name and a content such that no two sets of files give the
// same bytes: each by its own digest.
func addFile(sum hash.Hash, full, name string) error {
	f, err := openRegular(full, name)
	if err != nil {
		return err
	}
	defer f.Close()
	content := sha256.New()
	if _, err := io.Copy(content, f); err != nil {
		return fmt.Errorf("reading %q: %w", name, cause(err))
	}
	title := sha256.Sum256([]byte(name))
	sum.Write(title[:])
	sum.Write(content.Sum(nil))
	return nil
}
