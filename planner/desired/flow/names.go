package flow

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName  = 255   // bytes of an AMQP short string
	maxTopic = 65535 // bytes of an MQTT string
)

// badName says why a name cannot be used, "" if it can. Ours are names that we
// are to declare; others can be the broker's own.
func (l *lowering) badName(name string, ours bool) string {
	switch {
	case !utf8.ValidString(name):
		return "It is not valid UTF-8."
	case strings.ContainsFunc(name, unicode.IsControl):
		return "It has a control character; use printable ones."
	case l.Broker.Kind == kindMQTT:
		return badTopic(name)
	case len(name) > maxName:
		return fmt.Sprintf("It has %d bytes, and RabbitMQ takes %d at most.", len(name), maxName)
	case name == "." || name == "..":
		return "In the URLs of RabbitMQ's management API that means a folder, so it could not be read back."
	case ours && strings.HasPrefix(name, "amq."):
		return "Names that begin with \"amq.\" belong to the broker, which refuses to make them."
	}
	return ""
}

func badTopic(name string) string {
	switch {
	case strings.ContainsAny(name, "+#"):
		return "+ and # stand for many topics, and a port has one."
	case len(name) > maxTopic:
		return fmt.Sprintf("It has %d bytes, and MQTT takes %d at most.", len(name), maxTopic)
	}
	return ""
}
