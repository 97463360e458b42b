// Package ui is what people and machines see: plans, progress, diagnostics,
// outputs and state, as text for a terminal, as Markdown for a pull request,
// as JSON lines. Documents in Terraform's JSON shapes are in ui/tfjson,
// drawings in ui/diagram.
//
// It imports planner/plan, state, providers (for schemas), config/addr and
// config/diag; not config, not workspace. It alone uses fatih/color. Whatever
// comes from outside is escaped before it is written, and what is secret by
// its path is never written at all.
package ui
