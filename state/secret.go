package state

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"
)

// Cost of a hash: OWASP's second choice for argon2id (19 MiB, two passes, one
// lane), some 30 ms each. Many objects can have secrets, and every plan
// verifies them all.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashLength  = 32 // bytes
)

// What VerifySecret is willing to spend on a hash out of a file, which
// somebody may have edited to exhaust the machine.
const (
	maxMemory  = 256 * 1024 // KiB
	maxPasses  = 16
	maxThreads = 16
	maxBytes   = 64
)

// NewLineage makes the identity of a new state.
func NewLineage() string { return uuid.NewString() }

// HashSecret returns an argon2id hash with a fresh salt in PHC string form
// (github.com/P-H-C/phc-string-format), by which a later run tells that a
// secret changed without the secret being kept.
func HashSecret(secret []byte) (string, error) {
	salt := make([]byte, hashSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("making a salt: %w", err)
	}
	p := phc{memory: hashMemory, passes: hashPasses, threads: hashThreads, salt: salt}
	p.sum = p.hash(secret, hashLength)
	return p.String(), nil
}

// VerifySecret reports whether the hash is that of the secret. A hash that is
// not of HashSecret's form, or would cost too much to check, is an error.
func VerifySecret(hash string, secret []byte) (bool, error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, fmt.Errorf("the recorded hash of a secret is unusable: %w", err)
	}
	return subtle.ConstantTimeCompare(p.hash(secret, uint32(len(p.sum))), p.sum) == 1, nil
}

type phc struct {
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

func (p phc) hash(secret []byte, n uint32) []byte {
	return argon2.IDKey(secret, p.salt, p.passes, p.memory, p.threads, n)
}

func (p phc) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.threads,
		enc.EncodeToString(p.salt), enc.EncodeToString(p.sum))
}

func parsePHC(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, errors.New("it is no argon2id hash")
	}
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errors.New("it is of another version of argon2")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.threads); err != nil {
		return p, errors.New("its parameters cannot be read")
	}
	if p.memory > maxMemory || p.passes < 1 || p.passes > maxPasses || p.threads < 1 || p.threads > maxThreads {
		return p, errors.New("its parameters are out of bounds")
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	p.sum, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.salt) > maxBytes || len(p.sum) < 16 || len(p.sum) > maxBytes {
		return p, errors.New("its salt or sum is malformed")
	}
	return p, nil
}
