package state

import (
	"strings"
	"testing"
)

func TestSecret(t *testing.T) {
	h, err := HashSecret([]byte("tiger"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(h, "tiger") {
		t.Error(h)
	}
	for secret, want := range map[string]bool{"tiger": true, "Tiger": false, "": false} {
		if ok, err := VerifySecret(h, []byte(secret)); err != nil || ok != want {
			t.Errorf("%q: %v %v", secret, ok, err)
		}
	}
	if again, _ := HashSecret([]byte("tiger")); again == h {
		t.Error("no salt")
	}
}

// The vector is the reference implementation's: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1.
func TestSecretOfAnotherProgram(t *testing.T) {
	ok, err := VerifySecret("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", []byte("password"))
	if err != nil || !ok {
		t.Error(ok, err)
	}
}

func TestSecretRefuses(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, h := range []string{
		"", "plain", "$argon2i$v=19$m=65536,t=2,p=1" + tail, "$argon2id$v=16$m=65536,t=2,p=1" + tail,
		"$argon2id$v=19$m=4294967295,t=2,p=1" + tail, "$argon2id$v=19$m=65536,t=4000000,p=1" + tail, "$argon2id$v=19$m=65536,t=0,p=1" + tail,
		"$argon2id$v=19$m=65536,t=2,p=0" + tail, "$argon2id$v=19$m=65536,t=2,p=255" + tail, "$argon2id$v=19$m=-1,t=2,p=1" + tail,
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=65536,t=2,p=1$!$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if ok, err := VerifySecret(h, []byte("password")); err == nil || ok {
			t.Errorf("%q: %v", h, ok)
		}
	}
}

func FuzzVerifySecret(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, h string) {
		if p, err := parsePHC(h); err == nil && p.memory <= 1024 {
			p.hash([]byte("x"), uint32(len(p.sum)))
		}
	})
}
