package rabbittest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// DirEnv names the environment variable that tells test binaries of a broker
// that is running already: `make test` starts one for all packages.
const DirEnv = "MSGFLO_TEST_RABBITMQ_DIR"

// shared is package state because a test binary is.
var shared child.Shared[*Broker]

// Main is for TestMain: it runs the tests, stops the broker that Shared
// started, and exits.
//
//	func TestMain(m *testing.M) { rabbittest.Main(m) }
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that has more to do.
func Run(m interface{ Run() int }) int { return shared.Run(m, (*Broker).Stop) }

// Shared returns the broker that all tests of this binary share, with
// AllPlugins: the one that DirEnv tells of, else one that is started at first
// use and stopped by Main. Use a vhost of your own (Vhost); what is global
// (users, global parameters) needs names of your own. Do not stop it.
func Shared(t testing.TB) *Broker {
	t.Helper()
	return shared.Of(t, "rabbittest", func() (*Broker, error) {
		if dir := os.Getenv(DirEnv); dir != "" {
			return Attach(dir)
		}
		return Start(Options{Plugins: AllPlugins()})
	})
}

// Own starts a broker for one test, which may restart and kill it.
func Own(t testing.TB, o Options) *Broker {
	t.Helper()
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Vhost makes a vhost of a name that nobody else has, with all permissions
// for User, and deletes it when the test ends.
func Vhost(t testing.TB, b *Broker) string {
	t.Helper()
	name := url.PathEscape(strings.NewReplacer("/", "-", "%", "-").Replace(t.Name()))
	name = strings.ReplaceAll(name[:min(len(name), 100)], "%", "-") + "-" + rand.Text()[:8]
	ctx := context.Background()
	path := "/api/vhosts/" + url.PathEscape(name)
	err := errors.Join(
		b.call(ctx, http.MethodPut, path, "{}"),
		b.call(ctx, http.MethodPut, "/api/permissions/"+url.PathEscape(name)+"/"+User, `{"configure":".*","write":".*","read":".*"}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.call(context.Background(), http.MethodDelete, path, ""); err != nil && !strings.Contains(err.Error(), "404") {
			t.Errorf("deleting the test's vhost: %v", err)
		}
	})
	return name
}

type addresses struct {
	AMQP       string `json:"amqp"`
	Management string `json:"management"`
}

const addressFile = "broker.json"

// Publish writes the broker's addresses into its folder, where Attach finds
// them, and returns that folder.
func (b *Broker) Publish() (string, error) {
	data, err := json.Marshal(addresses{AMQP: b.AMQPURL, Management: b.ManagementURL})
	if err != nil {
		return "", err
	}
	return b.Dir, os.WriteFile(b.path(addressFile), data, 0o600)
}

// Attach returns a broker that another process holds and has published. It
// can be used, not stopped.
func Attach(dir string) (*Broker, error) {
	data, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return nil, fmt.Errorf("%s names no running broker: %w", DirEnv, err)
	}
	var a addresses
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, addressFile), err)
	}
	return &Broker{AMQPURL: a.AMQP, ManagementURL: a.Management, Dir: dir}, nil
}
