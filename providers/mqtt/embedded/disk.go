package embedded

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/storage"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.etcd.io/bbolt"
)

// A disk keeps what outlives the broker: retained messages, and the sessions
// that outlive their connections, with their subscriptions and what is queued
// for them. mochi-mqtt's own storage loses the packet ids of the latter.
//
// A change is written before the broker goes on, and survives the process; the
// file is synced once a second, which bounds what a power cut takes.
type disk struct {
	mochi.HookBase
	db     *bbolt.DB
	number *atomic.Int64
	log    *slog.Logger
}

// Buckets of the file.
const (
	sessions      = "sessions"      // by client id
	subscriptions = "subscriptions" // by client id, 0, filter
	queued        = "queued"        // by client id, 0, packet id
	retained      = "retained"      // by topic
	shared        = "shared"        // by filter: there is somebody in the group
)

func openDisk(path string, number *atomic.Int64, log *slog.Logger) (*disk, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	d := &disk{db: db, number: number, log: log}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{sessions, subscriptions, queued, retained, shared} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close() // the error above says more
		return nil, err
	}
	return d, nil
}

// syncing syncs until stopped is closed.
func (d *disk) syncing(stopped <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.failed(d.db.Sync())
		case <-stopped:
			return
		}
	}
}

// ID implements mochi.Hook.
func (d *disk) ID() string { return "disk" }

// Provides implements mochi.Hook.
func (d *disk) Provides(b byte) bool {
	return slices.Contains([]byte{
		mochi.OnSessionEstablished, mochi.OnWillSent, mochi.OnDisconnect, mochi.OnClientExpired,
		mochi.OnSubscribed, mochi.OnUnsubscribed, mochi.OnRetainMessage, mochi.OnRetainedExpired,
		mochi.OnQosPublish, mochi.OnQosComplete, mochi.OnQosDropped,
		mochi.StoredClients, mochi.StoredSubscriptions, mochi.StoredInflightMessages, mochi.StoredRetainedMessages,
	}, b)
}

func (d *disk) failed(err error) {
	if err != nil {
		d.log.Error("the embedded broker cannot keep a change", "error", err)
	}
}

func (d *disk) put(bucket, key string, v any) {
	data, err := json.Marshal(v)
	if err == nil {
		err = d.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), data) })
	}
	d.failed(err)
}

// remove takes keys away; what is not there costs no write.
func (d *disk) remove(bucket string, keys ...string) {
	var there []string
	err := d.db.View(func(tx *bbolt.Tx) error {
		for _, k := range keys {
			if tx.Bucket([]byte(bucket)).Get([]byte(k)) != nil {
				there = append(there, k)
			}
		}
		return nil
	})
	if err == nil && len(there) > 0 {
		err = d.db.Update(func(tx *bbolt.Tx) error {
			for _, k := range there {
				if err := tx.Bucket([]byte(bucket)).Delete([]byte(k)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	d.failed(err)
}

func (d *disk) keys(bucket string) (all []string, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(k, _ []byte) error {
			all = append(all, string(k))
			return nil
		})
	})
	return all, err
}

func read[T any](d *disk, bucket string) (all []T, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(_, data []byte) error {
			var v T
			if err := json.Unmarshal(data, &v); err != nil {
				return err
			}
			all = append(all, v)
			return nil
		})
	})
	return all, err
}

// keeps reports whether a session outlives its connection.
func keeps(cl *mochi.Client) bool {
	if cl.Properties.ProtocolVersion >= 5 {
		return cl.Properties.Props.SessionExpiryInterval > 0
	}
	return !cl.Properties.Clean
}

// OnSessionEstablished implements mochi.Hook. A session that ends with its
// connection takes the place of a kept one of the same name.
func (d *disk) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	if keeps(cl) {
		d.put(sessions, cl.ID, sessionOf(cl))
	} else {
		d.remove(sessions, cl.ID)
	}
}

// OnWillSent implements mochi.Hook: the will is gone.
func (d *disk) OnWillSent(cl *mochi.Client, pk packets.Packet) { d.OnSessionEstablished(cl, pk) }

// OnDisconnect implements mochi.Hook.
func (d *disk) OnDisconnect(cl *mochi.Client, _ error, expire bool) {
	if expire && !cl.IsTakenOver() {
		d.remove(sessions, cl.ID)
	}
}

// OnClientExpired implements mochi.Hook.
func (d *disk) OnClientExpired(cl *mochi.Client) { d.remove(sessions, cl.ID) }

