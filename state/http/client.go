package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/msgflo/msgflo/config/diag"
)

// maxBody bounds an answer; a state of 15 000 objects has some 6 MB.
const maxBody = 1 << 30

// An Error is a request that came to nothing.
type Error struct {
	Doing  string // what was tried: "reading the state"
	Place  string // the address without secrets
	Status int    // of the answer; 0: there was none
	Why    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at %s: %s", e.Doing, e.Place, e.Why) }

// Summary is the error's headline.
func (e *Error) Summary() string {
	switch e.Status {
	case 0:
		return "State server does not answer"
	case nethttp.StatusUnauthorized, nethttp.StatusForbidden:
		return "State server refused the login"
	}
	return "State server refused the request"
}

// client sends requests with the block's credentials.
type client struct {
	http    *nethttp.Client
	c       *Config
	secrets *strings.Replacer
}

func newClient(c *Config) (*client, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	t, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	return &client{c: c, secrets: masks(c), http: &nethttp.Client{
		CheckRedirect: redirect,
		Transport: &nethttp.Transport{
			Proxy:                 nethttp.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:       t,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
		},
	}}, nil
}

func tlsConfig(c *Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipCertVerification} //nolint:gosec // the block's author asks for it by name
	if c.ClientCACertificatePEM != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(c.ClientCACertificatePEM)) {
			return nil, blame("client_ca_certificate_pem", "it holds no certificate in PEM form")
		}
	}
	if c.ClientCertificatePEM != "" || c.ClientPrivateKeyPEM != "" {
		cert, err := tls.X509KeyPair([]byte(c.ClientCertificatePEM), []byte(c.ClientPrivateKeyPEM))
		if err != nil { // its text is about the form and quotes nothing
			return nil, blame("client_certificate_pem", "the client's certificate and private key do not fit: "+err.Error())
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

// redirect refuses what net/http would do to a write, which is to turn it into
// a read, and to headers with tokens, which is to take them to another host.
func redirect(r *nethttp.Request, via []*nethttp.Request) error {
	if via[0].Method == nethttp.MethodGet && r.URL.Host == via[0].URL.Host && r.URL.Scheme == via[0].URL.Scheme && len(via) < 5 {
		return nil
	}
	return &redirectError{shown(r.URL.String())}
}

type redirectError struct{ to string }

func (e *redirectError) Error() string {
	return fmt.Sprintf("the server redirects to %s; if that is the right place, make it the address", e.to)
}

// masks replaces the block's secrets in texts that come from the server.
func masks(c *Config) *strings.Replacer {
	var pairs []string
	add := func(s string) {
		if s != "" {
			pairs = append(pairs, s, "(sensitive)")
		}
	}
	add(c.Password)
	for _, v := range c.Headers {
		add(v)
	}
	for _, a := range []string{c.Address, c.LockAddress, c.UnlockAddress} {
		if u, err := url.Parse(a); err == nil {
			for _, vs := range u.Query() {
				for _, v := range vs {
					add(v)
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// answer is a response, read to its end.
type answer struct {
	status int
	body   []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// transient tells that the same request may succeed later, and, of a write,
// that it may have succeeded already.
func (a answer) transient() bool {
	return a.status >= 500 && a.status != nethttp.StatusNotImplemented || a.status == nethttp.StatusTooManyRequests || a.status == nethttp.StatusRequestTimeout
}

// once sends a request once. The error, an *Error, means that no whole answer
// came; any status is an answer.
func (cl *client) once(ctx context.Context, doing, method, address string, body []byte) (answer, error) {
	r, err := nethttp.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, permanent(cl.failed(doing, address, err))
	}
	for k, v := range cl.c.Headers {
		r.Header.Set(k, v)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if cl.c.Username != "" || cl.c.Password != "" {
		r.SetBasicAuth(cl.c.Username, cl.c.Password)
	}
	resp, err := cl.http.Do(r)
	if err != nil {
		return answer{}, cl.failed(doing, address, err)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && len(b) > maxBody {
		err = fmt.Errorf("the answer has more than %d bytes", maxBody)
	}
	if err != nil {
		return answer{}, cl.failed(doing, address, err)
	}
	return answer{resp.StatusCode, b}, nil
}

// send repeats a request that changes nothing if it is sent twice.
func (cl *client) send(ctx context.Context, doing, method, address string, body []byte) (answer, error) {
	var a answer
	err := cl.retry(ctx, func() error {
		var err error
		if a, err = cl.once(ctx, doing, method, address, body); err != nil {
			return err
		}
		if a.transient() {
			return cl.refused(doing, address, a)
		}
		return nil
	})
	return a, err
}

// retry runs an attempt until it succeeds, its error is permanent, or the
// block's patience ends.
func (cl *client) retry(ctx context.Context, attempt func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval, wait.Multiplier = cl.c.RetryWaitMin, max(cl.c.RetryWaitMin, cl.c.RetryWaitMax), 2
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, attempt() },
		backoff.WithBackOff(wait), backoff.WithMaxTries(uint(cl.c.RetryMax)+1), backoff.WithMaxElapsedTime(0))
	if p, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = p.Err
	}
	return err
}

// permanent is an error that repeating does not mend.
func permanent(err error) error { return backoff.Permanent(err) }

// failed words an error of the transport. It leaves out the request's URL,
// which net/http puts first.
func (cl *client) failed(doing, address string, err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	why := cl.clean(err.Error())
	var unknown x509.UnknownAuthorityError
	var cert *tls.CertificateVerificationError
	var away *redirectError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		why = "the connection was cut in the middle of the answer"
	case errors.As(err, &unknown):
		why += "; give the signer's certificate as client_ca_certificate_pem"
	}
	failure := &Error{Doing: doing, Place: shown(address), Why: why}
	if errors.As(err, &cert) || errors.As(err, &away) {
		return permanent(failure)
	}
	return failure
}

// refused words an answer that is none of those the protocol expects.
func (cl *client) refused(doing, address string, a answer) error {
	why := fmt.Sprintf("the server answered %d %s", a.status, nethttp.StatusText(a.status))
	switch a.status {
	case nethttp.StatusUnauthorized, nethttp.StatusForbidden:
		why += "; check username, password and headers of the backend block"
	case nethttp.StatusLocked, nethttp.StatusConflict:
		why += ": another run holds the lock (" + cl.clean(holder(a.body).String()) + ")"
	case nethttp.StatusNotFound, nethttp.StatusMethodNotAllowed, nethttp.StatusNotImplemented:
		why += "; is this the address of a Terraform http backend, with the right methods?"
	default:
		if text := strings.TrimSpace(string(a.body)); text != "" && text[0] != '<' {
			why += ": " + cl.clean(text)
		}
	}
	return &Error{Doing: doing, Place: shown(address), Status: a.status, Why: why}
}

// clean makes a text from outside fit for a terminal, short and without the
// block's secrets.
func (cl *client) clean(s string) string {
	s = diag.Escape(cl.secrets.Replace(s))
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}
