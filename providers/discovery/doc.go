// Package discovery reads how MsgFlo participants announce themselves: it
// parses announcements from anybody (msgflo-wire.md §1.2), listens to them without
// taking them from others, and keeps a table of who was heard when. What it reads
// is data, hostile perhaps: it is bounded, never trusted, and escaped
// where it is put into words.
//
// It imports providers/discovery/wire, providers/launch, providers/transport and
// config/diag; it starts nothing and changes nothing.
package discovery

// Exchange is the fanout exchange that a policy on wire.Queue leads every
// announcement to, so that each listener has a copy.
const Exchange = "msgflo.fbp"
