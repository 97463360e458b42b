package rabbitmq

import (
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/attr"
)

const maxInt = 1<<53 - 1

// maxName is how many bytes a name or routing key has at most: AMQP 0-9-1
// sends them as short strings.
const maxName = 255

// checkName refuses names that the broker or its management API cannot
// handle: the empty one, `.` and `..` (the API's path collapses), control
// characters (the broker drops line breaks, so that two names become one).
func checkName(v cty.Value) error {
	s := v.AsString()
	switch {
	case s == "":
		return fmt.Errorf("a name cannot be empty")
	case s == "." || s == "..":
		return fmt.Errorf("the name %q cannot be used: in the URLs of RabbitMQ's management API it means a folder, so the object could not be read back", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("the name %q has a control character: RabbitMQ drops line breaks from names, so two names would become one; use printable characters", s)
	case !utf8.ValidString(s):
		return fmt.Errorf("the name is not valid UTF-8")
	}
	return checkShort(v)
}

func checkShort(v cty.Value) error {
	if n := len(v.AsString()); n > maxName {
		return fmt.Errorf("it has %d bytes in UTF-8, and RabbitMQ takes %d at most (bytes, not characters)", n, maxName)
	}
	return nil
}

// checkOwnName is checkName for queues and exchanges that are to be made:
// names from `amq.` on belong to the broker.
func checkOwnName(v cty.Value) error {
	if err := checkName(v); err != nil {
		return err
	}
	if strings.HasPrefix(v.AsString(), "amq.") {
		return fmt.Errorf("names that begin with \"amq.\" belong to the broker, which refuses to make them; the exchanges it has of that name, as amq.topic, can be named in a binding without being declared")
	}
	return nil
}

func checkSource(v cty.Value) error {
	if v.AsString() == "" {
		return fmt.Errorf("nothing can be bound to the default exchange: it reaches every queue by the queue's name as routing key, without a binding")
	}
	return checkName(v)
}

func checkExchangeType(v cty.Value) error {
	s := v.AsString()
	if err := checkName(v); err != nil {
		return err
	}
	// A word without x- that is not one of the standard's is mostly a slip;
	// event and jms-topic exchanges come from plugins.
	known := []string{"direct", "fanout", "topic", "headers"}
	if !strings.HasPrefix(s, "x-") && diag.Nearest(s, known) != s && diag.Nearest(s, known) != "" {
		return fmt.Errorf("there is no exchange type %q.%s", s, diag.DidYouMean(s, known))
	}
	return nil
}

func oneOf(words ...string) func(cty.Value) error {
	return func(v cty.Value) error {
		for _, w := range words {
			if v.AsString() == w {
				return nil
			}
		}
		return fmt.Errorf("%q is not %s", v.AsString(), diag.OneOf(v.AsString(), words))
	}
}

func wholeBetween(low, high int64) func(cty.Value) error {
	return func(v cty.Value) error {
		n, acc := v.AsBigFloat().Int64()
		if acc != big.Exact || n < low || n > high {
			switch {
			case high == maxInt && low == -maxInt:
				return fmt.Errorf("it must be a whole number")
			case high == maxInt:
				return fmt.Errorf("it must be a whole number from %d on", low)
			}
			return fmt.Errorf("it must be a whole number from %d to %d", low, high)
		}
		return nil
	}
}

func checkLimit(v cty.Value) error { return wholeBetween(-1, maxInt)(v) }

// checkPattern compiles a pattern as Perl-compatible regular expression, the
// broker's kind.
func checkPattern(v cty.Value) error {
	if _, err := compile(v.AsString()); err != nil {
		return fmt.Errorf("it is no regular expression: %v", patternProblem(err))
	}
	return nil
}

func compile(pattern string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, err
	}
	// A pattern can take exponential time; none that does is worth waiting for.
	re.MatchTimeout = matchTimeout
	return re, nil
}

func patternProblem(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

func checkPassword(v cty.Value) error {
	if v.AsString() == "" {
		return fmt.Errorf("it is empty: RabbitMQ lets nobody log in with an empty password; leave the attribute out for a user without one")
	}
	return nil
}

// checkTags refuses tags that come back otherwise: RabbitMQ keeps them as one
// list with commas, trims them, and garbles what is not ASCII.
func checkTags(v cty.Value) error {
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if !attr.Given(e) {
			continue
		}
		t := e.AsString()
		odd := func(r rune) bool { return r == ',' || r < ' ' || r > '~' }
		if t == "" || len(t) > maxName || strings.TrimSpace(t) != t || strings.ContainsFunc(t, odd) {
			return fmt.Errorf("the tag %q cannot be kept by RabbitMQ: a tag has from 1 to %d printable ASCII characters, no comma, and no blank at its ends", t, maxName)
		}
	}
	return nil
}

func isTable(v cty.Value) bool {
	return v.Type().IsObjectType() || v.Type().IsMapType()
}

// checkTable is for arguments: a table with names that AMQP can carry.
func checkTable(v cty.Value) error {
	if !isTable(v) {
		return fmt.Errorf("it must be an object: { name = value }")
	}
	var err error
	each(v, func(k string, e cty.Value) {
		if err != nil {
			return
		}
		if k == "" || len(k) > maxName {
			err = fmt.Errorf("the name of an argument has from 1 to %d bytes", maxName)
		} else if k == ownerArgument {
			err = cty.Path{cty.IndexStep{Key: cty.StringVal(k)}}.NewErrorf("this is msgflo's own mark of what it made, and cannot be written")
		}
	})
	return err
}

func checkLinkURL(v cty.Value) error {
	if v.Type() == cty.String {
		return checkOneLinkURL(v.AsString())
	}
	if !v.CanIterateElements() || isTable(v) || v.LengthInt() == 0 {
		return fmt.Errorf("it must be a URL, or a list of URLs")
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if !e.IsKnown() {
			continue
		}
		if e.IsNull() || e.Type() != cty.String {
			return fmt.Errorf("it must be a URL, or a list of URLs")
		}
		if err := checkOneLinkURL(e.AsString()); err != nil {
			return err
		}
	}
	return nil
}

func checkOneLinkURL(s string) error {
	if !strings.HasPrefix(s, "amqp://") && !strings.HasPrefix(s, "amqps://") {
		return fmt.Errorf("a URL here begins with amqp:// or amqps://")
	}
	return nil
}

func limitNeeded(names ...string) func(cty.Value) []error {
	return func(v cty.Value) []error {
		for _, n := range names {
			if a := attr.Of(v, n); !a.IsKnown() || !a.IsNull() {
				return nil
			}
		}
		return []error{fmt.Errorf("it limits nothing: write %s", strings.Join(names, " or "))}
	}
}
