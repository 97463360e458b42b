//go:build !race

package apply_test

// lighten does nothing: see race_test.go.
func lighten() {}
