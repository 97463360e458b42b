package desired

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
)

const (
	embeddedBlock = "embedded"
	// embeddedURL picks the type of a broker that the agent hosts; where it
	// listens is known once that type's schema is.
	embeddedURL = "mqtt://localhost"
)

// embeds reports whether a broker's block says that the agent hosts it.
func embeds(c *config.Broker) bool {
	for _, b := range c.Blocks {
		if b.Name == embeddedBlock && b.Dynamic == nil {
			return true
		}
	}
	return false
}

// canEmbed refuses a block embedded in a broker of another kind.
func (e *evaluator) canEmbed(b *broker) bool {
	if _, ok := b.in.index[embeddedBlock]; ok || !embeds(b.cfg) {
		return true
	}
	e.errorf(b.cfg.Decl, "Not an embedded broker", "%s has a block embedded, so the agent would host it, and its url is that of a %s broker. "+
		"What the agent hosts speaks MQTT: leave url out, or the block embedded.", b.addr, b.typ.Name)
	return false
}

// embed brings the URL and where the embedded server listens together: the
// one follows from the other, or they must agree. It may complete b.vals.
func (e *evaluator) embed(b *broker, body *body) bool {
	n, ok := b.in.index[embeddedBlock]
	if !ok || isNull(b.vals[n]) {
		return true
	}
	f := &body.fields[n]
	if traitsOf(b.vals[n]).sensitive {
		e.errorf(b.cfg.Decl, "Sensitive value in an address", "The block embedded of %s has a sensitive value, or one that follows from one. Where a broker listens is shown in plans and recorded in state.", b.addr)
		return false
	}
	listen := plain(b.vals[n]).GetAttr("listen")
	host, port, ok := e.address(b, f, "listen", text(listen))
	if !ok {
		return false
	}
	web, webPort := text(plain(b.vals[n]).GetAttr("websocket")), ""
	if web != "" {
		if _, webPort, ok = e.address(b, f, "websocket", web); !ok {
			return false
		}
		if web == text(listen) {
			e.errorf(f.at(), "One address for two listeners", "The embedded server of %s has the same address for listen and websocket, %q. Give one of them another port.", b.addr, web)
			return false
		}
	}
	u := &b.vals[b.in.index["url"]]
	if b.cfg.Attrs["url"] == nil {
		*u = cty.StringVal("mqtt://" + net.JoinHostPort(host, port))
		return true
	}
	return e.agree(b, *u, port, webPort)
}

// address takes an address to listen at apart; the host is one that clients on
// this machine reach it at.
func (e *evaluator) address(b *broker, f *field, name, addr string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.Atoi(port)
	switch {
	case err != nil || bad != nil || n < 0 || n > 65535:
		e.errorf(f.at(), "Invalid value", "The value of %s.%s of %s, %q, is no address to listen at. Write it as host:port, such as 127.0.0.1:18830.", embeddedBlock, name, b.addr, addr)
	case n == 0:
		e.errorf(f.at(), "Invalid value", "The value of %s.%s of %s has the port 0, which means any that is free. Clients have to know it beforehand: write a number.", embeddedBlock, name, b.addr)
	default:
		switch ip := net.ParseIP(host); {
		case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
			host = "127.0.0.1"
		case ip != nil && ip.IsUnspecified():
			host = "::1"
		}
		return host, port, true
	}
	return "", "", false
}

// agree compares a URL that is written with where the server listens. Its host
// may be another name: by which clients elsewhere reach this machine.
func (e *evaluator) agree(b *broker, link cty.Value, port, webPort string) bool {
	const summary = "Contradiction"
	u, err := url.Parse(text(link))
	if err != nil {
		return false // reported when the scheme was looked at
	}
	what, want, usual := "listen", port, "1883"
	switch strings.ToLower(u.Scheme) {
	case "mqtts", "wss":
		e.errorf(b.cfg.Decl, summary, "The url of %s begins with %s://, and the embedded server speaks no TLS. Write mqtt:// or leave url out.", b.addr, strings.ToLower(u.Scheme))
		return false
	case "ws":
		what, want, usual = "websocket", webPort, "80"
	}
	got := cmp.Or(u.Port(), usual)
	switch {
	case want == "":
		e.errorf(b.cfg.Decl, summary, "The url of %s begins with ws://, and its embedded server has no websocket. Write websocket = \"127.0.0.1:PORT\" in the block embedded, or leave url out.", b.addr)
	case got != want:
		ports := " (" + got + " and " + want + ")"
		if traitsOf(link).sensitive {
			ports = ""
		}
		e.errorf(b.cfg.Decl, summary, "The url of %s has another port than %s of its embedded server%s. Clients are given the url: let them agree, or leave url out.", b.addr, what, ports)
	default:
		return true
	}
	return false
}
