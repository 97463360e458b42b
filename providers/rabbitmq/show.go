package rabbitmq

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// show writes a value that is no secret for an error message.
func show(v cty.Value) string {
	if !set(v) {
		return "nothing"
	}
	b, err := json.Marshal(toWire(v))
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(b)
}
