package ui

import (
	"io"
	"sync"
	"time"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/config/diag"
)

// Verbs are an act in two tenses: restarting, restarted.
type Verbs struct{ Doing, Did string }

// Acts tells how acts on roles go, a line each. Its methods may be called from
// several goroutines.
type Acts struct {
	mu   sync.Mutex
	w    io.Writer
	json bool
	err  error
}

// NewActs writes to w; with json an object a line: {"role", "act", "event":
// "begin" | "progress" | "end", "text", "seconds", "error"}.
func NewActs(w io.Writer, json bool) *Acts { return &Acts{w: w, json: json} }

type actEvent struct {
	Role    string  `json:"role"`
	Act     string  `json:"act,omitempty"`
	Event   string  `json:"event"`
	Text    string  `json:"text,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Begin says that the act on a role begins.
func (a *Acts) Begin(role string, v Verbs) {
	a.write(actEvent{Role: role, Act: v.Doing, Event: "begin"}, v.Doing+"…")
}

// Progress passes on what the agent says meanwhile.
func (a *Acts) Progress(role, text string) {
	if text != "" {
		a.write(actEvent{Role: role, Event: "progress", Text: text}, diag.Escape(text))
	}
}

// End says how the act ended; the error itself is told elsewhere.
func (a *Acts) End(role string, v Verbs, took time.Duration, err error) {
	e := actEvent{Role: role, Act: v.Did, Event: "end", Seconds: took.Seconds()}
	if err != nil {
		e.Error = err.Error()
		a.write(e, v.Doing+" failed ("+duration(took)+")")
		return
	}
	a.write(e, v.Did+" ("+duration(took)+")")
}

func (a *Acts) write(e actEvent, line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := []byte(diag.Escape(e.Role) + ": " + line + "\n")
	var err error
	if a.json {
		b, err = tfjson.Encode(e)
	}
	if err == nil {
		_, err = a.w.Write(b)
	}
	if a.err == nil {
		a.err = err
	}
}

// Err is the first error of writing.
func (a *Acts) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}
