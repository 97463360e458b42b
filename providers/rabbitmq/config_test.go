package rabbitmq_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

func config(a attrs) cty.Value {
	c := rabbitmq.Type().Config
	return c.Complete(a)
}

func TestDefaultVhost(t *testing.T) {
	for url, want := range map[string]string{
		"amqp://h": "/", "amqp://h/": "/", "amqp://h/%2F": "/", "amqp://h/eu": "eu", "amqps://u:p@h:1/a%2Fb%20c": "a/b c", "amqp://h/%2Feu": "/eu",
	} {
		a := map[string]cty.Value{"vhost": cty.NullVal(cty.String)}
		rabbitmq.Type().Defaults(config(attrs{"url": str(url)}), "queue", a)
		if got := a["vhost"].AsString(); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	a := map[string]cty.Value{"vhost": str("written")}
	rabbitmq.Type().Defaults(config(attrs{"url": str("amqp://h/eu")}), "queue", a)
	if a["vhost"] != str("written") {
		t.Error("a vhost that is written is overridden")
	}
	a = map[string]cty.Value{"vhost": cty.NullVal(cty.String), "name": str("eu")}
	rabbitmq.Type().Defaults(config(attrs{"url": str("amqp://h")}), "vhost_limit", a)
	if a["vhost"] != str("eu") {
		t.Errorf("a limit is of the vhost that its label names, not %#v", a["vhost"])
	}
}

func TestURLErrorsHideIt(t *testing.T) {
	check := rabbitmq.Type().Config.Attr("url").Check
	for _, url := range []string{
		"amqp://u:" + secret + "%zz@h", "amqp://u:" + secret + "@h:port", "http://u:" + secret + "@h", "amqp://u:" + secret + "@h/a/b",
		"amqp://u:" + secret + "@h/%zz", "amqp://u:" + secret + "@", "u:" + secret + "@h", "amqp://u:" + secret + " x@h:99999", "",
	} {
		err := check(str(url))
		if err == nil {
			t.Errorf("%s is accepted", url)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("amqp://u:p@h:1/v")
	f.Add("amqps://[::1]/%2F")
	check := rabbitmq.Type().Config.Attr("url").Check
	f.Fuzz(func(t *testing.T, s string) {
		if check(str(s)) == nil {
			a := map[string]cty.Value{"vhost": cty.NullVal(cty.String)}
			rabbitmq.Type().Defaults(config(attrs{"url": str(s)}), "queue", a)
			if a["vhost"].AsString() == "" {
				t.Errorf("%q has the empty vhost", s)
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "not.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := func(a attrs) attrs {
		all := attrs{}
		for _, b := range rabbitmq.Type().Config.Attr("tls").Attrs {
			all[b.Name] = cty.NullVal(b.Type)
		}
		return attrs{"tls": obj(all.with(a))}
	}
	for name, a := range map[string]attrs{
		"absent ca":        tls(attrs{"ca_file": str("nowhere.pem")}),
		"no certificate":   tls(attrs{"ca_file": str("not.pem")}),
		"key missing":      tls(attrs{"cert_file": str("not.pem")}),
		"no key pair":      tls(attrs{"cert_file": str("not.pem"), "key_file": str("not.pem")}),
		"url of the wrong": {"url": str("amqp://h:x")},
	} {
		p, err := rabbitmq.Type().Open(context.Background(), providers.Env{Config: config(attrs{"url": str("amqps://u:" + secret + "@h")}.with(a)), Dir: dir})
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}
