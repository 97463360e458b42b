package control

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
)

// Machine names this machine as process objects record it: its host name, and
// a digest of /etc/machine-id (machine-id(5) asks not to show the id itself)
// or, where there is none, of the host name.
func Machine() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil || len(strings.TrimSpace(string(id))) == 0 {
		id = []byte(host)
	}
	sum := sha256.Sum256([]byte("msgflo\x00" + strings.TrimSpace(string(id))))
	return host + "/" + hex.EncodeToString(sum[:6])
}
