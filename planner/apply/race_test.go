//go:build race

package apply_test

import "flag"

// lighten: with the race detector a secret's hash, which is made to be slow,
// takes ten times as long, and there are tens of thousands of them. Races show
// in a quarter of the cases too; all are run without it. -rapid.checks wins.
func lighten() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
}
