// Package tfjson makes the documents that github.com/hashicorp/terraform-json
// parses, so that policy checks and plan viewers written for Terraform work on
// msgflo's plans and states. The shapes are those of Terraform's "JSON Output
// Format"; what msgflo knows beyond them stands under a key `msgflo`.
//
// It is part of the ui room. Secrets are null in every document, and named in
// the *_sensitive parts.
package tfjson
