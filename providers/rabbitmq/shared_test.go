package rabbitmq_test

import (
	"testing"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/providertest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// What is shared bears nobody's mark: another client that looks for the queue
// fbp finds it as MsgFlo declares it, and another lineage does not take it for ours.
func TestSharedIsUnmarked(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p := open(t, b, vhost, nil)
	for _, typ := range []string{"queue", "exchange"} {
		for _, shared := range []bool{true, false} {
			v := value(typ, attrs{"vhost": str(vhost), "name": str("fbp")})
			if _, err := apply(t, p, typ, null(typ), v, func(c *providers.Change) { c.Shared = shared }); err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: "", false: providertest.Lineage}[shared]
			if got := readOne(t, p, typ, v).Owner; got != want {
				t.Errorf("%s, shared %v: its owner is %q", typ, shared, got)
			}
			if _, err := apply(t, p, typ, v, null(typ)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
