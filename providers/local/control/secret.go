package control

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
)

// SecretSum is the digest of a secret that an agent shows: HMAC-SHA-256 with
// the salt as the key, over the secret's canonical JSON (keys sorted, no
// space). No secret has no sum.
func SecretSum(salt []byte, secret json.RawMessage) []byte {
	if len(secret) == 0 {
		return nil
	}
	h := hmac.New(sha256.New, salt)
	h.Write(canonical(secret))
	return h.Sum(nil)
}

// SameSecret tells whether the secret is the one that is held.
func (h Held) SameSecret(secret json.RawMessage) bool {
	return hmac.Equal(SecretSum(h.Salt, secret), h.Digest)
}

// canonical is JSON with sorted keys and without space; what is no JSON stays
// as it is.
func canonical(raw json.RawMessage) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return raw
	}
	b, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return b
}
