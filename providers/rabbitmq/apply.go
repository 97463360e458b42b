package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// Apply implements providers.Provider: over AMQP where AMQP has the verb, else
// by the management API, reading back what it took.
func (p *provider) Apply(ctx context.Context, c providers.Change) (cty.Value, error) {
	if p.catalogue.resources[c.Type] == nil {
		return cty.NilVal, fmt.Errorf("a RabbitMQ broker has no objects of type %q", c.Type)
	}
	began := time.Now()
	remove := c.After == cty.NilVal || c.After.IsNull()
	var v cty.Value
	var err error
	switch {
	case remove && (c.Before == cty.NilVal || c.Before.IsNull()):
		return cty.NullVal(p.nullType(c.Type)), nil
	case remove:
		v, err = p.remove(ctx, c)
	default:
		v, err = p.make(ctx, c)
	}
	err = p.applyError(err)
	p.logChange(ctx, c, remove, time.Since(began), err)
	return v, err
}

// logChange says what was asked of the broker; values stay out, for some are
// secret.
func (p *provider) logChange(ctx context.Context, c providers.Change, remove bool, took time.Duration, err error) {
	if !p.log.Enabled(ctx, providers.LevelTrace) {
		return
	}
	verb := "make"
	if remove {
		verb = "delete"
	}
	attrs := []slog.Attr{slog.String("verb", verb), slog.String("object", c.Addr.String()), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	p.log.LogAttrs(ctx, providers.LevelTrace, "change", attrs...)
}

// applyError leaves one kind of error for a broken connection.
func (p *provider) applyError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errNoManagement) {
		return fmt.Errorf("this needs RabbitMQ's management API, and %w: AMQP itself has no such verb; set `management` to its URL", errNoManagement)
	}
	return p.managementError(err)
}

func (p *provider) make(ctx context.Context, c providers.Change) (cty.Value, error) {
	switch c.Type {
	case typeQueue:
		return p.declareQueue(ctx, c)
	case typeExchange:
		return p.declareExchange(ctx, c)
	case typeBinding:
		return p.rebind(ctx, c)
	case typeInitial:
		return p.sendInitial(ctx, c.After)
	}
	return p.put(ctx, c)
}

func (p *provider) remove(ctx context.Context, c providers.Change) (cty.Value, error) {
	var err error
	switch c.Type {
	case typeQueue:
		err = p.deleteQueue(ctx, c)
	case typeExchange:
		err = p.deleteExchange(ctx, c)
	case typeBinding:
		err = p.unbind(ctx, c.Before)
	case typeVhost:
		err = p.deleteVhost(ctx, c)
	case typeInitial:
		err = nil // what was sent cannot be called back
	default:
		err = p.deleteOverHTTP(ctx, c)
	}
	if err != nil {
		return cty.NilVal, err
	}
	return cty.NullVal(p.nullType(c.Type)), nil
}

// describe names an object for errors: queue "jobs" in vhost "/".
func describe(typ string, v cty.Value) string {
	in := ""
	if vhost := attr.Text(v, "vhost"); vhost != "" && typ != typeVhostLimit {
		in = " in vhost " + quote(vhost)
	}
	switch typ {
	case typeBinding:
		return fmt.Sprintf("binding %s -> %s (key %s)%s", quote(attr.Text(v, "source")), quote(attr.Text(v, "destination")), quote(attr.Text(v, "routing_key")), in)
	case typeVhostLimit:
		return "limits of vhost " + quote(attr.Text(v, "vhost"))
	case typeUserLimit:
		return "limits of user " + quote(attr.Text(v, "user"))
	case typePermission:
		return "permission of user " + quote(attr.Text(v, "user")) + in
	case typeTopicPerm:
		return "topic permission of user " + quote(attr.Text(v, "user")) + " on exchange " + quote(attr.Text(v, "exchange")) + in
	}
	return typ + " " + quote(attr.Text(v, "name")) + in
}

// explainHTTP adds what was tried to a refusal of the management API.
func explainHTTP(what string, err error) error {
	var e *mgmt.Error
	if !errors.As(err, &e) || e.EndsConnection() {
		return err
	}
	if e.Kind == mgmt.Rejected && e.Reason != "" {
		return explainReason(what, e.Reason, err)
	}
	return &brokerError{headline: e.Summary(), detail: what + ": " + diag.Sentence(e.Error()), err: err}
}
