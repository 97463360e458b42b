package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// benchParticipants is how many Node processes the benchmark starts.
const benchParticipants = 50

const echo = `
const msgflo = require('msgflo-nodejs');
const definition = { component: 'Echo', inports: [{ id: 'in' }], outports: [{ id: 'out' }] };
const echo = (port, data, send) => send('out', null, data);
module.exports = (broker, role) => new msgflo.participant.Participant(broker, definition, echo, role);
`

// BenchmarkStart starts a chain of 50 real msgflo-nodejs participants, once
// with the original's msgflo-setup, which ends when each has printed its first
// line, and once with apply, which ends when all are ready. It also weighs what
// looks after them: the agent and one shim for each.
func BenchmarkStart(b *testing.B) {
	broker := rabbittest.Shared(b)
	msgflo, dir := built(b), original(b)
	var setup, apply, destroy series
	var weight float64
	for b.Loop() {
		target := broker.VhostURL(vhost(b, broker, "bench-original"))
		setup = append(setup, runSetup(b, dir, target))
		target = broker.VhostURL(vhost(b, broker, "bench-start"))
		write(b, filepath.Join(dir, "main.flo.hcl"), brokerBlock(broker, target)+chain())
		h := must(newHousehold())
		h.set(b.Setenv)
		apply = append(apply, measured(b, msgflo, "apply", "-auto-approve", dir))
		weight = pss(h, "agent serve", "agent shim") / benchParticipants
		destroy = append(destroy, measured(b, msgflo, "destroy", "-auto-approve", dir))
		h.end()
	}
	b.ReportMetric(0, "ns/op")
	report(b, "start", apply, setup)
	b.ReportMetric(destroy.median().Seconds(), "destroy-s")
	b.ReportMetric(weight/1e6, "MB/participant")
}

// original installs MsgFlo 0.12.3 as its users have it, with 50 roles.
func original(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	write(b, filepath.Join(dir, "package.json"), `{"name": "bench", "private": true,
  "dependencies": {"msgflo": "0.12.3", "msgflo-nodejs": "0.11.1", "amqplib": "0.10.9"},
  "msgflo": {"components": {"Echo": "node node_modules/.bin/msgflo-nodejs --name #ROLE participants/Echo.js"}}}`)
	if err := os.Mkdir(filepath.Join(dir, "participants"), 0o755); err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(dir, "participants", "Echo.js"), echo)
	var flow strings.Builder
	for i := range benchParticipants - 1 {
		fmt.Fprintf(&flow, "p%d(Echo) OUT -> IN p%d(Echo)\n", i, i+1)
	}
	write(b, filepath.Join(dir, "chain.fbp"), flow.String())
	npm := exec.Command("npm", "install", "--no-package-lock", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		b.Fatalf("npm install: %v\n%s", err, out)
	}
	return dir
}

func chain() string {
	var s strings.Builder
	fmt.Fprintf(&s, `
component "Echo" {
  command = ["node", "node_modules/.bin/msgflo-nodejs", "--name", self.role, "participants/Echo.js"]
  client  = "nodejs"
}

participant "p" {
  count     = %d
  role      = "p${count.index}"
  component = component.Echo
}

graph "chain" {
`, benchParticipants)
	for i := range benchParticipants - 1 {
		fmt.Fprintf(&s, "  edge \"p%d.out\" \"p%d.in\" {}\n", i, i+1)
	}
	s.WriteString("}\n")
	return s.String()
}

// runSetup starts the roles with the original and ends them again: it leaves
// them running. They are found by the vhost in their environment.
func runSetup(b *testing.B, dir, target string) measure {
	b.Helper()
	cmd := exec.Command(filepath.Join(dir, "node_modules", ".bin", "msgflo-setup"), "chain.fbp", "--participants", "true")
	cmd.Dir = dir
	// Its library runs msgflo-nodejs by name; and what it starts is found by this.
	cmd.Env = append(os.Environ(), "MSGFLO_BROKER="+target, "PATH="+filepath.Join(dir, "node_modules", ".bin")+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	m := measure{wall: time.Since(begin)}
	started := running(func(_ string, env []byte) bool { return bytes.Contains(env, []byte("MSGFLO_BROKER="+target+"\x00")) })
	for pid := range started {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil || len(started) != benchParticipants {
		b.Fatalf("msgflo-setup: %v, %d started\n%s", err, len(started), out.String())
	}
	return m
}

var pssLine = regexp.MustCompile(`(?m)^Pss: +([0-9]+) kB`)

// pss is the memory, in bytes, of a household's processes of these kinds: what
// is shared counts in parts.
func pss(h household, kinds ...string) (sum float64) {
	for pid, cmdline := range h.processes() {
		for _, kind := range kinds {
			if !strings.Contains(cmdline, kind) {
				continue
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
			if m := pssLine.FindSubmatch(b); err == nil && m != nil {
				kb, _ := strconv.ParseFloat(string(m[1]), 64)
				sum += kb * 1024
			}
		}
	}
	return sum
}
