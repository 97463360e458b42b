package keeper

import (
	"strings"
	"sync"
)

// notes joins what the vhosts of one keeper have to say, and says once that
// all of them were tried.
type notes struct {
	say   func(string)
	ready func()

	mu    sync.Mutex
	of    []string
	tried []bool
	said  string
	done  bool
}

func (n *notes) set(i int, text string, tried bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[i] = text
	n.tried[i] = n.tried[i] || tried
	var all []string
	for _, t := range n.of {
		if t != "" {
			all = append(all, t)
		}
	}
	if joined := strings.Join(all, "; "); joined != n.said {
		n.said = joined
		n.say(joined)
	}
	for _, t := range n.tried {
		if !t {
			return
		}
	}
	if !n.done {
		n.done = true
		n.ready()
	}
}
