package agent

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
)

// A program is what one role's replicas run: found and checked.
type program struct {
	spec launch.Spec
	sum  string // of all that a change of means other processes
	path string
	args []string
	dir  string
	env  map[string]string
	// secrets are the texts that the log must not have.
	secrets []string
}

// brokerURL is that of the role's broker, as participants are told it.
func (p *program) brokerURL() string { return p.env["MSGFLO_BROKER"] }

// find fills in where the program is, and checks that it can be started: what
// exec(2) would refuse is told here by name, before anything is stopped for it.
func (p *program) find(configDir, self string) error {
	p.dir = p.spec.Directory
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(configDir, p.dir)
	}
	if err := checkDir(p.dir); err != nil {
		return err
	}
	if len(p.spec.Command) == 0 {
		return errors.New("its command has no words: the first one is the program")
	}
	for i, w := range p.spec.Command {
		if strings.ContainsRune(w, 0) {
			return fmt.Errorf("word %d of its command has a NUL byte, which no program can be given", i)
		}
	}
	p.args = append([]string(nil), p.spec.Command...)
	if p.args[0] == launch.Builtin {
		p.path, p.args = self, append([]string{"msgflo", "component", "run"}, p.args[1:]...)
		return nil
	}
	path, err := lookUp(p.args[0], p.dir, p.env["PATH"])
	if err != nil {
		return err
	}
	p.path = path
	return checkProgram(path)
}

func checkDir(dir string) error {
	fi, err := os.Stat(dir)
	switch name := diag.Escape(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its directory %s does not exist", name)
	case err != nil:
		return fmt.Errorf("its directory %s cannot be used: %w", name, cause(err))
	case !fi.IsDir():
		return fmt.Errorf("its directory %s is a file", name)
	case syscall.Access(dir, 1) != nil:
		return fmt.Errorf("its directory %s cannot be entered: permission denied", name)
	}
	return nil
}

// lookUp finds a program as execvp(3) does, in the process's own PATH; entries
// that are not absolute are not followed, as in os/exec.
func lookUp(word, dir, path string) (string, error) {
	if strings.Contains(word, "/") {
		if !filepath.IsAbs(word) {
			word = filepath.Join(dir, word)
		}
		return word, nil
	}
	var refused string
	var known []string
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue
		}
		at := filepath.Join(d, word)
		fi, err := os.Stat(at)
		switch {
		case err == nil && !fi.IsDir() && fi.Mode().Perm()&0o111 != 0:
			return at, nil
		case err == nil && !fi.IsDir() && refused == "":
			refused = at
		}
		known = append(known, programs(d)...)
	}
	if refused != "" {
		return "", fmt.Errorf("its program %s is not executable: `chmod +x` it, or name its interpreter first in the command", diag.Escape(refused))
	}
	return "", fmt.Errorf("its program %q is in no folder of its PATH (%s).%s", word, diag.Escape(path), diag.DidYouMean(word, known))
}

func programs(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// needsInstall is the folder of the Node package into whose node_modules a path
// leads, where nothing was installed yet; "" for any other path.
func needsInstall(path string) string {
	dir, _, found := strings.Cut(path, "/node_modules/")
	if !found {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return dir
}

// checkProgram says what execve(2) would say of a file, and what it means.
func checkProgram(path string) error {
	name := diag.Escape(path)
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && needsInstall(path) != "":
		return fmt.Errorf("its program %s does not exist: run `npm install` in %s", name, diag.Escape(needsInstall(path)))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its program %s does not exist.%s", name, diag.DidYouMean(filepath.Base(path), programs(filepath.Dir(path))))
	case err != nil:
		return fmt.Errorf("its program %s cannot be used: %w", name, cause(err))
	case fi.IsDir():
		return fmt.Errorf("its program %s is a folder", name)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("its program %s is not a regular file", name)
	case fi.Mode().Perm()&0o111 == 0 || syscall.Access(path, 1) != nil:
		return fmt.Errorf("its program %s is not executable (mode %04o): `chmod +x` it, or name its interpreter first in the command", name, fi.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil // what may be executed need not be readable
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil
	}
	return checkFormat(f, name, head[:n])
}

func checkFormat(f *os.File, name string, head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		line, _, _ := strings.Cut(string(head[2:]), "\n")
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }) // a carriage return is part of the name
		if len(words) == 0 {
			return fmt.Errorf("the first line of its program %s begins with #! and names no interpreter", name)
		}
		if fi, err := os.Stat(words[0]); err != nil || fi.IsDir() || fi.Mode().Perm()&0o111 == 0 {
			hint := ""
			if strings.HasSuffix(line, "\r") {
				hint = "; the line ends in a carriage return, so save the file with Unix line ends"
			}
			return fmt.Errorf("its program %s wants the interpreter %s, which cannot be run here%s", name, diag.Escape(words[0]), hint)
		}
		return nil
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return checkELF(f, name)
	}
	return formatError(name, "it is neither an ELF program nor a script that begins with #! (a script without that line needs its interpreter as the first word of the command)")
}

func checkELF(f *os.File, name string) error {
	e, err := elf.NewFile(f)
	if err != nil {
		return formatError(name, "it is a damaged ELF file")
	}
	defer func() { _ = e.Close() }()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "386": elf.EM_386, "arm": elf.EM_ARM}
	if want, ok := machines[runtime.GOARCH]; ok && e.Machine != want && (runtime.GOARCH != "amd64" || e.Machine != elf.EM_386) {
		return formatError(name, fmt.Sprintf("it is built for %s and this machine is %s", e.Machine, want))
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, min(p.Filesz, 4096))
		if _, err := p.ReadAt(b, 0); err != nil {
			return nil // the kernel will say
		}
		loader := string(bytes.TrimRight(b, "\x00"))
		if _, err := os.Stat(loader); err != nil {
			return fmt.Errorf("its program %s wants the loader %s, which is not on this machine: it is built for another system", name, diag.Escape(loader))
		}
	}
	return nil
}

func formatError(name, why string) error {
	return fmt.Errorf("its program %s cannot be executed (exec format error): %s", name, why)
}

// cause is an error without the path that the sentence has already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
