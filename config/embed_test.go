package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// secretPlaces are ways to write a secret into a configuration; %s stands for
// it, N for a number that makes names unique.
var secretPlaces = []string{
	"user \"uN\" {\n  password = \"%s\"\n}\n",
	"user \"uN\" {\n  password = \"a${var.env}%s\"\n}\n",
	"user \"uN\" {\n  password = <<EOT\n  %s\n\n${var.env}%s\nlast\nEOT\n}\n",
	"user \"uN\" {\n  password = <<-EOT\n    %s\n  EOT\n}\n",
	"user \"uN\" {\n  password = trimspace(join(\"\", [\"x\", base64encode(\"%s\")]))\n}\n",
	"user \"uN\" {\n  password = var.env == \"x\" ? \"%s\" : (\"%s\")\n}\n",
	"user \"uN\" {\n  password = { a = \"%s\" }[\"a\"]\n}\n",
	"user \"uN\" {\n  password = [for k, v in { a = \"%s\" } : v][0]\n}\n",
	"user \"uN\" {\n  password = \"%%{ if true }%s%%{ endif }\"\n}\n",
	"user \"uN\" {\n  for_each = { a = { pw = \"%s\" } }\n  password = each.value.pw\n}\n",
	"user \"uN\" {\n  password = local.lN\n}\nlocals {\n  lN = local.mN\n  mN = [\"%s\", local.lN][0]\n}\n",
	"user \"uN\" {\n  password = var.vN\n}\nvariable \"vN\" {\n  default = \"%s\"\n}\n",
	"variable \"vN\" {\n  sensitive = true\n  default   = { a = [\"%s\"], b = true }\n}\n",
	"output \"oN\" {\n  sensitive = true\n  value     = \"x-%s\"\n}\n",
	"output \"oN\" {\n  value = sensitive(\"%s\")\n}\n",
	"locals {\n  lN = nonsensitive(upper(sensitive(lower(\"%s\"))))\n}\n",
	"locals {\n  lN = \"amqp://user:%s@host/vhost\"\n}\n",
	"locals {\n  lN = \"amqp://${var.env}:%s@host\"\n}\n",
	"locals {\n  lN = \"amqp://u:p@%s/%s@host\"\n}\n",
	"locals {\n  lN = \"amqp://u:%s/%s@host\"\n}\n",
	"locals {\n  lN = <<EOT\nfirst\nsee amqps://u:%s@a and https://x:%s@b/c@d\nEOT\n}\n",
	"locals {\n  lN = \"amqps://h?verify=1&password=%s\"\n}\n",
	"# x\nbroker \"bN\" {\n  url      = \"amqp://u:%s@localhost\"\n  password = \"%s\"\n  tls {\n    insecure = true\n  }\n}\n",
	"broker \"bN\" {\n  url = format(\"amqp://%%s:%%s@h\", \"guest\", \"%s\")\n}\n",
	"broker \"bN\" {\n  url = \"amqp://u:${local.lN}@h\"\n}\nlocals {\n  lN = \"%s\"\n}\n",
	"broker \"bN\" {\n  url = local.lN\n}\nlocals {\n  lN = \"amqp://${local.mN}/\"\n  mN = \"u:%s@h\"\n}\n",
	"shovel \"sN\" {\n  source {\n    uri = \"amqp://a:%s@h\"\n  }\n  dynamic \"destination\" {\n    for_each = { a = \"amqp://b:%s@h\" }\n    content {\n      uri = destination.value\n    }\n  }\n}\n",
	"parameter \"pN\" {\n  value = { \"src-uri\" = \"amqp://u:%s@h\", keys = [\"%s\"], open = \"visible\" }\n}\n",
	"parameter \"pN\" {\n  value = merge({ keys = \"%s\" }, {})\n}\n",
	"module \"mN\" {\n  source = \"./child\"\n  secret = \"%s\"\n}\nuser \"uN\" {\n  password = module.mN.pass\n}\n",
	"module \"mN\" {\n  source   = \"./child\"\n  for_each = { a = \"%s\" }\n  secret   = each.value\n}\n",
	"user \"uN\" {\n  password = user.wN.name\n}\nuser \"wN\" {\n  name = \"%s\"\n}\n",
	"user \"uN\" {\n  password = \"\\\"%s\\\\\"\n}\n",
	"user \"uN\" {\n  password = 12345678\n}\nlocals {\n  lN = \"not ${1 + 2} secret\"\n}\n",
	"component \"cN\" {\n  command = [\"x\"]\n  env     = { OPEN = \"fine\", PW = sensitive(\"%s\") }\n}\nparticipant \"pN\" {\n  component = component.cN\n}\n",
	"participant \"pN\" {\n  component = \"msgflo/Drop\"\n  env       = { PW = local.lN, URL = \"amqp://u:%s@h\" }\n}\nlocals {\n  lN = sensitive(\"x%s\")\n}\n",
	"participant \"pN\" {\n  env = { PW = var.vN }\n}\nvariable \"vN\" {\n  sensitive = true\n  default   = \"%s\"\n}\n",
	"graph \"gN\" {\n  participant \"pN\" {\n    env = { PW = sensitive(\"%s\") }\n  }\n  initial \"pN.in\" {\n    data = { a = sensitive(\"%s\") }\n  }\n}\n",
	"user \"uN\" {\n  password = participant.pN.env[\"PW\"]\n}\nparticipant \"pN\" {\n  env = { PW = \"%s\" }\n}\n",
	"launcher \"local\" \"nN\" {\n  token = \"%s\"\n}\n",
	"data \"queue\" \"dN\" {\n  name = \"plain\"\n}\n",
}

