// Package value turns the JSON in which plans and state keep values into what
// people read: dynamic values unwrapped, secrets masked by path, literals as
// HCL writes them, and differences found leaf by leaf.
//
// It is part of the ui room and imports providers' schemas, config/addr and
// config/diag only; it writes to no terminal and knows no colour.
package value
