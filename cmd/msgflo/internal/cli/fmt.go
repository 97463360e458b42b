package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
)

type fmtOptions struct{ check, diff, recursive, write bool }

func (a *app) fmtCommand() *cli.Command {
	var f fmtOptions
	return &cli.Command{
		Name: "fmt", Usage: "bring *.flo.hcl and *.flovars.hcl files into the canonical form", ArgsUsage: "[DIR | FILE … | -]",
		Flags: append(a.o.flagsBasic(),
			&cli.BoolFlag{Name: "check", Usage: "change nothing; exit 3 if something would change", Destination: &f.check},
			&cli.BoolFlag{Name: "diff", Usage: "show what changes", Destination: &f.diff},
			&cli.BoolFlag{Name: "recursive", Usage: "also in folders below", Destination: &f.recursive},
			&cli.BoolFlag{Name: "write", Usage: "write the files (-write=false: do not)", Value: true, Destination: &f.write}),
		Action: func(_ context.Context, c *cli.Command) error { return a.format(c.Args().Slice(), f) },
	}
}

// exitUnformatted is Terraform's code of `fmt -check`.
const exitUnformatted = 3

func (a *app) format(args []string, f fmtOptions) error {
	if len(args) == 1 && args[0] == "-" {
		return a.formatStdin(f)
	}
	files, err := a.formatted(args, f.recursive)
	if err != nil {
		return err
	}
	changed, failed := false, false
	for _, path := range files {
		c, err := a.formatFile(path, f)
		changed, failed = changed || c, failed || err != nil
	}
	switch {
	case failed:
		return errShown
	case changed && f.check:
		return codeError(exitUnformatted)
	}
	return nil
}

// formatted lists the files that the arguments mean: themselves, or what is in a
// directory. A hook gives all that a commit touches at once.
func (a *app) formatted(args []string, recursive bool) ([]string, error) {
	if len(args) == 0 || len(args) == 1 && !isFile(args[0]) {
		dir, err := a.o.dir(args)
		if err != nil {
			return nil, err
		}
		return config.FormatFiles(dir, recursive)
	}
	var out []string
	for _, arg := range args {
		if isFile(arg) {
			out = append(out, arg)
			continue
		}
		if err := checkDir(arg); err != nil {
			return nil, err
		}
		files, err := config.FormatFiles(arg, recursive)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

func (a *app) formatStdin(f fmtOptions) error {
	src, err := io.ReadAll(a.env.Stdin)
	if err != nil {
		return err
	}
	out, diags := config.Format(src, "<stdin>")
	if diags.HasErrors() {
		a.human().Diagnostics(diags, map[string]*hcl.File{"<stdin>": {Bytes: src}})
		return errShown
	}
	if f.check && !bytes.Equal(src, out) {
		return codeError(exitUnformatted)
	}
	_, err = a.env.Stdout.Write(out)
	return err
}

// formatFile formats one file and says its name if that changes it. What is
// wrong is shown.
func (a *app) formatFile(path string, f fmtOptions) (changed bool, err error) {
	src, err := os.ReadFile(path)
	if err != nil {
		a.show(diag.At(err, hcl.Range{}))
		return false, err
	}
	out, diags := config.Format(src, path)
	if diags.HasErrors() {
		a.human().Diagnostics(diags, map[string]*hcl.File{path: {Bytes: src}})
		return false, errShown
	}
	if bytes.Equal(src, out) {
		return false, nil
	}
	_, _ = fmt.Fprintln(a.env.Stdout, diag.Escape(path))
	if f.diff {
		a.showDiff(path, out)
	}
	if f.write && !f.check {
		if err := renameio.WriteFile(path, out, 0o644, renameio.WithExistingPermissions()); err != nil {
			a.show(diag.At(err, hcl.Range{}))
			return true, err
		}
	}
	return true, nil
}

// showDiff prints a unified diff by the diff program, as gofmt and Terraform do.
func (a *app) showDiff(path string, formatted []byte) {
	cmd := exec.Command("diff", "-u", "--label", "old/"+filepath.ToSlash(path), "--label", "new/"+filepath.ToSlash(path), path, "-")
	cmd.Stdin = bytes.NewReader(formatted)
	out, err := cmd.Output()
	if len(out) == 0 && err != nil {
		a.say("-diff needs the diff program: %v", err)
		return
	}
	_, _ = io.WriteString(a.env.Stdout, diag.EscapeText(string(out)))
}
