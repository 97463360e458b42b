// Package agent keeps what one state lineage has on this machine running: the
// processes of participants, each under a shim of its own that outlives the
// agent, and services inside the agent. It is told over a unix socket what to hold
// (providers/local/control) and remembers it in a journal, so that a killed agent changes
// nothing: the next one takes over what runs and starts what is missing.
//
// No replica is ever started twice: the agent locks a file of the start's own and
// hands that very descriptor to the shim, which keeps it for life. A free
// lock means that nothing runs.
//
// It imports control, launch and the journal; it knows no workspace, no
// provider and no broker: readiness that needs one comes in through Options.
package agent
