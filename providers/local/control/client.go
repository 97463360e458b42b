package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// ErrNoAgent says that no agent runs for the lineage.
var ErrNoAgent = errors.New("no agent runs for this state; `msgflo apply` or `msgflo agent` starts it")

// errClosing says that the agent is about to end: what was asked was not begun.
var errClosing = errors.New("the agent is about to end; its log says why")

// A Client talks to one agent. It is safe for concurrent use.
type Client struct {
	place Place
	http  *http.Client
	// again brings a new agent up where the one that was here has ended, nil
	// for a client that only looks.
	again func(context.Context) error
}

// Dial connects to the agent of the lineage, ErrNoAgent where none answers.
func Dial(ctx context.Context, lineage string) (*Client, error) {
	p, err := Locate(lineage)
	if err != nil {
		return nil, err
	}
	c := newClient(p)
	if _, err := c.Hello(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func newClient(p Place) *Client {
	c := &Client{place: p}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		// The agent may have been started in an environment that put its socket
		// elsewhere: it says where.
		var errs []error
		for _, s := range c.place.sockets() {
			// In a folder that another user could write to, it could be that user who answers, and is told secrets.
			if err := checkPrivate(filepath.Dir(s)); err != nil && !absent(err) {
				return nil, err
			}
			conn, err := d.DialContext(ctx, "unix", s)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, &dialError{errors.Join(errs...)}
	}
	// A connection that lay idle may be one that an ending agent is just closing: what is asked on it is lost, and
	// an act is not asked twice. So each question has its own.
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}}
	return c
}

// A dialError happened before anything was asked.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// A Seat is where an agent listens and whose it is, as it writes it down in its folder.
type Seat struct {
	Socket  string `json:"socket"`
	PID     int    `json:"pid"`
	Lineage string `json:"lineage,omitempty"`
	Dir     string `json:"dir,omitempty"`   // see Agent
	State   string `json:"state,omitempty"` // see Agent
}

// Seat is where the last agent said that it listens; false where none did.
func (p Place) Seat() (Seat, bool) {
	var s Seat
	b, err := os.ReadFile(p.AgentFile())
	return s, err == nil && json.Unmarshal(b, &s) == nil
}

// sockets are the paths where an agent may listen, the likeliest first.
func (p Place) sockets() []string {
	paths := []string{p.Socket}
	if s, ok := p.Seat(); ok && s.Socket != "" && s.Socket != p.Socket {
		paths = append([]string{s.Socket}, paths...)
	}
	return paths
}

// Close lets the connections go; the agent runs on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Place is where the agent keeps its files.
func (c *Client) Place() Place { return c.place }

// Hello asks the agent who it is: the one question that every version
// understands.
func (c *Client) Hello(ctx context.Context) (Hello, error) {
	var h Hello
	err := c.answer(ctx, http.MethodGet, "/hello", nil, &h)
	if err == nil && h.Lineage != c.place.Lineage {
		err = fmt.Errorf("at %s answers the agent of another state (lineage %s, not %s)", diag.Escape(c.place.Socket), diag.Escape(h.Lineage), diag.Escape(c.place.Lineage))
	}
	return h, err
}

// List is what the agent holds and how it fares, sorted by key.
func (c *Client) List(ctx context.Context) ([]Held, error) {
	var held []Held
	return held, c.answer(ctx, http.MethodGet, versioned("objects"), nil, &held)
}

// Settled waits until the services that an agent brought back when it started
// are ready, or have failed. Those of one that has long run are.
func (c *Client) Settled(ctx context.Context) error {
	_, err := c.stream(ctx, http.MethodGet, versioned("settled"), nil, nil)
	return err
}

// Check tells whether an object could be started: that its program, its
// directory and all they need are there. It changes nothing. The error is an
// *Error.
func (c *Client) Check(ctx context.Context, o Object) error {
	_, err := c.stream(ctx, http.MethodPost, versioned("check"), o, nil)
	return err
}

// Put makes the agent hold the object: it is started, or brought to the new
// spec. It returns when all of it is ready; else with an *Error, and then what was
// there before is there still (after a create: nothing).
// Progress may be nil; Held is what is there now, nil where nothing is.
func (c *Client) Put(ctx context.Context, o Object, progress func(Event)) (*Held, error) {
	return c.stream(ctx, http.MethodPut, versioned("objects"), o, progress)
}

// Delete stops what belongs to the object and lets it go. An object that is
// not held is no error. The agent ends when the last one is gone.
func (c *Client) Delete(ctx context.Context, k Key, progress func(Event)) error {
	q := url.Values{"kind": {k.Kind}, "name": {k.Name}}
	_, err := c.stream(ctx, http.MethodDelete, versioned("objects")+"?"+q.Encode(), nil, progress)
	return err
}

// An Act is done to the process of a role. Name is `BROKER/ROLE`.
type Act struct {
	Name     string `json:"name"`
	Replicas int    `json:"replicas,omitempty"` // of scale
}

