package rabbitmq

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// settingsOfBroker is a broker block, read.
type settingsOfBroker struct {
	url        brokerURL
	management string // "" where there is none
	username   string
	password   string
	command    []string // asked for the password at first use
	tls        *tls.Config
	insecure   bool
	dir        string
}

// readSettings takes a broker block apart and reads the files that it names.
func readSettings(config cty.Value, dir string) (*settingsOfBroker, error) {
	u, err := parseURL(stringAttr(config, "url"))
	if err != nil {
		return nil, at("url").NewError(err)
	}
	s := &settingsOfBroker{url: u, username: u.username, password: u.password, dir: dir, management: u.management()}
	if m := attr(config, "management"); set(m) {
		s.management = text(m)
		if s.management == noManagement {
			s.management = ""
		}
	}
	if a := attr(config, "username"); set(a) {
		s.username = text(a)
	}
	if a := attr(config, "password"); set(a) {
		s.password = text(a)
	}
	if s.username == "" && !u.hasUser {
		s.username = "guest"
		if s.password == "" {
			s.password = "guest"
		}
	}
	s.command = stringList(attr(config, "password_command"))
	if s.tls, err = tlsConfig(attr(config, "tls"), u, dir); err != nil {
		return nil, err
	}
	s.insecure = s.tls.InsecureSkipVerify
	return s, nil
}

func tlsConfig(block cty.Value, u brokerURL, dir string) (*tls.Config, error) {
	c := &tls.Config{ServerName: u.host, MinVersion: tls.VersionTLS12}
	if !set(block) {
		return c, nil
	}
	if n := stringAttr(block, "server_name"); n != "" {
		c.ServerName = n
	}
	c.InsecureSkipVerify = boolAttr(block, "insecure", false)
	if name := stringAttr(block, "ca_file"); name != "" {
		pem, err := os.ReadFile(inDir(dir, name))
		if err != nil {
			return nil, at("tls").GetAttr("ca_file").NewError(err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, at("tls").GetAttr("ca_file").NewErrorf("the file has no certificate in PEM form")
		}
	}
	cert, key := stringAttr(block, "cert_file"), stringAttr(block, "key_file")
	switch {
	case cert == "" && key == "":
		return c, nil
	case cert == "" || key == "":
		return nil, at("tls").NewErrorf("cert_file and key_file go together")
	}
	pair, err := tls.LoadX509KeyPair(inDir(dir, cert), inDir(dir, key))
	if err != nil {
		return nil, at("tls").GetAttr("cert_file").NewErrorf("the client certificate cannot be used: %v", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// managementTLS is the same for HTTPS, which names the server itself unless a
// name was written: the API may be on another host.
func (p *provider) managementTLS() *tls.Config {
	c := p.settings.tls.Clone()
	if c.ServerName == p.settings.url.host {
		c.ServerName = ""
	}
	return c
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// secrets gives the password, asking the password command once, at first use.
type secrets struct {
	once     sync.Once
	password string
	err      error
}

const passwordCommandTimeout = 30 * time.Second

func (s *secrets) of(ctx context.Context, b *settingsOfBroker) (string, error) {
	if len(b.command) == 0 {
		return b.password, nil
	}
	s.once.Do(func() { s.password, s.err = runPasswordCommand(ctx, b.command, b.dir) })
	return s.password, s.err
}

// runPasswordCommand runs an argument vector, never a shell. Neither what it
// prints nor its arguments, which may hold a token, get into an error.
func runPasswordCommand(ctx context.Context, argv []string, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordCommandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		why := err.Error()
		if ctx.Err() == context.DeadlineExceeded {
			why = fmt.Sprintf("it did not end within %s", passwordCommandTimeout)
		}
		return "", &providers.ConnectionError{Headline: "No password", Err: err, Detail: fmt.Sprintf(
			"the broker's password_command %s failed: %s; run it by hand to see why", quote(argv[0]), diag.Escape(why))}
	}
	return strings.TrimSuffix(strings.TrimSuffix(out.String(), "\n"), "\r"), nil
}
