package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns native syntax in the canonical layout, which hclwrite
// defines. What does not parse is returned as it is, with the errors.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if len(src) > maxSource {
		return src, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "File not readable", Detail: fmt.Sprintf("The file %q cannot be formatted: %s.", filename, errTooLarge)}}
	}
	if d := checkText(src, filename); d != nil {
		return src, hcl.Diagnostics{d}
	}
	_, diags := parseNative(src, filename)
	if diags.HasErrors() {
		return src, diags
	}
	// hclwrite would keep the mark in the middle of its tokens.
	bare := bytes.TrimPrefix(src, byteOrderMark)
	return hclwrite.Format(bare), diags
}

// FormatFiles lists the files of a directory that Format is for, in order;
// with recursive, also those below it. Hidden directories are left out.
func FormatFiles(dir string, recursive bool) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("reading %q: %w", path, cause(err))
		case e.IsDir():
			if path != dir && (!recursive || strings.HasPrefix(e.Name(), ".")) {
				return fs.SkipDir
			}
		case isFormatted(e.Name()):
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, errors.New("it is not a directory")
	}
	slices.Sort(out)
	return out, nil
}

func isFormatted(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, nativeExt) || strings.HasSuffix(name, ".flovars.hcl"))
}
