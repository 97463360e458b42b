//go:build race

package agent

// racing: the race detector has memory of its own.
const racing = true
