// Package refresh reads the live objects that a plan needs to see: those that
// are wanted and those that state remembers, one sweep a provider.
package refresh
