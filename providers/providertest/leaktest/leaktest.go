// Package leaktest is goleak with patience: goleak by itself waits less than
// half a second for goroutines to end, in which on a machine under load not
// all that is about to end has ended.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const patience = time.Minute

// Main is for TestMain: it runs the tests, fails if they leave goroutines
// behind, and exits.
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
func Main(m *testing.M) { os.Exit(Judge(m.Run())) }

// Judge is the exit code of tests that ended with code, and left goroutines
// behind or not.
func Judge(code int, options ...goleak.Option) int {
	if code != 0 {
		return code
	}
	if err := find(options...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Check fails a test that leaves goroutines behind which are not there yet, and
// are not among those of the options. What the test cleans up after this call
// counts as ended by it.
func Check(t testing.TB, options ...goleak.Option) {
	t.Helper()
	options = append(options, goleak.IgnoreCurrent())
	t.Cleanup(func() {
		if err := find(options...); err != nil {
			t.Error(err)
		}
	})
}

// find waits until no goroutines are left but those of the options, and tells
// which are.
func find(options ...goleak.Option) error {
	for end := time.Now().Add(patience); ; {
		err := goleak.Find(options...)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}
