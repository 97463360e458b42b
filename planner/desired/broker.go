package desired

import (
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// A broker is a broker block of the root module. Children use it too.
type broker struct {
	cfg    *config.Broker
	addr   addr.Provider
	mod    *module
	state  state
	failed bool
	// passed over: validate does without its URL. The type is nil where nothing
	// says it; there is no config.
	passed  bool
	partial bool // some settings are left out, for the same reason
	typ     *providers.Type
	in      *schemaInfo
	vals    []cty.Value
	config  cty.Value // unmarked
	linked  bool      // link was worked out
	link    *url.URL  // with credentials; nil: reported
}

func (b *broker) label() string   { return b.addr.String() }
func (b *broker) decl() hcl.Range { return b.cfg.Decl }

// evalBroker evaluates the block: the scheme of its URL picks the type, whose
// Config schema says what else there is.
func (e *evaluator) evalBroker(b *broker) bool {
	return e.once(b, &b.state, func() {
		b.failed = true
		link, at, ok := e.brokerURL(b)
		if b.passed || !ok || !e.pickType(b, link, at) || !e.canEmbed(b) {
			return
		}
		body := e.compileBody(b.mod, b.in.attrs, b.cfg.Attrs, b.cfg.Blocks, b.cfg.Decl, nil)
		if f := body.field("url"); f != nil && f.x == nil {
			body.setURL(f, link)
		}
		d := e.decodeSettings(b, body)
		if d.held && e.env.AllowMissing {
			if !e.incomplete(b) {
				return
			}
		} else if d.held {
			e.errorf(b.cfg.Decl, "Broker depends on data", "%s depends on a data source. A broker must be known before anything can be read from one.", b.addr)
			return
		}
		if d.failed || !e.embed(b, body) {
			return
		}
		e.configure(b, body)
	})
}

// decodeSettings evaluates what is written in the block of a broker or launcher.
func (e *evaluator) decodeSettings(b *broker, body *body) decoding {
	d := decoding{scope: b.mod.scope}
	b.vals = make([]cty.Value, len(b.in.attrs))
	e.decodeFields(&d, body, b.vals, "", func(*attrInfo) bool { return true })
	return d
}

// configure makes the config of the settings, unless the schema refuses them.
func (e *evaluator) configure(b *broker, body *body) {
	b.config = b.in.plainValue(b.vals)
	b.failed = !e.validateValue(b.in, b.config, body, body.decl, b.vals)
}

// setURL makes a URL from the environment the attribute's value. It is a
// default, so the schema need not require it to be written.
func (b *body) setURL(f *field, link string) {
	f.x = &expression{src: hcl.StaticExpr(cty.StringVal(link), b.decl), constant: true, cached: true, val: cty.StringVal(link), state: done}
}

// brokerURL is what is written, else what the environment says.
func (e *evaluator) brokerURL(b *broker) (string, hcl.Range, bool) {
	if a := b.cfg.Attrs["url"]; a != nil {
		x := e.compile(b.mod, a.Expr, nil)
		v := e.eval(x, b.mod.scope)
		at := b.cfg.Decl
		if traitsOf(v).broken {
			return "", at, false
		}
		if e.unknownHere(v) {
			e.urlNotGiven(b, v, at)
			return "", at, false
		}
		v, err := convert.Convert(plain(v), cty.String)
		if err == nil && v.IsKnown() && !v.IsNull() {
			return v.AsString(), at, true
		}
		if err != nil || !v.IsKnown() {
			e.errorf(at, "Invalid broker URL", "The url of %s must be a string that is known at plan time.", b.addr)
			return "", at, false
		}
	}
	if embeds(b.cfg) { // it is the agent's, whatever other broker the environment names
		return embeddedURL, b.cfg.Decl, true
	}
	if e.env.Environ != nil {
		for _, name := range []string{"MSGFLO_BROKER", "CLOUDAMQP_URL"} {
			if v, ok := e.env.Environ(name); ok && v != "" {
				return v, b.cfg.Decl, true
			}
		}
	}
	if e.env.AllowMissing {
		b.passOver()
		return "", b.cfg.Decl, false
	}
	e.errorf(b.cfg.Decl, "Broker without URL", "%s has no url, and neither MSGFLO_BROKER nor CLOUDAMQP_URL is set in the environment. "+
		"Write one, as in url = \"amqp://localhost\".", b.addr)
	return "", b.cfg.Decl, false
}

// pickType finds the provider type by the URL's scheme. The URL may hold a
// password, so no more than its scheme is ever quoted.
func (e *evaluator) pickType(b *broker, link string, at hcl.Range) bool {
	scheme := ""
	if i := strings.Index(link, "://"); i > 0 {
		scheme = strings.ToLower(link[:i])
	}
	var known []string
	for _, t := range e.env.Types {
		if slices.Contains(t.Schemes, scheme) {
			b.typ, b.in = t, e.info(&t.Config)
		}
		known = append(known, t.Schemes...)
	}
	slices.Sort(known)
	switch {
	case scheme == "" || strings.ContainsFunc(scheme, func(r rune) bool { return r > 'z' || r < '+' }):
		e.errorf(at, "Invalid broker URL", "The url of %s does not begin with a scheme; it is one of %s, as in %s://localhost.", b.addr,
			strings.Join(known, ", "), firstOr(known, "amqp"))
	case b.typ == nil:
		e.errorf(at, "Unknown kind of broker", "The url of %s has the scheme %q. Known are %s.%s", b.addr, scheme, strings.Join(known, ", "), diag.DidYouMean(scheme, known))
	default:
		if _, err := url.Parse(link); err != nil {
			e.errorf(at, "Invalid broker URL", "The url of %s is no URL. Characters that mean something in one (as / @ : in a password) must be written "+
				"as %%2F, %%40, %%3A.", b.addr)
			return false
		}
		return true
	}
	return false
}

func firstOr(s []string, other string) string {
	if len(s) > 0 {
		return s[0]
	}
	return other
}

// brokerName is the name in `broker = broker.NAME`, or "".
func brokerName(src hcl.Expression) string {
	s, ok := unwrap(src).(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(s.Traversal) != 2 || s.Traversal.RootName() != "broker" {
		return ""
	}
	return stepName(s.Traversal[1])
}

// brokerOf is the broker that an instance is on. Nil: there is none; that is
// reported.
func (e *evaluator) brokerOf(b *block, s *scope) *broker {
	if b.cfg.Broker == nil {
		return e.onlyBroker(b)
	}
	var name string
	at := b.cfg.Broker.Range()
	if b.broker == nil {
		name = brokerName(b.cfg.Broker)
	} else {
		v := e.eval(b.broker, s)
		if traitsOf(v).broken || e.unknownHere(v) {
			return nil
		}
		if traitsOf(v).sensitive {
			e.errorf(at, "Invalid broker", "Which broker %s is on cannot be a secret.", b.label())
			return nil
		}
		v = plain(v)
		if v.IsNull() {
			return e.onlyBroker(b)
		}
		if !v.IsKnown() || v.Type() != cty.String {
			e.errorf(at, "Invalid broker", "The broker of %s must be written as broker.NAME, or as a string that names one.", b.label())
			return nil
		}
		name = strings.TrimPrefix(v.AsString(), "broker.")
	}
	br := e.brokers[name]
	if br == nil {
		e.errorf(at, "No such broker", "There is no broker %q.%s Brokers are declared in the root module.", name, diag.DidYouMean(name, sortedKeys(e.brokers)))
		return nil
	}
	if !e.evalBroker(br) {
		return nil
	}
	return br
}

// onlyBroker is the broker of what does not say which.
func (e *evaluator) onlyBroker(b *block) *broker {
	switch len(e.brokers) {
	case 0:
		e.errorf(b.cfg.Decl, "No broker", "%s needs a broker, and none is declared. Add one to the root module:\n  broker \"main\" {\n    url = \"amqp://localhost\"\n  }", b.label())
		return nil
	case 1:
		for _, br := range e.brokers {
			if !e.evalBroker(br) {
				return nil
			}
			return br
		}
	}
	names := sortedKeys(e.brokers)
	e.errorf(b.cfg.Decl, "Which broker?", "There are several brokers (%s), so %s has to say which one it is on: broker = broker.%s", strings.Join(names, ", "), b.label(), names[0])
	return nil
}
