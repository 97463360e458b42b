package retained

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// TestSilent: a broker that drops what may not be published, and confirms it,
// is not waited for as long as one that has much to say.
func TestSilent(t *testing.T) {
	list := filepath.Join(t.TempDir(), "acl")
	if err := os.WriteFile(list, []byte("topic readwrite other/#\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"acl_file " + list}})
	ctx, cancel := context.WithTimeout(t.Context(), limit/2)
	defer cancel()
	r, err := Dial(ctx, mqtt.Options{URL: b.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.silence = 2
	if _, err := r.Read(ctx, "other/topic"); !errors.Is(err, ErrSilent) {
		t.Error(err)
	}
}
