package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/transport"
)

// dialled are the connections for messages that initial packets go through, by
// vhost.
type dialled struct {
	mu    sync.Mutex
	conns map[string]transport.Conn
}

func (d *dialled) forget(vhost string) {
	d.mu.Lock()
	c := d.conns[vhost]
	delete(d.conns, vhost)
	d.mu.Unlock()
	if c != nil {
		_ = c.Close() // nothing is on its way any more
	}
}

func (d *dialled) close() {
	d.mu.Lock()
	conns := d.conns
	d.conns = nil
	d.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// initialSchema is an initial packet: a message that is sent when it is made
// or changes. No broker tells whether one was sent, so state is its truth.
func initialSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: "an initial packet of a graph: sent once, and again when it changes", Derived: true,
		Attrs: []providers.Attr{
			{Name: "name", Type: cty.String, Required: true, Identity: true, ForceNew: true, Doc: "which packet it is"},
			{Name: "queue", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkName, Ref: []string{typeQueue}, Doc: "the queue that it goes to"},
			vhostAttr(),
			{Name: "payload", Type: cty.String, Required: true, Doc: "the message, JSON", ChangeMeans: "sent again"},
		},
	}, "queue", "name")
}

// sendInitial publishes an initial packet. It returns once the broker has
// taken the message; if it was taken and its confirmation lost, it is sent again.
func (p *provider) sendInitial(ctx context.Context, v cty.Value) (cty.Value, error) {
	vhost, queue := attr.Text(v, "vhost"), attr.Text(v, "queue")
	what := "sending the initial packet to " + describe(typeQueue, cty.ObjectVal(map[string]cty.Value{"name": attr.Of(v, "queue"), "vhost": attr.Of(v, "vhost")}))
	c, err := p.messages(ctx, vhost)
	if err != nil {
		return cty.NilVal, err
	}
	m := transport.Message{Body: []byte(attr.Text(v, "payload")), Persistent: true}
	if json.Valid(m.Body) {
		m.ContentType = "application/json"
	}
	switch err := transport.Publish(ctx, c, transport.ToQueue(queue), m); {
	case errors.Is(err, transport.ErrNoQueue):
		return cty.NullVal(v.Type()), &brokerError{headline: "No such queue", err: err,
			detail: fmt.Sprintf("%s: there is no such queue. It may be auto_delete, and gone with its last consumer; declare it, or start who declares it first", what)}
	case err != nil:
		return cty.NilVal, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}
