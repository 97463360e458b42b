package mgmt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/msgflo/msgflo/config/diag"
)

// get makes a GET and decodes the answer as it arrives. decode must read one
// JSON value; it is called again, from the start, if the call is repeated.
func (c *Client) get(ctx context.Context, p *apiPath, decode func(*decoder) error) error {
	return c.retry(ctx, http.MethodGet, func() error {
		return c.once(ctx, http.MethodGet, p, nil, decode)
	})
}

// Put makes or replaces an object; the body is any value that marshals to the
// JSON the API wants. A float64 without a fraction marshals as an integer, which
// the broker takes for one: write such arguments as json.Number("1.0"). It
// returns whether the object was new.
func (c *Client) Put(ctx context.Context, body any, segments ...string) (created bool, err error) {
	status, err := c.write(ctx, http.MethodPut, body, path(segments...))
	return status == http.StatusCreated, err
}

// Post is for what has no name of its own, as a binding.
func (c *Client) Post(ctx context.Context, body any, segments ...string) error {
	_, err := c.write(ctx, http.MethodPost, body, path(segments...))
	return err
}

// Delete removes an object. One that is not there is an error of kind
// NotFound.
func (c *Client) Delete(ctx context.Context, segments ...string) error {
	_, err := c.write(ctx, http.MethodDelete, nil, path(segments...))
	return err
}

// DeleteWith is Delete with a query, as if-empty=true.
func (c *Client) DeleteWith(ctx context.Context, query string, segments ...string) error {
	_, err := c.write(ctx, http.MethodDelete, nil, path(segments...).with(query))
	return err
}

func (c *Client) write(ctx context.Context, method string, body any, p *apiPath) (status int, err error) {
	var data []byte
	if body != nil {
		if data, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}
	err = c.retry(ctx, method, func() error {
		resp, done, err := c.send(ctx, method, p, data)
		if err != nil {
			return err
		}
		defer done()
		if resp.StatusCode >= 300 {
			return c.repeatable(resp, c.statusError(resp))
		}
		status = resp.StatusCode
		// Read to the end, so that the connection is used again; what is in it,
		// and whether it came whole, decides nothing.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		return nil
	})
	return status, err
}

// retry repeats what is worth repeating. Of writes that is only what the
// broker said it did not do (429, 503).
func (c *Client) retry(ctx context.Context, method string, call func() error) error {
	r := c.opts.Retry
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = r.Initial
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := call()
		if err != nil && !worthRepeating(method, err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(b), backoff.WithMaxTries(r.Tries), backoff.WithMaxElapsedTime(r.Longest))
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return err
}

func worthRepeating(method string, err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case Overloaded:
		return true
	case Cut, BrokerFailed:
		return method == http.MethodGet
	case Unreachable:
		return method == http.MethodGet && e.broke
	}
	return false
}

// repeatable attaches how long the broker asked to wait.
func (c *Client) repeatable(resp *http.Response, e *Error) error {
	if e.Kind != Overloaded {
		return e
	}
	header := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		return errors.Join(e, backoff.RetryAfter(seconds))
	}
	if at, err := http.ParseTime(header); err == nil {
		return errors.Join(e, &backoff.RetryAfterError{Duration: max(0, time.Until(at))})
	}
	return e
}

func (c *Client) once(ctx context.Context, method string, p *apiPath, body []byte, decode func(*decoder) error) error {
	resp, done, err := c.send(ctx, method, p, body)
	if err != nil {
		return err
	}
	defer done()
	if resp.StatusCode >= 300 {
		return c.repeatable(resp, c.statusError(resp))
	}
	if err := c.checkKind(resp); err != nil {
		return err
	}
	d := newDecoder(resp.Body)
	if err := d.whole(decode); err != nil {
		return c.answerError(ctx, resp, err)
	}
	return nil
}