const childModule = `variable "secret" {
}
variable "other" {
  default = "fine"
}
user "x" {
  password = "${var.secret}-${var.other}"
}
output "pass" {
  value = "childsecret${var.other}"
}
`

// No literal that is a secret survives, whatever way it is written and
// reached; what is left loads, and the original is recognized.
func TestNoSecretSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := map[string][]byte{"child/c.flo.hcl": []byte(childModule)}
		src := "variable \"env\" {\n}\nmodule \"called\" {\n  source = \"./child\"\n  secret = var.env\n}\n"
		for i, p := range rapid.SliceOfN(rapid.SampledFrom(secretPlaces), 1, 6).Draw(t, "places") {
			secret := rapid.StringMatching(`S3CRET[a-z]{0,4}`).Draw(t, "secret")
			p = strings.NewReplacer("uN", fmt.Sprint("u", i), "vN", fmt.Sprint("v", i), "lN", fmt.Sprint("l", i), "mN", fmt.Sprint("m", i),
				"oN", fmt.Sprint("o", i), "bN", fmt.Sprint("b", i), "sN", fmt.Sprint("s", i), "pN", fmt.Sprint("p", i), "wN", fmt.Sprint("w", i),
				"dN", fmt.Sprint("d", i), "cN", fmt.Sprint("c", i), "gN", fmt.Sprint("g", i), "nN", fmt.Sprint("n", i), "%%", "%", "%s", secret).Replace(p)
			src += p
		}
		if rapid.Bool().Draw(t, "crlf") {
			src = strings.ReplaceAll(src, "\n", "\r\n")
		}
		if rapid.Bool().Draw(t, "bom") {
			src = "\xef\xbb\xbf" + src
		}
		files["main.flo.hcl"] = []byte(src)
		secrets := []string{"S3CRET", "12345678"}
		if strings.Contains(src, "= module.m") { // the output reaches a password
			secrets = append(secrets, "childsecret")
		}
		checkEmbedding(t, files, secrets...)
	})
}

func TestNoSecretSurvivesInJSON(t *testing.T) {
	checkEmbedding(t, map[string][]byte{"main.flo.json": []byte(`{
  "variable": {"env": {}, "s": {"sensitive": true, "default": {"a": ["S3CRET", 123456789, true, null]}}},
  "user": {
    "a": {"password": "S3CRET"}, "b": {"password": "${local.x}"}, "c": {"password": "${env(\"NAME\")}"},
    "d": {"password": "x${var.env}S3CRET"}, "e": {"password": 123456789}
  },
  "locals": {"x": "${upper(\"S3CRET\")}", "y": "amqp:\/\/u:S3CRET@h", "z": "${sensitive(\"S3CRET\")}", "w": "visible"},
  "broker": {"main": {"url": "amqp://u:S3CRET@h"}},
  "shovel": {"s": {"source": {"uri": "amqp://u:S3CRET@h"}}},
  "parameter": {"p": {"value": {"src-uri": "amqp://u:S3CRET@h", "keys": ["S3CRET"], "open": "visible"}}}
}`)}, "S3CRET", "123456789")
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

func checkEmbedding(t failer, files map[string][]byte, secrets ...string) {
	t.Helper()
	o := Options{Types: testTypes(), Version: testVersion, Sources: files}
	m, diags := Load(".", o)
	if diags.HasErrors() {
		t.Fatalf("%s", diagnosticsText(m, diags))
	}
	embedded, cut := m.EmbeddedSources(".")
	again := map[string][]byte{}
	for path, text := range embedded {
		again[path] = []byte(text)
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Fatalf("%s survives in\n%s\nwhich was\n%s", s, text, files[path])
			}
		}
		if changed := text != strings.TrimPrefix(string(files[path]), "\xef\xbb\xbf") && text != string(files[path]); changed != slices.Contains(cut, path) {
			t.Fatalf("%s changed: %v, cut lists %v", path, changed, cut)
		}
		if strings.Count(text, "\n") != strings.Count(string(files[path]), "\n") {
			t.Fatalf("lines moved:\n%s", text)
		}
		restored, err := RestoreCut([]byte(text), files[path])
		if err != nil || string(restored) != string(files[path]) {
			t.Fatalf("%v for\n%s\nwhich was\n%s", err, text, files[path])
		}
	}
	o.Sources = again
	m, diags = Load(".", o)
	if diags.HasErrors() {
		t.Fatalf("what is embedded does not load:\n%s", diagnosticsText(m, diags))
	}
	if names := slices.Sorted(maps.Keys(again)); !slices.Equal(names, slices.Sorted(maps.Keys(files))) {
		t.Fatalf("files %v", names)
	}
}

