package mgmt

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
)

// statusError turns an answer that is no success into an error. RabbitMQ says
// 401 both for a refused login and for a missing permission, and tells them
// apart by one letter: not_authorized, not_authorised.
func (c *Client) statusError(resp *http.Response) *Error {
	body, cut := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	req := resp.Request
	e := &Error{Host: c.Host(), Method: req.Method, Path: req.URL.EscapedPath(), Status: resp.StatusCode}
	var words struct {
		Error  string `json:"error"`
		Reason any    `json:"reason"`
	}
	isJSON := json.Unmarshal(body, &words) == nil
	e.Reason = diag.Escape(tidy(reasonText(words.Reason)))
	what := fmt.Sprintf("%s %s", req.Method, e.Path)
	switch code := resp.StatusCode; {
	case code >= 300 && code < 400:
		e.Kind = NotManagement
		e.detail = fmt.Sprintf("%s answers with a redirect%s, which a RabbitMQ management API never does; give its own address, past any proxy or login page", c.Host(), redirectTarget(resp))
	case cut != nil && code < 500 && code != http.StatusTooManyRequests:
		e.Kind, e.err = Cut, cut
		e.detail = fmt.Sprintf("the answer to %s from %s was cut: %s, and what it said why is not known; try again", what, c.Host(), diag.Escape(resp.Status))
	case code == http.StatusUnauthorized && isLoginRefusal(resp, isJSON, words.Error, e.Reason):
		e.Kind = LoginRefused
		e.detail = fmt.Sprintf("the management API at %s refused the login of user %q; check user and password", c.Host(), c.username)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Kind = Forbidden
		e.detail = c.forbidden(e)
	case code == http.StatusNotFound && !isJSON && len(body) > 0:
		e.Kind = NotManagement
		e.detail = fmt.Sprintf("what answers at %s has no management API (%s: 404); check address and path, and that the management plugin is enabled", c.Host(), what)
	case code == http.StatusNotFound, code == http.StatusBadRequest && e.Reason == "vhost_not_found":
		e.Kind = NotFound
		e.detail = fmt.Sprintf("%s: not found%s", what, colon(e.Reason, "Not Found"))
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		e.Kind = Overloaded
		e.detail = fmt.Sprintf("the management API at %s is overloaded or starting (%s: %s); try again later", c.Host(), what, resp.Status)
	case code >= 500:
		e.Kind = BrokerFailed
		e.detail = brokerFailed(what, resp.Status, e)
	case code == http.StatusMethodNotAllowed:
		e.Kind = Rejected
		e.detail = fmt.Sprintf("the broker does not allow %s; a proxy may be set to reading only, or the broker's version lacks this", what)
	default:
		e.rejected(what, resp.Status)
	}
	return e
}

// reasonText is a reason as text: some are lists, as ["no_such_user", "jo"].
func reasonText(reason any) string {
	switch r := reason.(type) {
	case string:
		return r
	case []any:
		var parts []string
		for _, p := range r {
			if s, ok := p.(string); ok {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, ": ")
	}
	return ""
}

// isLoginRefusal: without RabbitMQ's own words (a proxy that asks for a login
// of its own), 401 means what HTTP says.
func isLoginRefusal(resp *http.Response, isJSON bool, code, reason string) bool {
	if isJSON && code == "not_authorised" {
		return false
	}
	return !isJSON || code == "not_authorized" || reason == "Login failed" || resp.Header.Get("WWW-Authenticate") != ""
}

var componentMissing = regexp.MustCompile(`component (\S+) not found`)

func (e *Error) rejected(what, status string) {
	e.Kind = Rejected
	if m := componentMissing.FindStringSubmatch(e.Reason); m != nil {
		e.Kind, e.Plugin = PluginMissing, pluginOf(m[1])
		e.detail = fmt.Sprintf("the broker knows no objects of kind %q: its plugin %s is not enabled; on the broker's machine: rabbitmq-plugins enable %[2]s", m[1], e.Plugin)
		return
	}
	if e.Reason == "" {
		e.detail = fmt.Sprintf("the broker rejected %s: %s", what, diag.Escape(status))
		return
	}
	e.detail = fmt.Sprintf("the broker rejected %s: %s", what, e.Reason)
}

func pluginOf(component string) string {
	switch component {
	case "shovel":
		return "rabbitmq_shovel"
	case "federation-upstream", "federation-upstream-set", "federation":
		return "rabbitmq_federation"
	}
	return "that provides " + component
}

// brokerFailed names the one cause that is known to break whole lists:
// RabbitMQ 3.10 crashes while formatting a binding whose routing key holds "~"
// beside other characters and that has arguments.
func brokerFailed(what, status string, e *Error) string {
	detail := fmt.Sprintf("the broker failed at %s: %s%s; its log says why", what, diag.Escape(status), colon(e.Reason, "Internal Server Error"))
	if e.Method == http.MethodGet && (strings.Contains(e.Path, "/bindings") || strings.Contains(e.Path, "/definitions")) {
		detail += `. RabbitMQ 3.10 fails so for a whole vhost if one of its bindings has both arguments and a routing key with "~" in it: remove that binding over AMQP, or upgrade the broker`
	}
	return detail
}

// forbidden names what the user lacks, by the broker's reasons
// (rabbit_mgmt_util.erl).
func (c *Client) forbidden(e *Error) string {
	missing := func(tag string) string {
		return fmt.Sprintf("user %q lacks the tag %q that %s %s needs; on the broker: rabbitmqctl set_user_tags %s %s (this replaces the tags the user has)",
			c.username, tag, e.Method, e.Path, diag.Escape(c.username), tag)
	}
	r := strings.ToLower(e.Reason)
	switch {
	case strings.Contains(r, "not management user"):
		return missing("management")
	case strings.Contains(r, "not administrator user"):
		return missing("administrator")
	case strings.Contains(r, "not monitor"):
		return missing("monitoring")
	case strings.Contains(r, "access object"):
		return missing("policymaker")
	case strings.Contains(r, "access virtual host"):
		return fmt.Sprintf("user %q has no permissions in the vhost of %s; on the broker: rabbitmqctl set_permissions -p VHOST %s '.*' '.*' '.*'", c.username, e.Path, diag.Escape(c.username))
	case strings.Contains(r, "localhost"):
		return fmt.Sprintf("user %q may log in from the broker's own machine only; use another user", c.username)
	}
	return fmt.Sprintf("user %q is not permitted to %s %s%s; it lacks a configure, write or read permission in the vhost, or the name is reserved (amq.)", c.username, e.Method, e.Path, colon(e.Reason, ""))
}

// tidy undoes the HTML escapes and line breaks of validation messages.
func tidy(s string) string {
	return strings.Join(strings.Fields(html.UnescapeString(s)), " ")
}

func colon(reason, empty string) string {
	if reason == "" || reason == empty {
		return ""
	}
	return ": " + reason
}

// redirectTarget names where to, without a query, which may hold a token.
func redirectTarget(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return ""
	}
	return " to " + diag.Escape(u.Scheme+"://"+u.Host+u.EscapedPath())
}
