package rabbitmq

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
)

// show writes a value that is no secret for an error message.
func show(v cty.Value) string {
	if !attr.Given(v) {
		return "nothing"
	}
	b, err := json.Marshal(toWire(v))
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(b)
}
