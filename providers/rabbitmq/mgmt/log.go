package mgmt

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// logged is the transport that also logs each call, where anybody listens.
func (c *Client) logged(t *http.Transport) http.RoundTripper {
	if c.opts.Log == nil || !c.opts.Log.Enabled(context.Background(), c.opts.LogLevel) {
		return t
	}
	return &loggingTransport{Transport: t, log: c.opts.Log, level: c.opts.LogLevel}
}

// A loggingTransport logs what was called, not what was said: headers hold the
// login, and bodies hold passwords of users and shovels.
type loggingTransport struct {
	*http.Transport // also for CloseIdleConnections
	log             *slog.Logger
	level           slog.Level
}

func (l *loggingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := l.Transport.RoundTrip(req)
	attrs := []slog.Attr{slog.String("method", req.Method), slog.String("path", req.URL.RequestURI()), slog.Duration("took", time.Since(began))}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
	}
	l.log.LogAttrs(req.Context(), l.level, "management call", attrs...)
	return resp, err
}
