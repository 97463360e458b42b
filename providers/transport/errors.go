package transport

// A ConnectError says why there is no connection. It has no secret in it.
type ConnectError struct {
	Headline string // fixed text, one of those below
	Detail   string
	Err      error
}

func (e *ConnectError) Error() string   { return e.Detail }
func (e *ConnectError) Unwrap() error   { return e.Err }
func (e *ConnectError) Summary() string { return e.Headline }

// Headlines of a ConnectError.
const (
	Unreachable  = "Broker unreachable"
	NoAnswer     = "Broker does not answer"
	Insecure     = "Secure connection failed"
	LoginRefused = "Login refused"
	Refused      = "Connection refused by the broker"
)
