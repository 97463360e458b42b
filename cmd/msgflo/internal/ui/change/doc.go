// Package change arranges a plan for reading: a delete and a create of one
// address become a replace, changes are grouped by module and flow, edges that
// appear and vanish are found, and the counts of the last line are made.
//
// It is part of the ui room and imports planner/plan, providers, config/addr
// and ui/value only; it writes to no terminal.
package change
