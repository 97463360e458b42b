// Package diagram draws participants and the flow between them, or objects and
// bindings, as Graphviz's dot or as mermaid, coloured by what a plan does.
//
// It is part of the ui room; it imports planner/plan, planner/desired/flow (for names), state,
// config/addr and its neighbours ui/change and ui/value. Names are escaped for the format.
package diagram
