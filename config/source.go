package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/config/nesting"
)

// maxSource is how many bytes one configuration file has at most: a syntax
// tree takes some fifty times as much memory.
const maxSource = 16 << 20

const (
	nativeExt = ".flo.hcl"
	jsonExt   = ".flo.json"

	// wrongJSONExt is what people make of Terraform's .tf.json. No file of that
	// name is anything else, and what it declares must not go unnoticed.
	wrongJSONExt = nativeExt + ".json"
)

// sources is the file system, or what stands in for it.
type sources struct{ overlay map[string][]byte }

// list returns the paths of a directory's configuration files in order, and of
// files that people may take for some.
func (s sources) list(dir string) (out, alike []string, err error) {
	add := func(path string) {
		if isSource(path) {
			out = append(out, path)
		} else if looksAlike(path) {
			alike = append(alike, path)
		}
	}
	if s.overlay != nil {
		found := false
		for path := range s.overlay {
			if filepath.Dir(filepath.Clean(path)) != dir {
				continue
			}
			found = true
			add(path)
		}
		if !found {
			return nil, nil, fs.ErrNotExist
		}
		slices.Sort(out)
		slices.Sort(alike)
		return out, alike, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			add(filepath.Join(dir, e.Name()))
		}
	}
	return out, alike, nil
}

// isSource leaves out hidden files and editors' leavings, as Terraform does.
func isSource(path string) bool {
	name := filepath.Base(path)
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, nativeExt) || strings.HasSuffix(name, jsonExt))
}

// looksAlike tells the files whose endings are near to ours.
func looksAlike(path string) bool {
	name := filepath.Base(path)
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, wrongJSONExt) || slices.Contains([]string{".hcl", ".flo", ".tf"}, filepath.Ext(name)))
}

func (s sources) read(path string) ([]byte, error) {
	if s.overlay != nil {
		b, ok := s.overlay[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		if len(b) > maxSource {
			return nil, errTooLarge
		}
		return b, nil
	}
	return readFile(path)
}

var errTooLarge = fmt.Errorf("it is larger than %d MiB, the limit for one file; split it", maxSource>>20)

// readFile reads a regular file of bounded size; a pipe or device could block
// for ever. The error is without the path.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(b) > maxSource {
		return nil, errTooLarge
	}
	return b, cause(err)
}

func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// parse makes a file of the text. It never returns nil: a file that cannot be
// parsed has its text, for snippets, and an empty body.
func parse(src []byte, path string) (*hcl.File, hcl.Diagnostics) {
	if d := checkText(src, path); d != nil {
		return &hcl.File{Body: hcl.EmptyBody(), Bytes: printable(src)}, hcl.Diagnostics{d}
	}
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(path, ".json") {
		f, diags = parseJSON(src, path)
	} else {
		f, diags = parseNative(src, path)
	}
	if f == nil || f.Body == nil {
		f = &hcl.File{Body: hcl.EmptyBody(), Bytes: src}
	}
	return f, diags
}

func parseJSON(src []byte, path string) (*hcl.File, hcl.Diagnostics) {
	src = bytes.TrimPrefix(src, byteOrderMark) // the native scanner does so itself
	if deep := nesting.CheckJSON(src, path, true); deep != nil {
		return &hcl.File{Body: hcl.EmptyBody(), Bytes: src}, hcl.Diagnostics{deep.Diagnostic()}
	}
	return hcljson.Parse(src, path)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// checkText refuses what no text file holds: a snippet of it would reach the
// terminal raw.
func checkText(src []byte, path string) *hcl.Diagnostic {
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0x7f:
			what := fmt.Sprintf("the control character U+%04X", c)
			if c == 0 {
				what = "a NUL byte (is it UTF-16, or no text at all?)"
			}
			return diag.Error(byteRange(src, path, i), "Invalid character", "The file holds "+what+". Remove it; in a string write an escape such as \\u001b.")
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && n == 1 {
				return diag.Error(byteRange(src, path, i), "Invalid character", "The file is not UTF-8. Save it in that encoding.")
			}
			i += n
		}
	}
	return nil
}

func byteRange(src []byte, path string, i int) hcl.Range {
	start := hcl.Pos{Line: 1 + bytes.Count(src[:i], []byte("\n")), Column: i - bytes.LastIndexByte(src[:i], '\n'), Byte: i}
	end := start
	end.Column, end.Byte = end.Column+1, end.Byte+1
	return hcl.Range{Filename: path, Start: start, End: end}
}

// printable replaces, byte for byte, what a terminal should not see.
func printable(src []byte) []byte {
	out := bytes.Clone(src)
	for i, c := range out {
		if c < 0x20 && c != '\n' && c != '\t' || c >= 0x7f {
			out[i] = '?'
		}
	}
	return out
}

// files reads and decodes the directory's files; false where there is nothing
// to go on with.
func (d *decoder) files(call *Call) bool {
	var where hcl.Range
	if call != nil {
		where = call.SourceRange
	}
	paths, alike, err := d.l.sources.list(d.m.Dir)
	if err != nil {
		d.errorf(where, "Directory not readable", "The configuration directory %q cannot be read: %s.", d.m.Dir, cause(err))
		return false
	}
	for _, path := range alike {
		if strings.HasSuffix(path, wrongJSONExt) {
			d.errorf(where, "File not read", "The file %q is no configuration by its name: one in JSON ends in %s. Rename it.", path, jsonExt)
		}
	}
	if len(paths) == 0 {
		hint := ""
		if len(alike) > 0 {
			hint = fmt.Sprintf(" It has %q: if that is one, rename it.", alike[0])
		}
		d.errorf(where, "No configuration files", "The directory %q has no file that ends in %s or %s.%s", d.m.Dir, nativeExt, jsonExt, hint)
		return false
	}
	bodies := make([]hcl.Body, 0, len(paths))
	for _, path := range paths {
		src, err := d.l.sources.read(path)
		if err != nil {
			d.errorf(hcl.Range{}, "File not readable", "The file %q cannot be read: %s.", path, cause(err))
			d.broken[path] = true
			continue
		}
		f, diags := parse(src, path)
		d.diags = append(d.diags, diags...)
		d.m.Files[path] = f
		if diags.HasErrors() {
			d.broken[path] = true
		}
		bodies = append(bodies, f.Body)
	}
	for _, b := range bodies {
		d.file(b)
	}
	return true
}
