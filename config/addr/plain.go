package addr

import "strings"

// splitPlain is split for the addresses that nearly every document is full of:
// ASCII names, and keys without an escape or a template. A state or plan file
// of 15 000 objects holds several times as many addresses, and HCL's scanner
// takes 60 times as long for each. What it does not know is left to split:
// false means no more than that.
func splitPlain(s string) ([]step, bool) {
	steps := make([]step, 0, 4)
	for {
		n := plainName(s)
		if n == 0 {
			return nil, false
		}
		st := step{name: s[:n]}
		if s = s[n:]; strings.HasPrefix(s, "[") {
			n = plainKey(s)
			if n == 0 {
				return nil, false
			}
			st.key, s = s[:n], s[n:]
		}
		steps = append(steps, st)
		if s == "" {
			return steps, true
		}
		if s[0] != '.' {
			return nil, false
		}
		s = s[1:]
	}
}

// plainName returns the length of the identifier that s begins with, or 0.
func plainName(s string) int {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return i
		}
	}
	return len(s)
}

// plainKey returns the length of the index that s begins with, where it is
// written as this package writes it, or 0.
func plainKey(s string) int {
	end := strings.IndexByte(s, ']')
	switch {
	case end < 2:
		return 0
	case s[1] == '"':
		return plainString(s)
	case end > 10 || s[1] == '0' && end > 2: // more digits, or a leading zero: split says what is wrong
		return 0
	}
	for _, c := range []byte(s[1:end]) {
		if c < '0' || c > '9' {
			return 0
		}
	}
	return end + 1
}

func plainString(s string) int {
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if strings.HasPrefix(s[i+1:], "]") {
				return i + 2
			}
			return 0
		case c < ' ' || c > '~' || c == '\\' || c == '$' || c == '%':
			return 0
		}
	}
	return 0
}
