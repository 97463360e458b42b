package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestBadBrokers: whatever is wrong with a broker is one diagnostic at its
// block, for plan and apply alike. It says which and what to do; nothing
// changes, no lock stays, and no secret shows. (What a story can say without
// a server of its own is in testdata/script/bad_broker.txtar.)
func TestBadBrokers(t *testing.T) {
	broker, msgflo := rabbittest.Shared(t), built(t)
	const secret = "hunter2-and-more"
	amqp := broker.VhostURL(rabbittest.Vhost(t, broker))
	page := func(status int, kind, body string) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Start()
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "10000")
		_, _ = io.WriteString(w, `{"rabbitmq_version":"3.10.8",`)
	}))
	t.Cleanup(cut.Close)
	for _, c := range []struct{ name, url, management, more, says string }{
		{name: "down", url: "amqp://u:" + secret + "@127.0.0.1:1", management: "http://127.0.0.1:1", says: "othing listens at http://127.0.0.1:1"},
		{name: "down, AMQP alone", url: "amqp://u:" + secret + "@127.0.0.1:1", management: "none", says: "othing listens at 127.0.0.1:1"},
		{name: "no such host", url: "amqp://u:" + secret + "@no-such-host.invalid", says: "no-such-host.invalid"},
		{name: "login", url: "amqp://guest:" + secret + "@" + host(amqp), management: broker.ManagementURL, says: `refused the login of user "guest"`},
		{name: "lacks the plugin", url: amqp, management: "http://" + child.Address(t), says: "rabbitmq-plugins enable rabbitmq_management"},
		{name: "the AMQP port", url: amqp, management: "http://" + host(broker.AMQPURL), says: "is the broker's AMQP port"},
		{name: "a web page", url: amqp, management: page(200, "text/html", "<html>Log in, "+secret+"</html>"), says: "not a RabbitMQ management API"},
		{name: "other JSON", url: amqp, management: page(200, "application/json", `{"hello":["world"]}`), says: "not a RabbitMQ management API"},
		{name: "no JSON", url: amqp, management: page(200, "application/json", "\x00\x1b[31m"), says: "not a RabbitMQ management API"},
		{name: "nothing", url: amqp, management: page(200, "application/json", ""), says: "ended"},
		{name: "cut", url: amqp, management: cut.URL, says: "was cut"},
		{name: "fails", url: amqp, management: page(500, "text/plain", "oops"), says: "500"},
		{name: "a certificate nobody knows", url: amqp, management: strings.Replace(secure.URL, "http:", "https:", 1), says: "tls.ca_file"},
		{name: "no TLS", url: strings.Replace(amqp, "amqp:", "amqps:", 1), management: "none", says: "does not speak TLS"},
		{name: "a certificate file that is none", url: amqp, management: broker.ManagementURL, more: "tls {\n ca_file = \"main.flo.hcl\"\n }", says: "no certificate in PEM form"},
		{name: "password command", url: amqp, management: broker.ManagementURL, more: `password_command = ["sh", "-c", "echo ` + secret + `; exit 3"]`, says: "password_command"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			text := "queue \"q\" {}\nbroker \"main\" {\n  url = " + `"` + c.url + "\"\n"
			if c.management != "" {
				text += `  management = "` + c.management + "\"\n"
			}
			write(t, filepath.Join(dir, "main.flo.hcl"), text+c.more+"\n}\n")
			for _, command := range [][]string{{"plan"}, {"apply", "-auto-approve"}} {
				out := fails(t, msgflo, command, dir)
				if n := strings.Count(out, "Error:"); n != 1 || !strings.Contains(out, c.says) {
					t.Errorf("%v: %d errors, want one with %q:\n%s", command, n, c.says, out)
				}
				if !strings.Contains(out, "main.flo.hcl line ") || !strings.Contains(out, `broker "main"`) {
					t.Errorf("%v: not at the broker block:\n%s", command, out)
				}
				if strings.Contains(out, secret) || strings.Contains(out, "\x1b") {
					t.Errorf("%v: it shows a secret or an escape:\n%q", command, out)
				}
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func host(url string) string { return url[strings.LastIndex(url, "@")+1:] }

// fails runs msgflo, wants exit code 1 and returns what it said.
func fails(t *testing.T, msgflo string, command []string, dir string) string {
	t.Helper()
	cmd := exec.Command(msgflo, append(command, dir)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	var ee *exec.ExitError
	if !errors.As(err, &ee) || ee.ExitCode() != 1 {
		t.Errorf("%v: %v, want exit code 1:\n%s", command, err, out)
	}
	return string(out)
}
