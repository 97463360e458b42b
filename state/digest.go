package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// checksumKey is the last member of every document of this package.
const checksumKey = `"checksum"`

// seal ends a document, given without its closing brace and after its last
// comma, with the checksum of what is before it.
func seal(doc []byte) []byte {
	sum := Digest(doc)
	doc = append(doc, "  "+checksumKey+`: "`...)
	doc = append(doc, sum...)
	return append(doc, "\"\n}\n"...)
}

// sealed reports whether sum is the checksum of the document that it ends.
func sealed(doc []byte, sum string) bool {
	i := bytes.LastIndex(doc, []byte(checksumKey))
	return i >= 0 && Digest(doc[:i]) == sum
}

// Digest is the SHA-256 of a document without the white space between its
// tokens, so that a server or an editor that only lays it out anew breaks
// nothing: stores compare versions by it. It needs no valid JSON.
func Digest(doc []byte) string {
	h := sha256.New()
	start, quoted := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ' ', c == '\n', c == '\t', c == '\r':
			h.Write(doc[start:i])
			start = i + 1
		}
	}
	h.Write(doc[start:])
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
