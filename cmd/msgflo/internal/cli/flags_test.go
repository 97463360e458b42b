package cli

import (
	"strings"
	"testing"
)

func TestTargetsSayWhose(t *testing.T) {
	bad := []string{"x"}
	for whose, o := range map[string]options{
		"-target": {target: bad}, "-exclude": {exclude: bad}, "-replace": {replace: bad}, "-allow-message-loss": {allow: bad},
	} {
		if _, err := o.planOptions(); err == nil || !strings.HasPrefix(err.Error(), whose+`: "x" is no address`) {
			t.Errorf("%s: %v", whose, err)
		}
	}
}
