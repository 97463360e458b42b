package http

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/diag"
)

// Config is a `backend "http"` block, its attributes named as Terraform's are.
type Config struct {
	Address       string // http or https; required
	UpdateMethod  string // default POST
	LockAddress   string // "": the state is not locked
	LockMethod    string // default LOCK
	UnlockAddress string // default LockAddress
	UnlockMethod  string // default UNLOCK
	Username      string
	Password      string
	Headers       map[string]string

	SkipCertVerification   bool
	ClientCACertificatePEM string // who signs the server's certificate
	ClientCertificatePEM   string
	ClientPrivateKeyPEM    string

	RetryMax     int           // how often a failed request is repeated
	RetryWaitMin time.Duration // before the first repetition; doubles each time
	RetryWaitMax time.Duration

	// JournalDir is a directory of this machine for the run's journal.
	JournalDir string
}

// Retries where the block says nothing: Terraform's.
const (
	defaultRetryMax     = 2
	defaultRetryWaitMin = time.Second
	defaultRetryWaitMax = 30 * time.Second
)

// Decode reads the block's attributes, evaluated. The error is a
// cty.PathError that names the attribute.
func Decode(attrs map[string]cty.Value) (Config, error) {
	c := Config{RetryMax: defaultRetryMax, RetryWaitMin: defaultRetryWaitMin, RetryWaitMax: defaultRetryWaitMax}
	fields := c.fields()
	names := make([]string, 0, len(attrs))
	for n := range attrs {
		names = append(names, n)
	}
	slices.Sort(names) // so that of two mistakes the same one is named each time
	for _, n := range names {
		set, ok := fields[n]
		if !ok {
			return c, unknownAttr(n, fields)
		}
		v, _ := attrs[n].UnmarkDeep()
		if v.IsNull() {
			continue
		}
		if !v.IsWhollyKnown() {
			return c, blame(n, "it must be known before anything is read from a broker")
		}
		if err := set(v); err != nil {
			return c, blame(n, err.Error())
		}
	}
	if c.Address == "" {
		return c, blame("address", "the http backend needs the address of the state")
	}
	return c, nil
}

func unknownAttr(n string, fields map[string]func(cty.Value) error) error {
	known := make([]string, 0, len(fields))
	for k := range fields {
		known = append(known, k)
	}
	return blame(n, fmt.Sprintf("the http backend has no %q.%s", n, diag.DidYouMean(n, known)))
}

// blame is an error at an attribute of the block.
func blame(attr, problem string) error { return cty.GetAttrPath(attr).NewErrorf("%s", problem) }

// fields says how each attribute is taken over.
func (c *Config) fields() map[string]func(cty.Value) error {
	return map[string]func(cty.Value) error{
		"address": text(&c.Address), "update_method": text(&c.UpdateMethod),
		"lock_address": text(&c.LockAddress), "lock_method": text(&c.LockMethod),
		"unlock_address": text(&c.UnlockAddress), "unlock_method": text(&c.UnlockMethod),
		"username": text(&c.Username), "password": text(&c.Password),
		"headers":                   texts(&c.Headers),
		"skip_cert_verification":    boolean(&c.SkipCertVerification),
		"client_ca_certificate_pem": text(&c.ClientCACertificatePEM),
		"client_certificate_pem":    text(&c.ClientCertificatePEM),
		"client_private_key_pem":    text(&c.ClientPrivateKeyPEM),
		"retry_max":                 whole(func(n int) { c.RetryMax = n }),
		"retry_wait_min":            whole(func(n int) { c.RetryWaitMin = time.Duration(n) * time.Second }),
		"retry_wait_max":            whole(func(n int) { c.RetryWaitMax = time.Duration(n) * time.Second }),
	}
}

func text(to *string) func(cty.Value) error {
	return func(v cty.Value) error {
		s, err := convert.Convert(v, cty.String)
		if err == nil {
			*to = s.AsString()
		}
		return err
	}
}

func texts(to *map[string]string) func(cty.Value) error {
	return func(v cty.Value) error {
		m, err := convert.Convert(v, cty.Map(cty.String))
		if err != nil {
			return err
		}
		*to = make(map[string]string, m.LengthInt())
		for k, e := range m.AsValueMap() {
			if e.IsNull() {
				return fmt.Errorf("the header %q is null", k)
			}
			(*to)[k] = e.AsString()
		}
		return nil
	}
}

func boolean(to *bool) func(cty.Value) error {
	return func(v cty.Value) error {
		b, err := convert.Convert(v, cty.Bool)
		if err == nil {
			*to = b.True()
		}
		return err
	}
}

// whole takes a number of times or seconds.
func whole(set func(int)) func(cty.Value) error {
	return func(v cty.Value) error {
		n, err := convert.Convert(v, cty.Number)
		if err != nil {
			return err
		}
		i, acc := n.AsBigFloat().Int64()
		if acc != 0 || i < 0 || i > math.MaxInt32 {
			return fmt.Errorf("a whole number from 0 is needed")
		}
		set(int(i))
		return nil
	}
}

// complete fills in the defaults, checks the addresses, and takes user and
// password out of them.
func (c *Config) complete() error {
	c.UpdateMethod = or(c.UpdateMethod, "POST")
	c.LockMethod = or(c.LockMethod, "LOCK")
	c.UnlockMethod = or(c.UnlockMethod, "UNLOCK")
	c.UnlockAddress = or(c.UnlockAddress, c.LockAddress)
	for attr, address := range map[string]*string{"address": &c.Address, "lock_address": &c.LockAddress, "unlock_address": &c.UnlockAddress} {
		if *address == "" && attr != "address" {
			continue
		}
		u, err := url.Parse(*address)
		// The parser's own error would show the address, and what is in it.
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return blame(attr, "an address is http:// or https://, a host and a path")
		}
		if u.User != nil {
			password, _ := u.User.Password()
			c.Username, c.Password = or(c.Username, u.User.Username()), or(c.Password, password)
			u.User = nil
		}
		u.Fragment = ""
		*address = u.String()
	}
	return nil
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// shown is an address as people may see it: a query can hold a token.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the configured address"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// withID names the run's lock in an update, as servers that lock demand.
func withID(address, id string) string {
	u, err := url.Parse(address)
	if err != nil || id == "" {
		return address
	}
	q := u.Query()
	q.Set("ID", id)
	u.RawQuery = q.Encode()
	return u.String()
}