// Restart replaces all replicas of a process by new ones, as its update block
// says; it returns when those are ready.
func (c *Client) Restart(ctx context.Context, name string, progress func(Event)) error {
	return c.act(ctx, "restart", Act{Name: name}, progress)
}

// Stop ends a process's replicas, and none is started until Start.
func (c *Client) Stop(ctx context.Context, name string, progress func(Event)) error {
	return c.act(ctx, "stop", Act{Name: name}, progress)
}

// Start starts what Stop stopped and what failed, and waits until it is ready.
func (c *Client) Start(ctx context.Context, name string, progress func(Event)) error {
	return c.act(ctx, "start", Act{Name: name}, progress)
}

// Scale changes how many replicas run, and waits until they are ready. Whether
// that many are allowed is for the caller to know.
func (c *Client) Scale(ctx context.Context, name string, replicas int, progress func(Event)) error {
	return c.act(ctx, "scale", Act{Name: name, Replicas: replicas}, progress)
}

func (c *Client) act(ctx context.Context, verb string, a Act, progress func(Event)) error {
	_, err := c.stream(ctx, http.MethodPost, versioned(verb), a, progress)
	return err
}

// Down stops all that the agent holds, and the agent. Nothing is forgotten: the
// next agent starts it all again.
func (c *Client) Down(ctx context.Context, progress func(Event)) error {
	if _, err := c.stream(ctx, http.MethodPost, versioned("down"), nil, progress); err != nil {
		return err
	}
	return c.gone(ctx)
}

// Quit ends the agent and leaves what runs running: the next agent takes it
// over. Every version understands it. One that hangs up instead of an answer is mostly
// ending already; whether it does is seen.
func (c *Client) Quit(ctx context.Context) error {
	if err := c.answer(ctx, http.MethodPost, "/quit", nil, nil); err != nil && !brokenOff(err) {
		return err
	}
	return c.gone(ctx)
}

// gone waits until the agent has ended: its lock is free then.
func (c *Client) gone(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := poll(limit, c.place.agentEnded); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the agent does not end; its log is %s", diag.Escape(c.place.AgentLog()))
	}
	return ctx.Err()
}

// poll asks until it is told so: at once, then less and less often.
func poll(ctx context.Context, done func() (bool, error)) error {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func versioned(word string) string { return fmt.Sprintf("/%d/%s", Protocol, word) }

// send asks, and again if there was nobody to ask: also if it broke off
// before there was an answer, for an agent that ends may take a connection and hang up.
// Looking, holding, letting go and bringing down may be asked twice; acts, as a restart, may not.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	harmless := method != http.MethodPost || path == versioned("check") || path == versioned("down")
	for deadline := time.Now().Add(endsWithin); ; {
		resp, err := c.ask(ctx, method, path, body)
		_, unheard := errors.AsType[*dialError](err)
		ended := errors.Is(err, errClosing) || harmless && brokenOff(err)
		switch {
		case c.again == nil && ended && c.goneSoon(ctx):
			return nil, ErrNoAgent
		case c.again == nil || !unheard && !ended || time.Now().After(deadline):
			return resp, err
		}
		if err := c.again(ctx); err != nil {
			return nil, err
		}
	}
}

func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// goneSoon waits for the end of an agent that hung up.
func (c *Client) goneSoon(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, endsWithin)
	defer cancel()
	return c.gone(ctx) == nil
}

// endsWithin is how long an agent that is about to end may take.
const endsWithin = 10 * time.Second

func (c *Client) ask(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && c.again == nil && unreachable(err):
		return nil, ErrNoAgent
	case err != nil:
		return nil, fmt.Errorf("talking to the agent at %s: %w", diag.Escape(c.place.Socket), err)
	case resp.StatusCode == http.StatusServiceUnavailable:
		resp.Body.Close()
		return nil, errClosing
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed:
		resp.Body.Close()
		return nil, fmt.Errorf("the agent does not know %s: it is of another version of msgflo; `msgflo apply` replaces it", diag.Escape(path))
	case resp.StatusCode >= 300:
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("the agent refuses: %s", diag.Escape(strings.TrimSpace(string(text))))
	}
	return resp, nil
}

// unreachable tells that nobody listens: the socket is missing or dead.
func unreachable(err error) bool {
	_, ok := errors.AsType[*dialError](err)
	return ok && !errors.Is(err, os.ErrPermission)
}

func (c *Client) answer(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	return nil
}

// stream reads events up to the last one.
func (c *Client) stream(ctx context.Context, method, path string, body any, progress func(Event)) (*Held, error) {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(bufio.NewReader(resp.Body)); ; {
		var e Event
		switch err := d.Decode(&e); {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, fmt.Errorf("the agent ended before it was done (%w): look into %s; the next apply goes on", err, diag.Escape(c.place.AgentLog()))
		case e.Done && e.Error != nil:
			return e.Held, e.Error
		case e.Done:
			return e.Held, nil
		case progress != nil:
			progress(e)
		}
	}
}
