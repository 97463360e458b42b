package agent

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// pss is the memory of a process in KB, shared pages divided among those that
// share them.
func pss(t testing.TB, pid int) (kb int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if n, _ := fmt.Sscanf(s.Text(), "Pss: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no Pss")
	return 0
}

// What agent and shims cost beside the participants: the sum of their PSS, a
// participant, with 20 of them running.
func TestMemory(t *testing.T) {
	w := newWorld(t)
	c := w.ensure(nil)
	const n = 20
	s := w.shell("many", "sleep 1000")
	s.Replicas = n
	s.Command = []string{"sleep", "1000"}
	w.put(c, s)
	sum, shims := pss(t, w.agentPID(c)), 0
	agent := sum
	for _, pid := range w.pids(c, s) {
		st, err := readStat(pid)
		if err != nil {
			t.Fatal(err)
		}
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.parent))
		if strings.HasPrefix(string(args), "msgflo\x00agent\x00shim\x00main/many[") {
			sum += pss(t, st.parent)
			shims++
		}
	}
	t.Logf("agent %d KB, %d shims, %d KB a participant", agent, shims, sum/n)
	if shims != n || sum/n > 5<<10 && !racing {
		t.Errorf("%d shims, %d KB a participant", shims, sum/n)
	}
	w.delete(c, s)
}

// BenchmarkPut is one participant there and gone again, through the agent.
func BenchmarkPut(b *testing.B) {
	w := newWorld(b)
	w.agent(nil)
	c := w.client()
	w.put(c, w.shell("first", "exec sleep 1000")) // an agent that holds nothing would end
	for b.Loop() {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				s := w.shell(fmt.Sprint("role", i), "exec sleep 1000")
				o := w.object(s)
				if _, err := c.Put(b.Context(), o, nil); err != nil {
					b.Error(err)
				}
				if err := c.Delete(b.Context(), o.Key, nil); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/50, "µs/participant")
}