// What is no secret stays readable, so that a plan can be applied elsewhere.
func TestWhatStays(t *testing.T) {
	src := `
variable "env" {
  default = "dev"
}
user "a" {
  name     = "app"
  password = env("APP_PASSWORD")
  tags     = ["monitoring"]
}
user "b" {
  password = file("secrets/b.txt")
}
broker "main" {
  url      = "amqp://${local.user}:${var.env}@rabbit.example.com:5672/vhost"
  password = var.env == "dev" ? env("DEV") : env("PROD")
}
broker "two" {
  url = "amqp://localhost:5672"
}
locals {
  user = env("X")
  doc  = "https://www.rabbitmq.com/docs/uri-spec?x=y#z, mail@example.com, http://[::1]:15672/@"
}
component "c" {
  command = ["node", "x.js", self.role]
  env     = { LEVEL = "debug" }
}
participant "p" {
  component = component.c
  env       = { PASSWORD = env("APP_PASSWORD"), MODE = "visible" }
}
graph "g" {
  edge "p.out" "p.in" {
  }
  initial "p.in" {
    data = 300
  }
}
launcher "local" "here" {
  directory = "/srv"
  token     = env("TOKEN")
}
parameter "p" {
  value = { "dest-queue" = "jobs", "src-uri" = "amqp://localhost" }
}
`
	m, diags := Load(".", Options{Types: testTypes(), Sources: map[string][]byte{"a.flo.hcl": []byte(src)}})
	if diags.HasErrors() {
		t.Fatal(diagnosticsText(m, diags))
	}
	got, cut := m.EmbeddedSources(".")
	// The default of a variable that reaches a password is one; nothing else is.
	want := strings.Replace(src, `default = "dev"`, `default = "(msgflo: cut)"`, 1)
	if got["a.flo.hcl"] != want || len(cut) != 1 {
		t.Errorf("cut %v:\n%s", cut, got["a.flo.hcl"])
	}
}

func TestRestoreCutSeesChanges(t *testing.T) {
	embedded := "user \"a\" {\n  password = \"(msgflo: cut)\"\n  n        = 0e0\n  url      = \"amqp://(msgflo: cut)@h\"\n}\n"
	for original, same := range map[string]bool{
		"user \"a\" {\n  password = \"x\"\n  n        = 12\n  url      = \"amqp://u:p@h\"\n}\n":                   true,
		"user \"a\" {\n  password = \"y\"\n  n = 12\n  url = \"amqp://u:p@h\"\n}\n":                               true,
		"user \"b\" {\n  password = \"x\"\n  n        = 12\n  url      = \"amqp://u:p@h\"\n}\n":                   false,
		"user \"a\" {\n  password = \"${x}\"\n  n        = 12\n  url      = \"amqp://u:p@h\"\n}\n":                false,
		"user \"a\" {\n  password = \"x\"\n  m        = 12\n  url      = \"amqp://u:p@h\"\n}\n":                   false,
		"user \"a\" {\n  password = \"x\"\n  n        = 12\n  url      = \"amqp://u:p@other\"\n}\n":               false,
		"user \"a\" {\n  password = \"x\"\n  n        = 12\n  url      = \"amqp://u:p@h\"\n}\nqueue \"q\" {\n}\n": false,
		"user \"a\" {\n  password = \"x\"\n  more = 1\n  n        = 12\n  url      = \"amqp://u:p@h\"\n}\n":       false,
		"": false,
	} {
		got, err := RestoreCut([]byte(embedded), []byte(original))
		if (err == nil) != same || same && string(got) != original {
			t.Errorf("%q: %v", original, err)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	for original, same := range map[string]bool{
		`{"a": "s", "n": 3, "u": ["x"]}`: true, `{"a":"t","n":4,"u":["x"]}`: true, `{"a": "s", "n": 3, "u": ["y"]}`: false,
		`{"a": "s", "n": "x", "u": ["x"]}`: false, `{"a": {"b": 1}, "n": 3, "u": ["x"]}`: false, `{"a": "s", "n": 3`: false,
	} {
		if _, err := RestoreCut([]byte(`{"a": "(msgflo: cut)", "n": 0e0, "u": ["x"]}`), []byte(original)); (err == nil) != same {
			t.Errorf("%q: %v", original, err)
		}
	}
}
