package cli

import (
	"strings"
	"testing"
)

func TestTargetsSayWhose(t *testing.T) {
	for whose, want := range map[string]string{"target": `-target: "x" is no address`, "state show": `state show: "x" is no address`} {
		if _, err := targets(whose, []string{"x"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", whose, err)
		}
	}
}
