package mgmt

import (
	"errors"
	"io"
	"net/http"
	"time"
)

var errTooLarge = errors.New("answer too large")

// A watchedBody limits an answer in size and in how long it may stay silent.
type watchedBody struct {
	io.ReadCloser
	watchdog *time.Timer
	timeout  time.Duration
	left     int64
	read     int64
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	b.read += int64(n)
	// Stop tells whether the watchdog had already barked; it is not woken again.
	if n > 0 && b.watchdog.Stop() {
		b.watchdog.Reset(b.timeout)
	}
	return n, err
}

func bodyLength(resp *http.Response) int64 {
	if b, ok := resp.Body.(*watchedBody); ok {
		return b.read
	}
	return 0
}
