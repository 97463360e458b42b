// Package diagram draws objects and the ways of messages between them, as
// Graphviz's dot or as mermaid, coloured by what a plan does.
//
// It is part of the ui room; it imports planner/plan, state, config/addr and
// its neighbours ui/change and ui/value. Names are escaped for the format.
package diagram
