package control

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Build is the digest by which one build of a program is told from another:
// of the build id that the Go linker wrote into it, which covers its content,
// or of the whole file where there is none.
func Build(program string) (string, error) {
	if id := goBuildID(program); id != "" {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:12]), nil
	}
	f, err := os.Open(program)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// goBuildID is the content of the ELF note "Go": hashing that instead of 20 MB
// saves each command 30 ms.
func goBuildID(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	s := f.Section(".note.go.buildid")
	if s == nil {
		return ""
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 || !bytes.Equal(b[12:15], []byte("Go\x00")) {
		return ""
	}
	id := string(b[16:])
	if len(id) < 20 { // -ldflags=-buildid= leaves nothing to tell builds apart
		return ""
	}
	return id
}
