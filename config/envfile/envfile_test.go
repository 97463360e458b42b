package envfile_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/envfile"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		src  string
		want []envfile.Var
	}{
		{"", nil},
		{"# nothing\n\n  # here\n", nil},
		{"A=1\nB=2", []envfile.Var{{Name: "A", Value: "1", Line: 1}, {Name: "B", Value: "2", Line: 2}}},
		{"\ufeffA=1\r\nB=2\r\n", []envfile.Var{{Name: "A", Value: "1", Line: 1}, {Name: "B", Value: "2", Line: 2}}},
		{"\n export  A = x y \n", []envfile.Var{{Name: "A", Value: "x y", Line: 2}}},
		{"A=a=b#c", []envfile.Var{{Name: "A", Value: "a=b#c", Line: 1}}},
		{"A=", []envfile.Var{{Name: "A", Line: 1}}},
		{`A=" x "`, []envfile.Var{{Name: "A", Value: " x ", Line: 1}}},
		{`A='it "is"'`, []envfile.Var{{Name: "A", Value: `it "is"`, Line: 1}}},
		{`A=x"y"`, []envfile.Var{{Name: "A", Value: `x"y"`, Line: 1}}},
		{"exporter=1", []envfile.Var{{Name: "exporter", Value: "1", Line: 1}}},
	} {
		got, err := envfile.Parse("f", c.src)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %v", c.src, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for src, says := range map[string]string{
		"A=1\nhunter2":     `line 2 of "f" has no =`,
		"=hunter2":         `line 1 of "f" has no usable name`,
		"A B=hunter2":      `line 1 of "f" has no usable name`,
		"\nA=\"hunter2":    `line 2 of "f" begins its value with a quote`,
		"A=\"":             `line 1 of "f" begins its value with a quote`,
		"A=\"hunter2\" #x": `line 1 of "f" begins its value with a quote`,
	} {
		_, err := envfile.Parse("f", src)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", src, err)
		}
	}
}

// FuzzParse: no panic, no value in an error, and every name has what it takes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"A=1", "export A='x'\n#\nB=\"", "=\n", "A\x00=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		vars, err := envfile.Parse("f", src+"\nLAST=s3cr3t")
		if err != nil {
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Fatal(err)
			}
			return
		}
		for _, v := range vars {
			if v.Name == "" || strings.ContainsAny(v.Name, "= \t\n") || strings.Contains(v.Value, "\n") {
				t.Fatalf("%+v", v)
			}
		}
		if last := vars[len(vars)-1]; last.Name != "LAST" || last.Value != "s3cr3t" {
			t.Fatalf("the last one is %+v", last)
		}
	})
}
