package desired

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/attr"
)

const noHandover = "Broker URL cannot be handed over"

// clientURL is the broker's URL as the participant's client library understands
// it (msgflo-wire.md §2.6), with credentials: a secret. The prefix has no place
// in it.
func (e *evaluator) clientURL(b *broker, p *player) (string, bool) {
	link, ok := e.linkOf(b)
	if !ok {
		return "", false
	}
	u := *link
	if isAMQP(u.Scheme) {
		setVhost(&u, e.vhostOf(b), p.role.Client)
		return u.String(), true
	}
	if !e.speaks(b, &u, p) {
		return "", false
	}
	if p.role.Client == "cpp" {
		u.Host = u.Hostname() // it takes the port for a part of the name
	}
	return u.String(), true
}

// agentURL is clientURL for what the agent itself connects with.
func (e *evaluator) agentURL(b *broker) (string, bool) {
	link, ok := e.linkOf(b)
	if !ok {
		return "", false
	}
	u := *link
	if isAMQP(u.Scheme) {
		setVhost(&u, e.vhostOf(b), "go")
	}
	return u.String(), true
}

func isAMQP(scheme string) bool { return scheme == "amqp" || scheme == "amqps" }

// speaks refuses client libraries that cannot connect to an MQTT broker there
// (msgflo-wire.md §2.0, §2.6): they would fail at their start, each in its own way.
func (e *evaluator) speaks(b *broker, u *url.URL, p *player) bool {
	const summary = "Client library cannot connect"
	client := p.role.Client
	fail := func(why string) bool {
		e.errorf(p.decl(), summary, "%s is written with %s, which %s. The url of %s is another one. Use a broker or a listener that it can reach, or another client library.", p.label(), client, why, b.addr)
		return false
	}
	switch {
	case u.Scheme == "mqtt" && client == "cpp" && u.Port() != "" && u.Port() != "1883":
		return fail("reads no port out of an MQTT broker's URL and always connects to 1883")
	case u.Scheme == "mqtts" && slices.Contains([]string{"nodejs", "noflo", "cpp"}, client):
		return fail("speaks MQTT without TLS only (mqtt://)")
	case (u.Scheme == "ws" || u.Scheme == "wss") && slices.Contains([]string{"nodejs", "noflo", "cpp", "python"}, client):
		return fail("speaks MQTT over TCP only (mqtt://), not over WebSocket")
	}
	return true
}

// linkOf is a broker's URL with its credentials and what is said of TLS, once.
func (e *evaluator) linkOf(b *broker) (*url.URL, bool) {
	if !b.linked {
		b.linked = true
		b.link = e.link(b)
	}
	return b.link, b.link != nil
}

func (e *evaluator) link(b *broker) *url.URL {
	u, err := url.Parse(text(b.setting("url")))
	if err != nil || u.Host == "" {
		e.errorf(b.decl(), noHandover, "The url of %s is no URL that a participant could be given.", b.addr)
		return nil
	}
	user, password := text(b.setting("username")), text(b.setting("password"))
	if user == "" && u.User != nil {
		user = u.User.Username()
	}
	if password == "" && u.User != nil {
		password, _ = u.User.Password()
	}
	if command := b.setting("password_command"); command != cty.NilVal && !isNull(command) && command.LengthInt() > 0 {
		var ok bool
		if password, ok = e.commanded(b, command); !ok {
			return nil
		}
	}
	switch {
	case password != "":
		u.User = url.UserPassword(user, password)
	case user != "":
		u.User = url.User(user)
	default:
		u.User = nil
	}
	return e.secured(b, u)
}

// commanded asks for the password that a broker's password_command prints.
func (e *evaluator) commanded(b *broker, command cty.Value) (string, bool) {
	if e.env.Secret == nil {
		if e.env.AllowMissing {
			return "", true // nothing is done with what is evaluated
		}
		e.errorf(b.decl(), noHandover, "%s has a password_command, and nothing can be run here.", b.addr)
		return "", false
	}
	var words []string
	for it := command.ElementIterator(); it.Next(); {
		_, w := it.Element()
		words = append(words, text(w))
	}
	password, err := e.env.Secret(words)
	if err != nil {
		e.report(diag.At(err, b.decl())...)
		return "", false
	}
	return password, true
}

// tlsKeys are the names that the settings of TLS have in a URL's query: those
// of RabbitMQ's URIs for AMQP, those of msgflo-python for MQTT (msgflo-wire.md §2.6).
func tlsKeys(scheme string) map[string]string {
	keys := map[string]string{"ca_file": "cacertfile", "cert_file": "certfile", "key_file": "keyfile", "server_name": "server_name_indication"}
	if !isAMQP(scheme) {
		keys["ca_file"] = "ca_certs"
	}
	return keys
}

// secured adds the broker's settings of TLS to its URL, for those clients that
// read them there. Files are where they are, whatever the process's directory is.
func (e *evaluator) secured(b *broker, u *url.URL) *url.URL {
	block := b.setting("tls")
	secure := slices.Contains([]string{"amqps", "mqtts", "wss"}, u.Scheme)
	if !secure || block == cty.NilVal || isNull(block) {
		return u
	}
	q := u.Query()
	set := func(key, value string) {
		if value != "" && !q.Has(key) {
			q.Set(key, value)
		}
	}
	for setting, key := range tlsKeys(u.Scheme) {
		value := attr.Text(block, setting)
		if value != "" && strings.HasSuffix(setting, "_file") {
			path, err := filepath.Abs(filepath.Join(e.env.Dir, value))
			if filepath.IsAbs(value) {
				path, err = value, nil
			}
			if err != nil {
				e.errorf(b.decl(), noHandover, "Where the %s of %s is cannot be told: %s.", setting, b.addr, err)
				return nil
			}
			value = path
		}
		set(key, value)
	}
	if attr.Bool(block, "insecure", false) && !isAMQP(u.Scheme) {
		set("insecure", "true")
	}
	u.RawQuery = q.Encode()
	return u
}

// setVhost writes the vhost as all clients read it: "/" as no path at all,
// since python takes amqp://host/ for the vhost of the empty name, but for rust, where only
// amqp://host// is it always.
func setVhost(u *url.URL, vhost, client string) {
	switch {
	case vhost == "/" && client == "rust":
		u.Path, u.RawPath = "//", ""
	case vhost == "/" || vhost == "":
		u.Path, u.RawPath = "", ""
	default:
		u.Path, u.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	}
}
