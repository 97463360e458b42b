package embedded

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// comeback is how long publishers wait for groups that were there before the
// broker was killed: a participant tries again every 7.5 seconds at the latest (retry).
const comeback = 10 * time.Second

// A groups knows who shares subscriptions, and makes those who publish to a
// group wait while it is about to come back. Participants in Go share with sessions that
// end with their connection, so nothing would be queued for them between the
// broker's start and theirs; what is not acknowledged, its sender keeps.
type groups struct {
	mochi.HookBase
	store *disk

	mu      sync.Mutex
	members map[string]map[string]bool // clients, by filter: $share/GROUP/TOPIC
	missing map[string]chan struct{}   // groups of an earlier life, by filter; closed when a member is there
	index   *mochi.TopicsIndex         // of missing
	closing chan struct{}              // closed when the broker ends: who leaves then comes back
}

// newGroups reads who was there. Waiting begins with it.
func newGroups(store *disk) (*groups, error) {
	h := &groups{store: store, members: map[string]map[string]bool{}, missing: map[string]chan struct{}{}, index: mochi.NewTopicsIndex(), closing: make(chan struct{})}
	filters, err := store.keys(shared)
	for _, f := range filters {
		h.missing[f] = make(chan struct{})
		h.index.Subscribe("missing", packets.Subscription{Filter: f})
	}
	return h, err
}

// waiting ends the waiting for who does not come back, and forgets them.
func (h *groups) waiting(most time.Duration, stopped <-chan struct{}) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stopped:
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.missing {
		h.back(f)
		h.store.remove(shared, f)
	}
}

func (h *groups) back(filter string) {
	if c, ok := h.missing[filter]; ok {
		close(c)
		delete(h.missing, filter)
	}
}

// close lets all go who wait. What they wanted to publish is not acknowledged.
func (h *groups) close() { close(h.closing) }

func (h *groups) closed() bool {
	select {
	case <-h.closing:
		return true
	default:
		return false
	}
}

// ID implements mochi.Hook.
func (h *groups) ID() string { return "groups" }

// Provides implements mochi.Hook.
func (h *groups) Provides(b byte) bool {
	return b == mochi.OnPublish || b == mochi.OnSubscribed || b == mochi.OnUnsubscribed || b == mochi.OnDisconnect
}

// OnSubscribed implements mochi.Hook. For a session that is kept messages are
// queued, also while it is away: nobody need wait for it.
func (h *groups) OnSubscribed(cl *mochi.Client, pk packets.Packet, codes []byte) {
	if keeps(cl) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, f := range pk.Filters {
		if !mochi.IsSharedFilter(f.Filter) || i >= len(codes) || codes[i] > packets.CodeGrantedQos2.Code {
			continue
		}
		if h.members[f.Filter] == nil {
			h.members[f.Filter] = map[string]bool{}
			h.store.put(shared, f.Filter, true)
		}
		h.members[f.Filter][cl.ID] = true
		h.back(f.Filter)
	}
}

// OnUnsubscribed implements mochi.Hook.
func (h *groups) OnUnsubscribed(cl *mochi.Client, pk packets.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range pk.Filters {
		h.leave(cl, f.Filter)
	}
}

// OnDisconnect implements mochi.Hook.
func (h *groups) OnDisconnect(cl *mochi.Client, _ error, _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.members {
		h.leave(cl, f)
	}
}

// leave forgets a group with its last member, unless it is the broker that goes.
func (h *groups) leave(cl *mochi.Client, filter string) {
	m := h.members[filter]
	if !m[cl.ID] || cl.IsTakenOver() {
		return
	}
	delete(m, cl.ID)
	if len(m) == 0 && !h.closed() {
		delete(h.members, filter)
		h.store.remove(shared, filter)
	}
}

// OnPublish keeps what must not get lost until somebody is there for it.
func (h *groups) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Qos == 0 {
		return pk, nil
	}
	for _, c := range h.awaited(pk.TopicName) {
		select {
		case <-c:
		case <-h.closing:
			return pk, packets.ErrRejectPacket
		}
	}
	return pk, nil
}

// awaited are the groups that a message is for and that have not come back.
func (h *groups) awaited(topic string) (out []chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.missing) == 0 {
		return nil
	}
	for _, group := range h.index.Subscribers(topic).Shared {
		for _, s := range group {
			if c, ok := h.missing[s.Filter]; ok {
				out = append(out, c)
			}
		}
	}
	return out
}
