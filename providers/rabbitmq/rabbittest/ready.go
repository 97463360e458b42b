package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// awaitReady polls until the node answers over AMQP and, where it has the
// plugin, over the management API; or ends; or the context does.
func (b *Broker) awaitReady(ctx context.Context) error {
	const pause = 100 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	exited := b.Exited()
	for {
		err := errors.Join(b.checkAMQP(), b.checkManagement(ctx))
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.New("the node ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w", err)
		case <-tick.C:
		}
	}
}

func (b *Broker) checkAMQP() error {
	conn, err := amqp.DialConfig(b.AMQPURL, amqp.Config{Vhost: "/", Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return fmt.Errorf("AMQP: %w", err)
	}
	return conn.Close()
}

func (b *Broker) checkManagement(ctx context.Context) error {
	if b.ManagementURL == "" {
		return nil
	}
	if err := b.call(ctx, http.MethodGet, "/api/overview", ""); err != nil {
		return err
	}
	// What a node tells of itself comes with its first statistics, after the
	// API is up: a test that asks for plugins at once would find none.
	nodes, err := b.fetch(ctx, http.MethodGet, "/api/nodes?columns=enabled_plugins", "")
	if err == nil && !strings.Contains(nodes, "management") {
		err = errors.New("the node has not told its plugins yet")
	}
	return err
}

func (b *Broker) call(ctx context.Context, method, path, body string) error {
	_, err := b.fetch(ctx, method, path, body)
	return err
}

// fetch makes one request to the management API with a JSON body; any answer
// that is not 2xx is an error.
func (b *Broker) fetch(ctx context.Context, method, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, b.ManagementURL+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(User, Password)
	req.Header.Set("Content-Type", "application/json")
	// One connection a call: a helper of tests must not leave idle
	// connections' goroutines behind for their leak checks to find.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	answer, err := io.ReadAll(resp.Body)
	return string(answer), err
}

// logTail is the end of what the node wrote, for an error that has to be
// understood from a CI log. It is long because the cause comes first, and
// Erlang's crash reports follow.
func (b *Broker) logTail() string {
	const lines = 120
	var all []string
	for _, f := range []string{"epmd.log", "console.log"} {
		data, err := os.ReadFile(b.path(f))
		if err != nil {
			continue
		}
		text := strings.Split(strings.TrimSpace(string(data)), "\n")
		all = append(all, text[max(0, len(text)-lines):]...)
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}
