package launch

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

func signals() []string {
	return []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL"}
}

func oneOf(words ...string) func(cty.Value) error {
	return func(v cty.Value) error {
		if !slices.Contains(words, v.AsString()) {
			return errors.New("it is " + diag.OneOf(v.AsString(), words))
		}
		return nil
	}
}

func atLeast(n int64) func(cty.Value) error {
	return func(v cty.Value) error {
		f := v.AsBigFloat()
		if !f.IsInt() || f.Cmp(cty.NumberIntVal(n).AsBigFloat()) < 0 {
			return fmt.Errorf("it is a whole number from %d on", n)
		}
		return nil
	}
}

func duration(v cty.Value) error {
	if d, err := time.ParseDuration(v.AsString()); err != nil || d < 0 {
		return errors.New("it is a duration such as 500ms, 30s or 1h30m")
	}
	return nil
}

func command(v cty.Value) error {
	if !v.CanIterateElements() {
		return nil
	}
	for i, w := range v.AsValueSlice() {
		switch {
		case w.IsNull():
			return fmt.Errorf("word %d of it is null", i+1)
		case !w.IsKnown():
		case i == 0 && w.AsString() == "":
			return errors.New("its first word is empty, and that is the program to run")
		case strings.ContainsRune(w.AsString(), 0):
			return fmt.Errorf("word %d of it has a NUL byte, which no argument can have", i+1)
		}
	}
	if v.LengthInt() == 0 {
		return errors.New("it is empty; its first word is the program to run")
	}
	return nil
}

// environment quotes names only: values may be secret.
func environment(v cty.Value) error {
	if !v.CanIterateElements() {
		return nil
	}
	for name, e := range v.AsValueMap() {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return fmt.Errorf("%q is no name of an environment variable: it has at least one character, and no = or NUL", name)
		case e.IsNull():
			return fmt.Errorf("%s is null; leave it out instead", diag.Escape(name))
		case e.IsKnown() && strings.ContainsRune(e.AsString(), 0):
			return fmt.Errorf("the value of %s has a NUL byte, which no environment variable can have", diag.Escape(name))
		}
	}
	return nil
}

func webAddress(v cty.Value) error {
	u, err := url.Parse(v.AsString())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("it is an address such as http://localhost:8080/health")
	}
	return nil
}

func hostPort(v cty.Value) error {
	if _, port, err := net.SplitHostPort(v.AsString()); err != nil || port == "" {
		return errors.New("it is a host and a port such as localhost:8080")
	}
	return nil
}

// Validate checks what only several attributes of a process, or of another
// value with the blocks of Blocks, get wrong together. Errors are cty.PathErrors;
// unknown parts are passed over.
func Validate(v cty.Value) []error {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	return append(readiness(v), backoff(v)...)
}

// readiness: each kind needs its attribute and no other.
func readiness(v cty.Value) []error {
	r := block(v, "ready")
	if r == cty.NilVal {
		return nil
	}
	when, known := word(r, "when")
	if !known {
		return nil
	}
	var errs []error
	for _, of := range []struct{ kind, attr string }{{Exec, "command"}, {HTTP, "url"}, {TCP, "address"}} {
		path := cty.GetAttrPath("ready").GetAttr(of.attr)
		switch a := r.GetAttr(of.attr); {
		case !a.IsKnown():
		case of.kind == when && a.IsNull():
			errs = append(errs, path.NewErrorf("when = %q needs it", when))
		case of.kind != when && !a.IsNull() && when == "":
			errs = append(errs, path.NewErrorf("it is used with when = %q, which is not written", of.kind))
		case of.kind != when && !a.IsNull():
			errs = append(errs, path.NewErrorf("it is for when = %q, and when is %q", of.kind, when))
		}
	}
	return errs
}

func backoff(v cty.Value) []error {
	r := block(v, "restart")
	if r == cty.NilVal {
		return nil
	}
	first, ok := word(r, "backoff")
	most, ok2 := word(r, "backoff_max")
	a, err := time.ParseDuration(first)
	b, err2 := time.ParseDuration(most)
	if !ok || !ok2 || err != nil || err2 != nil || a <= b {
		return nil
	}
	return []error{cty.GetAttrPath("restart").GetAttr("backoff_max").NewErrorf("the longest wait, %s, is shorter than the first, %s", most, first)}
}

// block is a nested block, NilVal where it is not written or not known.
func block(v cty.Value, name string) cty.Value {
	if !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NilVal
	}
	b := v.GetAttr(name)
	if b.IsNull() || !b.IsKnown() {
		return cty.NilVal
	}
	return b
}

// word is a text attribute, "" for null; false where it is not known.
func word(v cty.Value, name string) (string, bool) {
	a := v.GetAttr(name)
	switch {
	case !a.IsKnown():
		return "", false
	case a.IsNull():
		return "", true
	}
	return a.AsString(), true
}
