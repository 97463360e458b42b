package rabbitmq

import (
	"crypto/md5" //nolint:gosec // what brokers before 3.6 wrote
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
)

// passwordMatches checks a password against the broker's salted hash: base64
// of four bytes of salt and the hash of salt and password
// (https://www.rabbitmq.com/docs/passwords#computing-password-hash).
func passwordMatches(password, hash, algorithm string) bool {
	raw, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || len(raw) <= 4 {
		return false
	}
	salted := append(append([]byte(nil), raw[:4]...), password...)
	var sum []byte
	switch algorithm {
	case "rabbit_password_hashing_sha512":
		h := sha512.Sum512(salted)
		sum = h[:]
	case "rabbit_password_hashing_md5", "":
		h := md5.Sum(salted) //nolint:gosec // what brokers before 3.6 wrote; not ours to choose
		sum = h[:]
	default:
		h := sha256.Sum256(salted)
		sum = h[:]
	}
	return subtle.ConstantTimeCompare(sum, raw[4:]) == 1
}
