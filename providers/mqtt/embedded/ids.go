package embedded

import (
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// An ids keeps the packet ids that clients give to their requests apart from
// those of the messages to them: inside, some of the former are others, from the
// request to its last answer. (A session that goes on with another connection
// between the two packets of a QoS 2 message may thereby publish it twice.)
type ids struct {
	mu     sync.Mutex
	owns   map[clientID]uint16 // the client's own, by the one inside
	inners map[clientID]uint16 // the other way round
}

type clientID struct {
	client *mochi.Client
	id     uint16
}

func newIDs() *ids { return &ids{owns: map[clientID]uint16{}, inners: map[clientID]uint16{}} }

// inner is the id inside of a client's packet. Half the numbers away there is no
// message to him: they are given one by one.
func (i *ids) inner(cl *mochi.Client, pk packets.Packet) uint16 {
	i.mu.Lock()
	defer i.mu.Unlock()
	own := pk.PacketID
	if id, ok := i.inners[clientID{cl, own}]; ok {
		return id
	}
	there, taken := cl.State.Inflight.Get(own)
	// The second packet of a QoS 2 message, or its first once more, is no other.
	if !taken || there.FixedHeader.Type == packets.Pubrec || pk.FixedHeader.Type == packets.Pubrel {
		return own
	}
	id := own + 1<<15
	for range 1 << 16 {
		if _, taken := cl.State.Inflight.Get(id); id != 0 && !taken {
			i.owns[clientID{cl, id}], i.inners[clientID{cl, own}] = own, id
			return id
		}
		id++
	}
	return own
}

// own is the client's id of an answer, and forgets it with the last.
func (i *ids) own(cl *mochi.Client, pk packets.Packet) uint16 {
	i.mu.Lock()
	defer i.mu.Unlock()
	own, ok := i.owns[clientID{cl, pk.PacketID}]
	if !ok {
		return pk.PacketID
	}
	if pk.FixedHeader.Type != packets.Pubrec {
		delete(i.owns, clientID{cl, pk.PacketID})
		delete(i.inners, clientID{cl, own})
	}
	return own
}

// forget forgets what was never answered.
func (i *ids) forget(cl *mochi.Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for k, own := range i.owns {
		if k.client == cl {
			delete(i.owns, k)
			delete(i.inners, clientID{cl, own})
		}
	}
}
