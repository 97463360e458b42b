package mosquittotest

import (
	"time"

	"go.uber.org/goleak"
)

// Leaks waits until no goroutines are left but those of the options, and tells
// which are. goleak by itself waits less than half a second, in which on a
// machine under load not all that is about to end has ended.
func Leaks(options ...goleak.Option) error {
	for end := time.Now().Add(startTimeout); ; {
		err := goleak.Find(options...)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}
