package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// A brokerError is a refusal of the broker in words that people can act on.
type brokerError struct {
	headline string
	detail   string
	err      error
}

func (e *brokerError) Error() string   { return e.detail }
func (e *brokerError) Unwrap() error   { return e.err }
func (e *brokerError) Summary() string { return e.headline }

// explainAMQP turns an error of the AMQP library into words. what says what
// was tried: `declaring queue "jobs" in vhost "/"`.
func explainAMQP(what string, err error) error {
	if err == nil {
		return nil
	}
	if ce, ok := errors.AsType[*providers.ConnectionError](err); ok {
		return ce
	}
	var ae *amqp.Error
	if !errors.As(err, &ae) || ae.Code == 0 {
		return fmt.Errorf("%s: %w", what, err)
	}
	if ae.Code == amqp.InternalError || ae.Code == amqp.ConnectionForced {
		return fmt.Errorf("%s: the broker closed the connection: %s", what, diag.Escape(ae.Reason))
	}
	return explainReason(what, ae.Reason, err)
}

// explainReason puts the broker's own words for a refusal, as AMQP and the
// management API both give them, into words that help.
func explainReason(what, reason string, err error) error {
	reason = diag.Escape(strings.TrimSpace(reason))
	low := strings.ToLower(reason)
	switch {
	case inequivalent.MatchString(reason):
		m := inequivalent.FindStringSubmatch(reason)
		return &brokerError{"The object exists and is different", fmt.Sprintf("%s: it exists already, with %s = %s where %s is wanted. "+
			"This is fixed at creation: change the configuration, or replace the object with -replace.", what, m[1], m[3], m[2]), err}
	case unknownExchangeKind.MatchString(reason):
		kind := unknownExchangeKind.FindStringSubmatch(reason)[1]
		return &brokerError{"Exchange type not available", fmt.Sprintf("%s: the broker has no exchange type %q.%s", what, kind, pluginHint(pluginOfExchange(kind))), err}
	case unknownComponent.MatchString(reason):
		c := unknownComponent.FindStringSubmatch(reason)[1]
		return &brokerError{"Plugin not enabled", fmt.Sprintf("%s: the broker knows no component %q.%s", what, c, pluginHint(pluginOfComponent(c))), err}
	case strings.Contains(low, "access to") && strings.Contains(low, "refused"):
		return &brokerError{"Permission denied", fmt.Sprintf("%s: the broker refused it: %s. The user needs configure permission on what it makes and deletes; "+
			"to bind, also write permission on the destination and read permission on the source.", what, reason), err}
	case strings.Contains(low, "no_such_user"), strings.Contains(low, "user_not_found"):
		return &brokerError{"No such user", fmt.Sprintf("%s: the broker has no such user (%s). Declare it with a block `user` and refer to that, so that it is made first; or correct the name.", what, reason), err}
	case strings.Contains(low, "resource_locked"), strings.Contains(low, "exclusive access"):
		return &brokerError{"Exclusive queue", fmt.Sprintf("%s: a client holds an exclusive queue of that name, which nobody else can see or change until its connection ends.", what), err}
	}
	return &brokerError{"Refused by the broker", fmt.Sprintf("%s: the broker refused it: %s", what, diag.Sentence(reason)), err}
}

var (
	// rabbit_misc:assert_args_equivalence1.
	inequivalent        = regexp.MustCompile(`inequivalent arg '([^']*)' for .*: received (.+?) but current is (.+?)(?:$|\s*\(|\.$)`)
	unknownExchangeKind = regexp.MustCompile(`(?:unknown|invalid) exchange type '([^']*)'`)
	unknownComponent    = regexp.MustCompile(`component (\S+) not found`)
)

func pluginOfExchange(kind string) string {
	switch kind {
	case "x-delayed-message":
		return "rabbitmq_delayed_message_exchange"
	case "x-consistent-hash":
		return "rabbitmq_consistent_hash_exchange"
	case "x-random":
		return "rabbitmq_random_exchange"
	case "x-recent-history":
		return "rabbitmq_recent_history_exchange"
	case "x-modulus-hash":
		return "rabbitmq_sharding"
	case "x-jms-topic", "jms-topic":
		return "rabbitmq_jms_topic_exchange"
	case "x-event", "event":
		return "rabbitmq_event_exchange"
	}
	return ""
}

func pluginOfComponent(c string) string {
	switch c {
	case componentShovel:
		return "rabbitmq_shovel"
	case componentUpstream, "federation-upstream-set", "federation":
		return "rabbitmq_federation"
	}
	return ""
}

func pluginHint(plugin string) string {
	if plugin == "" {
		return ""
	}
	hint := fmt.Sprintf(" It comes with the plugin %s: run `rabbitmq-plugins enable %s` on every node.", plugin, plugin)
	if plugin == "rabbitmq_delayed_message_exchange" {
		hint += " (This plugin is not part of RabbitMQ; it has to be installed first.)"
	}
	return hint
}

// isLost says whether an error means that the connection, not the request,
// is at fault.
func isLost(err error) bool {
	if err == nil {
		return false
	}
	if ae, ok := errors.AsType[*amqp.Error](err); ok {
		switch ae.Code {
		case amqp.ChannelError, amqp.FrameError, amqp.ConnectionForced, amqp.InternalError, amqp.UnexpectedFrame, amqp.SyntaxError, amqp.CommandInvalid:
			return true
		}
		return !isRefusal(ae)
	}
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func isRefusal(e *amqp.Error) bool {
	switch e.Code {
	case amqp.NotFound, amqp.PreconditionFailed, amqp.AccessRefused, amqp.ResourceLocked, amqp.NotAllowed, amqp.NotImplemented, amqp.InvalidPath:
		return true
	}
	return false
}

func hasCode(err error, code int) bool {
	var ae *amqp.Error
	return errors.As(err, &ae) && ae.Code == code
}

// connectionError explains why the broker could not be reached or the
// connection broke. It never repeats the URL.
func connectionError(s *settingsOfBroker, vhost string, err error) error {
	if err == nil {
		return nil
	}
	if ce, ok := errors.AsType[*providers.ConnectionError](err); ok {
		return ce
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if isVhostRefusal(err) {
		return newVhostError(s, vhost, err)
	}
	headline, detail := dialProblem(s, err)
	return &providers.ConnectionError{Headline: headline, Detail: detail, Err: err}
}