// OnSubscribed implements mochi.Hook.
func (d *disk) OnSubscribed(cl *mochi.Client, pk packets.Packet, codes []byte) {
	if !keeps(cl) {
		return
	}
	for i, f := range pk.Filters {
		if i < len(codes) && codes[i] <= packets.CodeGrantedQos2.Code {
			d.put(subscriptions, cl.ID+"\x00"+f.Filter, storage.Subscription{
				Client: cl.ID, Filter: f.Filter, Qos: codes[i], Identifier: f.Identifier,
				NoLocal: f.NoLocal, RetainHandling: f.RetainHandling, RetainAsPublished: f.RetainAsPublished,
			})
		}
	}
}

// OnUnsubscribed implements mochi.Hook.
func (d *disk) OnUnsubscribed(cl *mochi.Client, pk packets.Packet) {
	keys := make([]string, len(pk.Filters))
	for i, f := range pk.Filters {
		keys[i] = cl.ID + "\x00" + f.Filter
	}
	d.remove(subscriptions, keys...)
}

// OnRetainMessage implements mochi.Hook; -1 says that none is retained any more.
func (d *disk) OnRetainMessage(_ *mochi.Client, pk packets.Packet, r int64) {
	if r == -1 {
		d.remove(retained, pk.TopicName)
	} else {
		d.put(retained, pk.TopicName, messageOf("", pk))
	}
}

// OnRetainedExpired implements mochi.Hook.
func (d *disk) OnRetainedExpired(topic string) { d.remove(retained, topic) }

func queueKey(cl *mochi.Client, id uint16) string {
	return string(binary.BigEndian.AppendUint16([]byte(cl.ID+"\x00"), id))
}

// OnQosPublish implements mochi.Hook. Acknowledgements are not kept.
func (d *disk) OnQosPublish(cl *mochi.Client, pk packets.Packet, _ int64, _ int) {
	if keeps(cl) && pk.FixedHeader.Type == packets.Publish {
		d.put(queued, queueKey(cl, pk.PacketID), messageOf(cl.ID, pk))
	}
}

// OnQosComplete implements mochi.Hook. It is also called for what the client
// published, which has this reason; nothing of that is kept.
func (d *disk) OnQosComplete(cl *mochi.Client, pk packets.Packet) {
	own := pk.FixedHeader.Type == packets.Puback && pk.ReasonCode == packets.CodeGrantedQos1.Code
	if keeps(cl) && !own {
		d.remove(queued, queueKey(cl, pk.PacketID))
	}
}

// OnQosDropped implements mochi.Hook.
func (d *disk) OnQosDropped(cl *mochi.Client, pk packets.Packet) {
	if keeps(cl) {
		d.remove(queued, queueKey(cl, pk.PacketID))
	}
}

// StoredClients implements mochi.Hook.
func (d *disk) StoredClients() ([]storage.Client, error) { return read[storage.Client](d, sessions) }

// StoredSubscriptions implements mochi.Hook.
func (d *disk) StoredSubscriptions() ([]storage.Subscription, error) {
	return read[storage.Subscription](d, subscriptions)
}

// StoredRetainedMessages implements mochi.Hook.
func (d *disk) StoredRetainedMessages() ([]storage.Message, error) {
	return read[storage.Message](d, retained)
}

// StoredInflightMessages implements mochi.Hook. Numbers go on after them.
func (d *disk) StoredInflightMessages() ([]storage.Message, error) {
	all, err := read[storage.Message](d, queued)
	for _, m := range all {
		d.number.Store(max(d.number.Load(), m.Created))
	}
	return all, err
}

func sessionOf(cl *mochi.Client) storage.Client {
	p := cl.Properties.Props.Copy(false)
	return storage.Client{
		ID: cl.ID, Listener: cl.Net.Listener, Clean: cl.Properties.Clean, ProtocolVersion: cl.Properties.ProtocolVersion,
		Will: storage.ClientWill(cl.Properties.Will),
		Properties: storage.ClientProperties{
			SessionExpiryInterval: p.SessionExpiryInterval, SessionExpiryIntervalFlag: p.SessionExpiryIntervalFlag,
			RequestProblemInfo: p.RequestProblemInfo, RequestProblemInfoFlag: p.RequestProblemInfoFlag,
			RequestResponseInfo: p.RequestResponseInfo, ReceiveMaximum: p.ReceiveMaximum,
			TopicAliasMaximum: p.TopicAliasMaximum, User: p.User, MaximumPacketSize: p.MaximumPacketSize,
		},
	}
}

func messageOf(client string, pk packets.Packet) storage.Message {
	p := pk.Properties.Copy(false)
	return storage.Message{
		Client: client, Origin: pk.Origin, PacketID: pk.PacketID, FixedHeader: pk.FixedHeader,
		TopicName: pk.TopicName, Payload: pk.Payload, Created: pk.Created,
		Properties: storage.MessageProperties{
			PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag, MessageExpiryInterval: p.MessageExpiryInterval,
			ContentType: p.ContentType, ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData,
			SubscriptionIdentifier: p.SubscriptionIdentifier, User: p.User,
		},
	}
}
