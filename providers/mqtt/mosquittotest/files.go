package mosquittotest

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/user"
	"strings"
)

// writeFiles writes what the broker reads at its start.
func (b *Broker) writeFiles() error {
	if err := os.WriteFile(b.path("mosquitto.conf"), []byte(b.config()), 0o600); err != nil {
		return err
	}
	if b.opts.Users == nil {
		return nil
	}
	var s strings.Builder
	for name, password := range b.opts.Users {
		hash, err := hashed(password)
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "%s:%s\n", name, hash)
	}
	return os.WriteFile(b.path("passwords"), []byte(s.String()), 0o600)
}

func (b *Broker) config() string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	line("listener %d 127.0.0.1", b.ports[0])
	if b.opts.WebSocket {
		line("listener %d 127.0.0.1\nprotocol websockets", b.ports[1])
	}
	if t := b.opts.TLS; t != nil {
		for i, protocol := range map[int]string{2: "mqtt", 3: "websockets"} {
			line("listener %d 127.0.0.1\nprotocol %s\ncertfile %s\nkeyfile %s", b.ports[i], protocol, t.Cert, t.Key)
			if t.CA != "" {
				line("cafile %s\nrequire_certificate true", t.CA)
			}
		}
	}
	line("allow_anonymous %t", b.opts.Users == nil)
	if b.opts.Users != nil {
		line("password_file %s", b.path("passwords"))
	}
	line("persistence %t", b.opts.Persist)
	if b.opts.Persist {
		line("persistence_location %s/\nautosave_on_changes true\nautosave_interval 1", b.Dir)
	}
	// Started as root it would become the user mosquitto, who may not read the folder.
	if me, err := user.Current(); err == nil {
		line("user %s", me.Username)
	}
	line("log_dest stdout")
	for _, l := range b.opts.Config {
		line("%s", l)
	}
	return s.String()
}

// hashed is a password as mosquitto_passwd writes it: PBKDF2 with SHA-512.
func hashed(password string) (string, error) {
	const iterations = 101
	salt := make([]byte, 12)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$7$%d$%s$%s", iterations, b64(salt), b64(key)), nil
}
