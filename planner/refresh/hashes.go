package refresh

import (
	"context"
	"runtime"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// compareHashes says of every wanted write-only value whose hash is recorded
// whether it still has it. argon2id is slow and hungry by design (19 MiB and
// more a time), so as many run at once as there are processors, no more.
func compareHashes(ctx context.Context, r *Request) map[addr.Instance]map[string]bool {
	jobs := hashJobs(r)
	if len(jobs) == 0 {
		return nil
	}
	results := make([]bool, len(jobs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Go(func() {
			for i := range next {
				results[i] = jobs[i].equal()
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	out := map[addr.Instance]map[string]bool{}
	for i, j := range jobs {
		if out[j.addr] == nil {
			out[j.addr] = map[string]bool{}
		}
		out[j.addr][j.path] = results[i]
	}
	return out
}

type hashJob struct {
	addr   addr.Instance
	path   string
	hash   string
	secret []byte // nil: nothing is wanted any more
}

func (j hashJob) equal() bool {
	if j.secret == nil {
		return false
	}
	ok, err := state.VerifySecret(j.hash, j.secret)
	// A hash that cannot be read is as good as another password: setting it
	// again puts both right.
	return err == nil && ok
}

func hashJobs(r *Request) []hashJob {
	hashes := map[addr.Instance]map[string]string{}
	for i := range r.Prior.Objects {
		if o := &r.Prior.Objects[i]; len(o.Hashes) > 0 {
			hashes[o.Addr] = o.Hashes
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	came := map[addr.Instance]addr.Instance{} // new address -> the recorded one
	for from, to := range planner.Moves(planner.Input{Want: r.Want, Prior: r.Prior, Types: r.Types, Moves: r.Moves}) {
		came[to] = from
	}
	paths := map[*providers.Schema][]cty.Path{}
	var jobs []hashJob
	for i := range r.Want {
		o := &r.Want[i]
		t := r.Types[o.Provider]
		if t == nil || t.Resources[o.Type] == nil {
			continue
		}
		s := t.Resources[o.Type]
		ps, known := paths[s]
		if !known {
			ps = recorded.Of(s).WriteOnly
			paths[s] = ps
		}
		if len(ps) == 0 {
			continue
		}
		from := o.Addr
		if was, moved := came[o.Addr]; moved {
			from = was
		}
		for _, p := range ps {
			hash, has := hashes[from][diag.FormatPath(p)]
			v := recorded.At(o.Value, p)
			if !has || v != cty.NilVal && !v.IsWhollyKnown() {
				continue
			}
			jobs = append(jobs, hashJob{o.Addr, diag.FormatPath(p), hash, recorded.Secret(v)})
		}
	}
	return jobs
}
