// Package router carries the MQTT routes of one state lineage: it reads their
// document (providers/mqtt/router/routes) off the broker, subscribes to the
// sources and publishes to the targets. A QoS 1 message is acknowledged to the broker
// only after the broker has taken what it became: what the broker queued arrives,
// perhaps twice.
//
// It is a service of the agent's. It imports providers/transport/mqtt,
// providers/transport/retry, config/diag and its own routes and retained; it knows no
// agent, no configuration, no state.
package router
