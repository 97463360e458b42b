package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

// mail are the flags that send, tap and dump share.
type mail struct {
	broker string
	count  int
	raw    bool
	keys   []string // routing keys that tap listens to
}

func (a *app) flagsMail(m *mail) []cli.Flag {
	return append(append(a.o.flagsBasic(), a.o.flagsVars()...),
		&cli.StringFlag{Name: "broker", Usage: "the broker block's `NAME`, where there are several", Destination: &m.broker})
}

// flagRaw is of the commands that print messages.
func flagRaw(m *mail) cli.Flag {
	return &cli.BoolFlag{Name: "raw", Usage: "print the bytes as they are, whatever they do to the terminal", Destination: &m.raw}
}

// printsOne wants the one argument of a command that prints messages, else what
// usage says.
func (a *app) printsOne(c *cli.Command, m *mail, usage string) (string, error) {
	if c.Args().Len() != 1 {
		return "", usagef("%s", usage)
	}
	if m.raw && a.o.json {
		return "", usagef("-raw and -json exclude each other")
	}
	return c.Args().First(), nil
}

func flagCount(m *mail, value int, usage string) cli.Flag {
	return &cli.IntFlag{Name: "n", Usage: usage, Value: value, HideDefault: value == 0, Destination: &m.count, Validator: func(n int) error {
		if n < 1 {
			return fmt.Errorf("-n is 1 or more, not %d", n)
		}
		return nil
	}}
}

// messages evaluates the directory of -chdir, connects to the broker that pick
// chooses, and runs f. What interrupts it is no failure of its own.
func (a *app) messages(ctx context.Context, pick func(*workspace.Messages) (addr.Provider, error), f func(transport.Conn) error) error {
	dir, err := a.o.dir(nil)
	if err != nil {
		return err
	}
	k, err := a.openDir(dir)
	if err != nil {
		return err
	}
	m, diags := k.w.Messages(ctx)
	if m == nil {
		return interrupted(ctx, k.report(diags))
	}
	defer func() { _ = m.Close() }() // nothing was changed through it
	if err := k.report(diags); err != nil {
		return err
	}
	at, err := pick(m)
	var answer diag.Summarizer // the broker's, nothing that is wrong with what was written
	switch {
	case errors.As(err, &answer) || err != nil && ctx.Err() != nil:
		return interrupted(ctx, err)
	case err != nil:
		return usagef("%v", err)
	}
	conn, err := m.Dial(ctx, at)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { _ = conn.Close() }() // ended either way
	return interrupted(ctx, f(conn))
}

// interrupted is errShown where Ctrl-C or -timeout ended it: Main says so.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errShown
	}
	return err
}

// jsonText is a payload as one line of JSON, safe for any terminal: JSON as it
// is but for spaces, other text as a string, anything else as base64. No number is
// rounded.
func jsonText(body []byte) string {
	var b bytes.Buffer
	switch {
	case json.Valid(body):
		_ = json.Compact(&b, body) // it is valid
	case utf8.Valid(body):
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(string(body)) // a text always can be
	default:
		fmt.Fprintf(&b, `{"base64":%q}`, base64.StdEncoding.EncodeToString(body))
	}
	return printable(strings.TrimSuffix(b.String(), "\n"))
}

// printable escapes in JSON what a terminal might obey, as JSON does it: it
// stays the same value.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch hi, lo := utf16.EncodeRune(r); {
		case r != utf8.RuneError && strconv.IsPrint(r):
			b.WriteRune(r)
		case hi != utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// payloadJSON is what jsonText makes, for a field of a larger object.
func payloadJSON(body []byte) json.RawMessage { return json.RawMessage(jsonText(body)) }

// printPayload writes one message as a line.
func (a *app) printPayload(body []byte, raw bool) error {
	if raw {
		_, err := a.env.Stdout.Write(append(bytes.Clone(body), '\n'))
		return err
	}
	_, err := io.WriteString(a.env.Stdout, jsonText(body)+"\n")
	return err
}

// each gives f up to n deliveries (0: all that come) and settles each after
// f. The subscription must have a prefetch of 1 where that matters: it is cancelled
// before the last one is settled, so that nothing more is taken.
func each(ctx context.Context, s transport.Subscription, n int, f func(transport.Delivery) error) error {
	for i := 1; ; i++ {
		var d transport.Delivery
		var ok bool
		select {
		case d, ok = <-s.Deliveries():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !ok {
			return transport.ErrClosed
		}
		err := f(d)
		last := i == n
		if last && err == nil {
			err = s.Cancel(ctx)
		}
		if err != nil {
			return errors.Join(err, d.Nack(true))
		}
		if err := d.Ack(); err != nil && !errors.Is(err, transport.ErrLost) {
			return err
		}
		if last {
			return nil
		}
	}
}
