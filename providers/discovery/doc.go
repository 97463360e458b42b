// Package discovery reads how MsgFlo participants announce themselves: it
// parses announcements from anybody (msgflo-wire.md §1.2), listens to them without
// taking them from others, and keeps a table of who was heard when. What it reads
// is data, hostile perhaps: it is bounded, never trusted, and escaped
// where it is put into words.
//
// It imports providers/launch, providers/transport and config/diag; it starts
// nothing and changes nothing.
package discovery

// Queue is where participants announce themselves, on MQTT the topic. It is a
// work queue: who consumes it takes from all others.
const Queue = "fbp"

// Exchange is the fanout exchange that a policy on Queue leads every
// announcement to, so that each listener has a copy.
const Exchange = "msgflo.fbp"
