package rabbitmq

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
)

// maxMillis is the longest time to live that RabbitMQ takes, 2^32-1 ms
// (rabbit_misc:check_expiry); about 49 days.
const maxMillis = 1<<32 - 1

// parseDuration reads a duration as the language writes it and returns whole
// milliseconds, the broker's unit.
func parseDuration(s string) (millis int64, err error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		if days, ok := strings.CutSuffix(s, "d"); ok {
			if n, err := strconv.ParseInt(days, 10, 32); err == nil {
				return 0, fmt.Errorf("%q: days are written in hours, as \"%dh\"", s, n*24)
			}
		}
		return 0, fmt.Errorf("%q is no duration: write it as \"500ms\", \"30s\" or \"1h30m\"", s)
	}
	if d%time.Millisecond != 0 {
		return 0, fmt.Errorf("%q: the broker counts in whole milliseconds", s)
	}
	if d < 0 {
		return 0, fmt.Errorf("%q: it cannot be negative", s)
	}
	return d.Milliseconds(), nil
}

func checkDuration(v cty.Value) error {
	ms, err := parseDuration(v.AsString())
	if err == nil && ms > maxMillis {
		return fmt.Errorf("%q is longer than the broker allows, %s", v.AsString(), formatMillis(maxMillis))
	}
	return err
}

func checkPositiveDuration(v cty.Value) error {
	if ms, err := parseDuration(v.AsString()); err == nil && ms == 0 {
		return fmt.Errorf("it must be longer than nothing")
	}
	return checkDuration(v)
}

func checkSeconds(v cty.Value) error {
	ms, err := parseDuration(v.AsString())
	if err == nil && ms%1000 != 0 {
		return fmt.Errorf("%q: the broker counts this one in whole seconds", v.AsString())
	}
	return err
}

// formatMillis writes milliseconds as people do: 1h30m, 500ms.
func formatMillis(ms int64) string {
	if ms == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		ms   int64
		unit string
	}{{3_600_000, "h"}, {60_000, "m"}, {1000, "s"}, {1, "ms"}} {
		if n := ms / u.ms; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.unit)
			ms -= n * u.ms
		}
	}
	return b.String()
}

// durationValue is the language's form of a count of time units that the
// broker stores; null where it is none (a queue made by others may hold anything).
func durationValue(v cty.Value, unitMillis int64) (cty.Value, bool) {
	if !attr.Given(v) || v.Type() != cty.Number {
		return cty.NullVal(cty.String), false
	}
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact || n < 0 || n > 1<<53/unitMillis {
		return cty.NullVal(cty.String), false
	}
	return cty.StringVal(formatMillis(n * unitMillis)), true
}

// canonicalDuration is the one spelling of a duration: "90m" and "1h30m" are
// the same to the diff.
func canonicalDuration(v cty.Value) cty.Value {
	if !attr.Given(v) || v.Type() != cty.String {
		return v
	}
	ms, err := parseDuration(v.AsString())
	if err != nil {
		return v
	}
	return cty.StringVal(formatMillis(ms))
}

// millis is the number of a duration attribute in the given unit.
func millis(v cty.Value, name string, unitMillis int64) (int64, bool) {
	s := attr.Text(v, name)
	if s == "" {
		return 0, false
	}
	ms, err := parseDuration(s)
	if err != nil {
		return 0, false
	}
	return ms / unitMillis, true
}
