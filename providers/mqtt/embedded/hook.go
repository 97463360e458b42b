package embedded

import (
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// A mend puts right what mochi-mqtt 2.7 does otherwise than we promise:
//
//   - It acknowledges a QoS 1 message before it is queued for anybody, so that
//     a crash in between loses it. Here it is delivered, and stored, first, or written
//     where it is not stored; see way.
//   - It orders what waits for a session by the second of its creation, so that
//     a backlog comes in any order. Here the creation is a number. (It compares
//     16 bits of it: of a backlog across a multiple of 65 536 the later part
//     comes first.)
//   - It takes the packet ids of both directions for one set: a message from
//     the client makes it forget a message to the client of the same number,
//     and a request with such a number is refused. Here the ids of the client
//     are others inside, wherever they would meet.
//   - It loses what comes while a session goes from one connection to the next;
//     see takeover.
//
// It also lets everybody in: there are no users.
type mend struct {
	mochi.HookBase
	server  *mochi.Server
	carrier *mochi.Client // publishes for others
	number  *atomic.Int64
	handing takeover
	ids     *ids
	way     *way
}

func newMend(s *mochi.Server, number *atomic.Int64) *mend {
	h := &mend{server: s, number: number, ids: newIDs(), way: newWay()}
	h.handing.init()
	h.carrier = s.NewClient(nil, mochi.LocalListener, "msgflo-carrier", true)
	h.carrier.Properties.ProtocolVersion = 4
	return h
}

// ID implements mochi.Hook.
func (h *mend) ID() string { return "mend" }

// Provides implements mochi.Hook.
func (h *mend) Provides(b byte) bool {
	switch b {
	case mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublish, mochi.OnPublished, mochi.OnQosPublish, mochi.OnPublishDropped, mochi.OnPacketRead, mochi.OnPacketEncode, mochi.OnPacketSent, mochi.OnDisconnect, mochi.OnSessionEstablish:
		return true
	}
	return false
}

// OnConnectAuthenticate implements mochi.Hook.
func (h *mend) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnACLCheck implements mochi.Hook.
func (h *mend) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// OnSessionEstablish implements mochi.Hook.
func (h *mend) OnSessionEstablish(cl *mochi.Client, pk packets.Packet) {
	oust(h.server, cl)
	if !pk.Connect.Clean {
		h.handing.begin(cl)
	}
}

// OnPublish numbers a message, and delivers it before it is acknowledged. Of
// MQTT 5 it leaves the order of things: a carrier's message would come back to
// its sender although he wants none of his own.
func (h *mend) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Qos == 0 || cl == h.carrier || cl.Properties.ProtocolVersion >= 5 {
		pk.Created = h.number.Add(1)
		if pk.FixedHeader.Qos > 0 && cl == h.carrier {
			h.way.begin(pk.Created)
		}
		return pk, nil
	}
	if err := h.handing.queue(func() error { return h.server.InjectPacket(h.carrier, pk) }); err != nil {
		return pk, err
	}
	return pk, packets.CodeSuccessIgnore
}

// OnQosPublish implements mochi.Hook.
func (h *mend) OnQosPublish(cl *mochi.Client, pk packets.Packet, _ int64, _ int) { h.way.add(cl, pk) }

// OnPublishDropped implements mochi.Hook.
func (h *mend) OnPublishDropped(cl *mochi.Client, pk packets.Packet) { h.way.dropped(cl, pk.Created) }

// OnPublished implements mochi.Hook.
func (h *mend) OnPublished(cl *mochi.Client, pk packets.Packet) {
	if cl == h.carrier {
		h.way.wait(pk.Created)
	}
}

// OnPacketRead gives a request of the client another id if a message to him has
// that one.
func (h *mend) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	switch {
	case pk.FixedHeader.Type == packets.Subscribe, pk.FixedHeader.Type == packets.Unsubscribe, pk.FixedHeader.Type == packets.Pubrel:
	case pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 0:
	default:
		return pk, nil
	}
	pk.PacketID = h.ids.inner(cl, pk)
	return pk, nil
}

// OnPacketEncode gives an answer the client's own id again.
func (h *mend) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Suback, packets.Unsuback, packets.Puback, packets.Pubrec, packets.Pubcomp:
		pk.PacketID = h.ids.own(cl, pk)
	}
	return pk
}

// OnPacketSent ends the handing over of a session once its new connection has
// been answered. Before that a message could be written first, and a client that
// gets anything before the answer gives up.
func (h *mend) OnPacketSent(cl *mochi.Client, pk packets.Packet, _ []byte) {
	switch pk.FixedHeader.Type {
	case packets.Connack:
		h.handing.end(cl)
	case packets.Publish:
		h.way.sent(cl, pk)
	}
}

// OnDisconnect implements mochi.Hook.
func (h *mend) OnDisconnect(cl *mochi.Client, _ error, _ bool) { h.ids.forget(cl) }
