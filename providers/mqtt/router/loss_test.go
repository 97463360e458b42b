package router_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Nothing that the broker took with QoS 1 is lost, whatever happens to the
// router, the broker and the routes meanwhile.
func TestNothingLost(t *testing.T) {
	const restarted = "broker restarted"
	// "keep" is there all the time; a disturbance may change what is beside it.
	keep := routes.Route{From: "from/+", To: "to", QoS: 1}
	for name, disturb := range map[string]func(t *testing.T, w *world, more func()){
		"killed": func(t *testing.T, w *world, more func()) {
			for range 3 {
				kill := w.process()
				more()
				kill()
				more()
			}
			w.router()
		},
		"stopped and started": func(t *testing.T, w *world, more func()) {
			for range 3 {
				r := w.router()
				more()
				r.stop()
				more()
			}
			w.router()
		},
		"standby takes over": func(t *testing.T, w *world, more func()) {
			kill := w.process()
			more()
			second := w.router() // takes over
			more()
			kill()
			more()
			// The last comer carries, unless the killed one's will has just taken the second's
			// announcement away: then it knows of nobody to be above.
			carries, standsBy := w.router(), second
			eventually(t, "one of them stands by", func() bool { return (carries.note() == "") != (standsBy.note() == "") })
			if carries.note() != "" {
				carries, standsBy = standsBy, carries
			}
			more()
			carries.stop()
			eventually(t, "the other carries", func() bool { return standsBy.note() == "" })
			more()
		},
		restarted: func(t *testing.T, w *world, more func()) {
			w.router()
			more()
			w.restart()
			more()
			w.restart()
			more()
		},
		"routes changed": func(t *testing.T, w *world, more func()) {
			w.router()
			for i := range 2 {
				w.route(keep, routes.Route{From: "from/#", To: fmt.Sprint("beside/", i), QoS: 1}, routes.Route{From: "from/1", To: "beside/exact", QoS: byte(i % 2)})
				more()
				w.route(routes.Route{From: keep.From, To: keep.To, QoS: 1, Retain: i%2 == 0})
				more()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, name == restarted, func(t *testing.T, w *world) {
				count := w.count("to")
				w.put(keep)
				first := w.router() // so that there is a session to queue for
				w.carried(w.doc.Revision)
				first.stop()
				p := w.publish(t)
				disturb(t, w, func() { p.more(300) })
				sent := p.stop()
				missing := func() int {
					n := 0
					for i := range sent {
						if count.of(i) == 0 {
							n++
						}
					}
					return n
				}
				if n := settles(missing, func(n int) bool { return n == 0 }); n > 0 {
					t.Fatalf("%d of %d are lost", n, sent)
				}
				twice := 0
				for i := range sent {
					if count.of(i) > 1 {
						twice++
					}
				}
				t.Logf("%d messages, %d of them more than once", sent, twice)
			})
		})
	}
}

// process starts a router in a process of its own; kill is SIGKILL.
func (w *world) process() (kill func()) {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), routerEnv+"="+w.url+" "+w.lineage)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		w.t.Fatalf("the router's process says %q, %v", line, err)
	}
	return kill
}

// A publisher sends numbers with QoS 1 until it is stopped.
type publisher struct {
	t     *testing.T
	mu    sync.Mutex
	done  int // taken by the broker
	end   context.CancelFunc
	ended chan int
}

func (w *world) publish(t *testing.T) *publisher {
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(w.url)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{t: t, end: cancel, ended: make(chan int, 1)}
	t.Cleanup(func() {
		cancel()
		c.Close()
	})
	go func() {
		var way sync.WaitGroup
		room := make(chan struct{}, 20)
		i := 0
		for ; ctx.Err() == nil; i++ {
			room <- struct{}{}
			way.Add(1)
			c.Send(context.Background(), mqtt.Outgoing{Topic: "from/" + strconv.Itoa(i%3), Body: []byte(strconv.Itoa(i)), QoS: 1}, func(err error) {
				p.mu.Lock()
				defer p.mu.Unlock()
				if err == nil {
					p.done++
				} else {
					t.Error(err)
				}
				<-room
				way.Done()
			})
		}
		way.Wait()
		p.ended <- i
	}()
	return p
}

// more waits until the broker has taken so many more.
func (p *publisher) more(n int) {
	p.t.Helper()
	now := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.done
	}
	begin := now()
	if got := settles(now, func(done int) bool { return done >= begin+n }) - begin; got < n {
		p.t.Fatalf("the broker takes %d messages of %d, and then no more", got, n)
	}
}

// settles waits until a number is enough, as long as it changes: how long all
// takes depends on the machine. It returns the last.
func settles(now func() int, enough func(int) bool) int {
	last := now()
	for end := time.Now().Add(patience); !enough(last) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n := now(); n != last {
			last, end = n, time.Now().Add(patience)
		}
	}
	return last
}

func (p *publisher) stop() (sent int) {
	p.end()
	return <-p.ended
}

// A counter counts numbers that arrive at a topic, in a session that stays.
type counter struct {
	mu   sync.Mutex
	seen map[int]int
}

func (c *counter) of(i int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[i]
}

func (w *world) count(topic string) *counter { return w.countAs(topic, "counter") }

func (w *world) countAs(topic, id string) *counter {
	w.t.Helper()
	out := &counter{seen: map[int]int{}}
	o := fast(w.url)
	o.ClientID = id
	c, err := mqtt.DialClient(w.t.Context(), mqtt.ClientOptions{Options: o, KeepSession: true, Receive: func(m mqtt.Received) {
		i, err := strconv.Atoi(string(m.Body))
		if err != nil {
			w.t.Errorf("%q arrives", m.Body)
		}
		out.mu.Lock()
		out.seen[i]++
		out.mu.Unlock()
		_ = m.Ack() // delivered again where the connection broke
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.Subscribe(w.t.Context(), mqtt.Filter{Topic: topic, QoS: 1}); err != nil {
		w.t.Fatal(err)
	}
	return out
}
