package rabbittest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// write makes the node write what it has confirmed.
//
// RabbitMQ 3 confirms a declare when Mnesia has logged what changes, to be
// taken as aborted unless its log says later that it was committed. Of nodes
// that were killed up to a second after, one in ten had forgotten a durable
// queue that it had confirmed. A test that is not about this fault of
// RabbitMQ's would fail by chance.
func (b *Broker) write() error {
	return b.Eval("dumped = mnesia:dump_log().")
}

// Eval evaluates an Erlang expression on the node, for what no API does: it
// must match what it expects.
func (b *Broker) Eval(expression string) error {
	const patience = 2 * time.Minute // a command line tool in Erlang, on a busy machine
	in, err := findInstallation()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(in.server), "rabbitmqctl"),
		"--node", b.nodeName(), "eval", expression)
	cmd.Env = b.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("evaluating %s: %w\n%s", expression, err, out)
	}
	return nil
}
