package ui

import (
	"io"
	"runtime"

	"github.com/msgflo/msgflo/config/diag"
)

// VersionText writes what `msgflo version` tells people.
func VersionText(w io.Writer, version, revision string, providers []string) error {
	p := newPrinter(w, false)
	p.line("msgflo ", diag.Escape(version))
	if revision != "" {
		p.line("  revision ", diag.Escape(revision))
	}
	p.line("  ", runtime.Version(), " on ", runtime.GOOS, "/", runtime.GOARCH)
	for _, name := range providers {
		p.line("  provider ", diag.Escape(name), " (built in)")
	}
	p.flush()
	return p.err
}