// send makes one request. The caller calls done when it has read the answer.
func (c *Client) send(ctx context.Context, method string, p *apiPath, body []byte) (*http.Response, func(), error) {
	u, err := c.url(p)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watchdog := time.AfterFunc(c.opts.Timeout, func() { cancel(errSilent) })
	stop := func() { watchdog.Stop(); cancel(nil) }
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		stop()
		return nil, nil, err
	}
	req.SetBasicAuth(c.username, c.password)
	req.Header.Set("User-Agent", "msgflo")
	if method == http.MethodGet {
		// Not for writes: 3.10 then answers 406 to limits.
		req.Header.Set("Accept", "application/json")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = c.sendError(ctx, req, err) // before stop, which ends ctx
		stop()
		return nil, nil, err
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, watchdog: watchdog, timeout: c.opts.Timeout, left: c.opts.MaxAnswer}
	return resp, func() { resp.Body.Close(); stop() }, nil
}

// sendError tells our own time limit from the caller's end of patience.
func (c *Client) sendError(ctx context.Context, req *http.Request, err error) error {
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, errSilent) {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.EscapedPath(), cause)
	}
	if cause != nil {
		err = cause
	}
	e := c.transportError(err)
	e.Method, e.Path = req.Method, req.URL.EscapedPath()
	var op interface{ Timeout() bool }
	refused := e.Kind == Unreachable && strings.Contains(err.Error(), "dial ")
	e.broke = e.Kind == Unreachable && !refused
	e.OutcomeUnknown = req.Method != http.MethodGet && !refused &&
		(e.Kind == Unreachable || e.Kind == Silent || errors.As(err, &op) && op.Timeout())
	return e
}

// checkKind refuses what cannot be the API's answer before it is read.
func (c *Client) checkKind(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && (kind == "application/json" || strings.HasSuffix(kind, "+json")) {
		return nil
	}
	e := c.notManagement(resp, nil)
	switch {
	case resp.StatusCode != http.StatusOK:
		e.detail += fmt.Sprintf(" (it answered %s)", diag.Escape(resp.Status))
	case kind == "text/html":
		e.detail += " (it sent a web page)"
	case kind != "":
		e.detail += fmt.Sprintf(" (it sent %s)", diag.Escape(kind))
	}
	return e
}

func (c *Client) notManagement(resp *http.Response, err error) *Error {
	req := resp.Request
	return &Error{Kind: NotManagement, Host: c.Host(), Method: req.Method, Path: req.URL.EscapedPath(), Status: resp.StatusCode, err: err,
		detail: fmt.Sprintf("what answers at %s is not a RabbitMQ management API; check address, port (15672 by default) and path, and that no proxy or login page stands between", c.Host())}
}

// answerError explains why an answer that began well could not be used.
func (c *Client) answerError(ctx context.Context, resp *http.Response, err error) error {
	req := resp.Request
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.EscapedPath(), context.Cause(ctx))
	}
	e := &Error{Host: c.Host(), Method: req.Method, Path: req.URL.EscapedPath(), Status: resp.StatusCode, err: err}
	var syntax *jsontext.SyntacticError
	var shape *shapeError
	switch {
	case errors.Is(context.Cause(req.Context()), errSilent):
		t := c.transportError(errSilent)
		e.Kind, e.detail = t.Kind, t.detail
	case errors.Is(err, errTooLarge):
		e.Kind = TooLarge
		e.detail = fmt.Sprintf("the answer to GET %s at %s exceeds %d bytes", e.Path, c.Host(), c.opts.MaxAnswer)
	case errors.As(err, &shape):
		e = c.notManagement(resp, err)
		e.detail += fmt.Sprintf(" (the answer to GET %s has another form: %s)", e.Path, shape)
	case errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF):
		e = c.notManagement(resp, err)
		e.detail += fmt.Sprintf(" (the answer to GET %s is not JSON)", e.Path)
	default:
		e.Kind = Cut
		e.detail = fmt.Sprintf("the answer to GET %s from %s was cut: it ended after %d bytes, in the middle; nothing was concluded from it. Try again; if it happens again, look for a proxy that limits the size of answers or their time", e.Path, c.Host(), bodyLength(resp))
	}
	return e
}
