package rabbitmq

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestWentAway: whichever part of the library notices first that the broker is
// gone, it is the same to users.
func TestWentAway(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF:                             true,
		fmt.Errorf("x: %w", syscall.EPIPE): true,
		amqp.ErrClosed:                     true,
		&amqp.Error{Code: amqp.FrameError, Reason: "EOF"}:                 true,
		&amqp.Error{Code: amqp.FrameError, Reason: "bad", Server: true}:   false,
		&amqp.Error{Code: amqp.ChannelError, Reason: "bad", Server: true}: false,
		errors.New("another"): false,
	} {
		if wentAway(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
