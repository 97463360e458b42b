// Package envfile reads files of NAME=value lines, as env_file names them. It
// is pure and imports the standard library only; no error of it quotes a value.
package envfile

import (
	"fmt"
	"strings"
)

// A Var is one variable.
type Var struct {
	Name, Value string
	Line        int // from 1
}

// Parse reads the lines of a file: NAME=value, where blanks around the name do
// not count and `export ` before it neither; empty lines and those that begin with # say
// nothing. A value in quotes, single or double, is what is between them; nothing within is special.
// The name of the file is for messages only.
func Parse(file, src string) ([]Var, error) {
	var out []Var
	src = strings.TrimPrefix(src, "\ufeff")
	n := 0
	for line := range strings.SplitSeq(src, "\n") {
		n++
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		if !ok {
			return nil, fmt.Errorf("line %d of %q has no = in it; each line is NAME=value", n, file)
		}
		if name == "" || strings.ContainsAny(name, " \t\"'") {
			return nil, fmt.Errorf("line %d of %q has no usable name before its =; each line is NAME=value", n, file)
		}
		value, ok = unquote(strings.TrimSpace(value))
		if !ok {
			return nil, fmt.Errorf("line %d of %q begins its value with a quote that does not end it", n, file)
		}
		out = append(out, Var{name, value, n})
	}
	return out, nil
}

func unquote(s string) (string, bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return s, true
	}
	if len(s) < 2 || s[len(s)-1] != s[0] {
		return "", false
	}
	return s[1 : len(s)-1], true
}
