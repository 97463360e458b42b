package rabbitmq_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// An authority signs certificates into PEM files of its folder.
type authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// sign makes NAME.pem and NAME-key.pem. A host of "" makes it self-signed, for
// 127.0.0.1.
func (a *authority) sign(name, host string, from, to time.Duration) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), IPAddresses: []net.IP{net.ParseIP(host)}}
	parent, signer := a.cert, a.key
	if host == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+"-key.pem", "PRIVATE KEY", private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// block is a tls block; paths of files are the authority's.
func (a *authority) block(set attrs) attrs {
	all := attrs{}
	for _, b := range rabbitmq.Type().Config.Attr("tls").Attrs {
		all[b.Name] = cty.NullVal(b.Type)
	}
	for name, v := range set {
		if strings.HasSuffix(name, "_file") {
			v = str(a.path(v.AsString()))
		}
		all[name] = v
	}
	return attrs{"tls": obj(all)}
}

// secureListeners are real ones that want client certificates, for AMQP and
// the management API.
func secureListeners(t *testing.T, b *rabbittest.Broker, a *authority) {
	us := attrs{"cert_file": str("us.pem"), "key_file": str("us-key.pem")}
	byName := strings.Replace(b.SecureAMQPURL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		name       string
		url        string
		tls        attrs
		says       string // "": works
		warns      bool
		management string
	}{
		{name: "trusted", tls: us.with(attrs{"ca_file": str("ca.pem")})},
		{name: "unknown authority", tls: us, says: "an authority that is not trusted here"},
		{name: "insecure", tls: us.with(attrs{"insecure": cty.True}), warns: true},
		{name: "wrong host", url: byName, management: strings.Replace(b.SecureManagementURL, "127.0.0.1", "localhost", 1),
			tls: us.with(attrs{"ca_file": str("ca.pem")}), says: "for another host, not for localhost"},
		{name: "server name", url: byName, management: strings.Replace(b.SecureManagementURL, "127.0.0.1", "localhost", 1),
			tls: us.with(attrs{"ca_file": str("ca.pem"), "server_name": str("127.0.0.1")})},
		{name: "no client certificate", tls: attrs{"ca_file": str("ca.pem")}, says: "client certificate"},
		{name: "a stranger's client certificate", tls: attrs{"ca_file": str("ca.pem"), "cert_file": str("stranger.pem"), "key_file": str("stranger-key.pem")}, says: "client certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := a.block(c.tls).with(attrs{"url": str(b.SecureAMQPURL), "management": str(b.SecureManagementURL)})
			if c.url != "" {
				more = more.with(attrs{"url": str(c.url), "management": str(c.management)})
			}
			tryBothSides(t, b, more, c.says)
			p := open(t, b, "/", more)
			_, _ = p.Read(testContext(t), []providers.Query{{Type: "vhost", Value: value("vhost", attrs{"name": str("/")})}})
			if w := p.(providers.Warner).Warnings(); (len(w) == 1 && w[0].Summary == "TLS certificates are not checked") != c.warns {
				t.Errorf("warnings: %v", w)
			}
		})
	}
}

// tryBothSides reads over the management API, declares over AMQP and connects
// for messages, each by a provider of its own, so that one's failure does not hide the
// other's.
func tryBothSides(t *testing.T, b *rabbittest.Broker, more attrs, says string) {
	t.Helper()
	q := value("queue", attrs{"name": str("q"), "vhost": str("/")})
	_, reading := open(t, b, "/", more).Read(testContext(t), []providers.Query{{Type: "queue", Value: q}})
	_, writing := apply(t, open(t, b, "/", more.with(attrs{"management": str("none")})), "queue", null("queue"), q)
	conn, dialling := open(t, b, "/", more).(providers.Dialer).Dial(testContext(t))
	if dialling == nil {
		conn.Close()
	}
	for side, err := range map[string]error{"management": reading, "AMQP": writing, "messages": dialling} {
		var lost *providers.ConnectionError
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", side, err)
		case says != "" && (!errors.As(err, &lost) || lost.Headline != "Secure connection failed" || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: got %v, want one that says %q", side, err, says)
		}
	}
}

// TestBadCertificates: a broker cannot be made to show them at will, so they
// stand in front of one.
func TestBadCertificates(t *testing.T) {
	b := rabbittest.Shared(t)
	a := newAuthority(t)
	for _, c := range []struct {
		name string
		cert tls.Certificate
		max  uint16
		says string
	}{
		{"good", a.sign("good", "127.0.0.1", -time.Hour, time.Hour), 0, ""},
		{"self-signed", a.sign("self", "", -time.Hour, time.Hour), 0, "self-signed"},
		{"expired", a.sign("old", "127.0.0.1", -3*time.Hour, -time.Hour), 0, "expired on"},
		{"from the future", a.sign("new", "127.0.0.1", time.Hour, 2*time.Hour), 0, "not valid before"},
		{"old version", a.sign("v", "127.0.0.1", -time.Hour, time.Hour), tls.VersionTLS11, "no version of TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS10, MaxVersion: c.max}
			amqp := inFront(t, config, strings.TrimPrefix(b.AMQPURL, "amqp://guest:guest@"))
			api := inFront(t, config, strings.TrimPrefix(b.ManagementURL, "http://"))
			tryBothSides(t, b, a.block(attrs{"ca_file": str("ca.pem")}).with(attrs{
				"url": str("amqps://guest:guest@" + amqp), "management": str("https://" + api)}), c.says)
		})
	}
}

// inFront ends TLS and passes everything on; it returns its address.
func inFront(t *testing.T, config *tls.Config, to string) string {
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { pass(from, to) })
		}
	})
	// Before this, the test's providers have closed their connections.
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func pass(from net.Conn, address string) {
	defer from.Close()
	if from.(*tls.Conn).Handshake() != nil {
		return
	}
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, from)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
	from.Close()
	<-done
}
