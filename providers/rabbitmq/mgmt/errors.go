package mgmt

import (
	"errors"
	"strings"
)

// A Kind says what went wrong, coarsely enough to decide what to do.
type Kind int

// Kinds of errors. Those up to BrokerFailed end all work with the broker
// (Error.EndsConnection); the others are about one object.
const (
	Unreachable   Kind = iota + 1 // no connection, or it broke
	Silent                        // no answer in time
	TLSFailed                     // bad certificate, or no common version
	LoginRefused                  // wrong user or password
	NotManagement                 // something else answers there
	Cut                           // the answer ended early
	TooLarge                      // the answer exceeds Options.MaxAnswer
	Overloaded                    // 429, 503 until the retries were used up
	BrokerFailed                  // another 5xx
	Forbidden                     // logged in, but not permitted
	NotFound                      // no such object, or no such vhost
	Rejected                      // the broker does not take the value (400, 405, 409 …)
	PluginMissing                 // the broker lacks the plugin for such objects
	BadName                       // cannot be addressed over HTTP; nothing was sent
)

// Summary is the fixed headline above an error of the kind.
func (k Kind) Summary() string {
	switch k {
	case Unreachable:
		return "Broker unreachable"
	case Silent:
		return "Broker does not answer"
	case TLSFailed:
		return "Secure connection failed"
	case LoginRefused:
		return "Login refused"
	case NotManagement:
		return "Not a RabbitMQ management API"
	case Cut:
		return "Answer was cut"
	case TooLarge:
		return "Answer too large"
	case Overloaded:
		return "Broker overloaded"
	case BrokerFailed:
		return "Broker failed"
	case Forbidden:
		return "Permission missing"
	case NotFound:
		return "Not found on the broker"
	case Rejected:
		return "Rejected by the broker"
	case PluginMissing:
		return "Plugin not enabled"
	case BadName:
		return "Name cannot be used"
	}
	return "Management API failed"
}

// An Error is the one type of error that calls return, except for the
// context's own. It holds no secret, and what the broker said is escaped.
type Error struct {
	Kind   Kind
	Host   string // scheme, host and port
	Method string
	Path   string // as sent, percent-encoded; "" where nothing was sent
	Status int    // HTTP status, 0 without an answer
	Reason string // the broker's own words, if any
	Plugin string // of PluginMissing: the plugin to enable
	// OutcomeUnknown: a write was sent and may have been done.
	OutcomeUnknown bool
	broke          bool // there was a connection, and it ended without an answer

	detail string
	err    error
}

func (e *Error) Error() string   { return e.detail }
func (e *Error) Unwrap() error   { return e.err }
func (e *Error) Summary() string { return e.Kind.Summary() }

// EndsConnection tells whether further calls are bound to fail alike, so that
// the provider makes a providers.ConnectionError of it.
func (e *Error) EndsConnection() bool {
	switch e.Kind {
	case Unreachable, Silent, TLSFailed, LoginRefused, NotManagement, Cut, TooLarge, Overloaded:
		return true
	case Forbidden:
		return strings.Contains(e.Reason, "Not management user") || strings.Contains(e.Reason, "localhost")
	}
	return false
}

// IsKind tells whether an error is (or wraps) an Error of that kind.
func IsKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// IsNotFound tells that the broker knows no such object (or vhost).
func IsNotFound(err error) bool { return IsKind(err, NotFound) }
