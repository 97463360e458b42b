// Package access is what the blocks of all kinds of brokers have alike: the
// login, the password that a program prints, how TLS is checked, and why there is no
// connection.
//
// It imports providers, providers/transport, providers/attr and the ground floor only.
package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/transport"
)

// Whole says that all of an attribute is secret.
func Whole() []cty.Path { return []cty.Path{{}} }

// UsernameAttr is who logs in; without is who does where neither it nor the URL
// says so.
func UsernameAttr(without string) providers.Attr {
	return providers.Attr{Name: "username", Type: cty.String, Doc: "default: that of the URL, else " + without}
}

// PasswordAttr is the password, written.
func PasswordAttr() providers.Attr {
	return providers.Attr{Name: "password", Type: cty.String, Sensitive: Whole(), Doc: "default: that of the URL"}
}

// PasswordCommandAttr is the password's program; see Password.
func PasswordCommandAttr() providers.Attr {
	return providers.Attr{Name: "password_command", Type: cty.List(cty.String),
		Doc: "instead of password: a program and its arguments, run without a shell when the broker is first used; what it prints, less the last newline, is the password"}
}

// CheckLogin refuses a config with two passwords; it is a Schema.Validate.
func CheckLogin(config cty.Value) []error {
	if attr.Text(config, "password") == "" || len(attr.Strings(attr.Of(config, "password_command"))) == 0 {
		return nil
	}
	return []error{cty.GetAttrPath("password_command").NewErrorf("there is a password, too: remove one of them")}
}

// TLSAttr is the block tls of a broker.
func TLSAttr(doc string) providers.Attr {
	return providers.Attr{Name: "tls", Doc: doc, Attrs: []providers.Attr{
		{Name: "ca_file", Type: cty.String, Doc: "PEM file of the authorities to trust; default: the system's"},
		{Name: "cert_file", Type: cty.String, Doc: "PEM file of the client certificate"},
		{Name: "key_file", Type: cty.String, Doc: "PEM file of the client certificate's key"},
		{Name: "server_name", Type: cty.String, Doc: "name to expect in the broker's certificate; default: the URL's host"},
		{Name: "insecure", Type: cty.Bool, Doc: "accept any certificate; warns at every run"},
	}}
}

// PrefixAttr is what is put before the roles of a broker's participants.
func PrefixAttr() providers.Attr {
	return providers.Attr{Name: "prefix", Type: cty.String,
		Doc: "put before the role that participants are started with, and so before every name that follows from it; the name fbp is never prefixed"}
}

// TLS reads the block tls, and the files that it names, for connections to a
// host. Relative files start from dir. A cty.PathError names the attribute to blame.
func TLS(block cty.Value, host, dir string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if !attr.Given(block) {
		return c, nil
	}
	if n := attr.Text(block, "server_name"); n != "" {
		c.ServerName = n
	}
	c.InsecureSkipVerify = attr.Bool(block, "insecure", false) // asked for by name
	at := cty.GetAttrPath("tls")
	if name := attr.Text(block, "ca_file"); name != "" {
		pem, err := os.ReadFile(inDir(dir, name))
		if err != nil {
			return nil, at.GetAttr("ca_file").NewError(err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, at.GetAttr("ca_file").NewErrorf("the file has no certificate in PEM form")
		}
	}
	cert, key := attr.Text(block, "cert_file"), attr.Text(block, "key_file")
	switch {
	case cert == "" && key == "":
		return c, nil
	case cert == "" || key == "":
		return nil, at.NewErrorf("cert_file and key_file go together")
	}
	pair, err := tls.LoadX509KeyPair(inDir(dir, cert), inDir(dir, key))
	if err != nil {
		return nil, at.GetAttr("cert_file").NewErrorf("the client certificate cannot be used: %v", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// TLSWarnings says that the block makes connections insecure, if it does. Where
// is the broker for people.
func TLSWarnings(c *tls.Config, where string) hcl.Diagnostics {
	if !c.InsecureSkipVerify {
		return nil
	}
	return hcl.Diagnostics{diag.Warning(hcl.Range{}, "TLS certificates are not checked",
		fmt.Sprintf("tls.insecure is set for the broker at %s: anybody on the way can pretend to be it and learn its password.", where))}
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// ConnectionError makes a transport's words those of a provider.
func ConnectionError(err error) error {
	if e, ok := errors.AsType[*transport.ConnectError](err); ok {
		return &providers.ConnectionError{Headline: e.Headline, Detail: e.Detail, Err: err}
	}
	return err
}

// A Password is a broker's: what is written, or what Command prints, which is
// run once, at first use.
type Password struct {
	Text    string
	Command []string // a program and its arguments; nil: Text is it
	Dir     string   // to run it in

	once sync.Once
	err  error
}

const commandTimeout = 30 * time.Second

// Of gives the password.
func (p *Password) Of(ctx context.Context) (string, error) {
	if len(p.Command) > 0 {
		p.once.Do(func() { p.Text, p.err = p.run(ctx) })
	}
	return p.Text, p.err
}

// run runs an argument vector, never a shell. Neither what it prints nor its
// arguments, which may hold a token, get into an error.
func (p *Password) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Dir = p.Dir
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		why := err.Error()
		if ctx.Err() == context.DeadlineExceeded {
			why = fmt.Sprintf("it did not end within %s", commandTimeout)
		}
		return "", &providers.ConnectionError{Headline: "No password", Err: err, Detail: fmt.Sprintf(
			"the broker's password_command %q failed: %s; run it by hand to see why", p.Command[0], diag.Escape(why))}
	}
	return strings.TrimSuffix(strings.TrimSuffix(out.String(), "\n"), "\r"), nil
}
