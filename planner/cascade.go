package planner

import (
	"fmt"
	"slices"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
)

// cascade follows what one decision means for other objects, until nothing
// changes any more. An item is looked at again only when it was made to go or
// to change, each of which happens once, so this takes linear time.
func (p *planning) cascade() {
	c := &cascading{planning: p, triggers: map[int][]int{}, holes: map[int][]int{}}
	for n := range p.items {
		it := &p.items[n]
		if it.want != nil && it.inUse && p.in.Mode == Normal {
			c.listen(n, it)
		}
		if it.is == present && it.want != nil && it.sch.DiesWithout != nil {
			c.mortal = append(c.mortal, n)
		}
		if it.vanishes() || it.do == plan.Create || it.do == plan.Update {
			c.work = append(c.work, n)
		}
	}
	for {
		c.drain()
		if !c.unheld() {
			return
		}
	}
}

type cascading struct {
	*planning
	work     []int
	triggers map[int][]int // who is replaced when this one changes
	holes    map[int][]int // who has a value computed by this one
	mortal   []int         // what goes by itself when nothing holds it any more
}

func (c *cascading) listen(n int, it *item) {
	for _, a := range it.want.Lifecycle.ReplaceTriggeredBy {
		if m, ok := c.index[a]; ok && m != n {
			c.triggers[m] = append(c.triggers[m], n)
		}
	}
	for _, h := range it.want.Holes {
		if h.Addr == nil {
			continue
		}
		if m, ok := c.index[*h.Addr]; ok && m != n {
			c.holes[m] = append(c.holes[m], n)
		}
	}
}

func (c *cascading) drain() {
	for len(c.work) > 0 {
		n := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		it := &c.items[n]
		if it.vanishes() || it.do == plan.Create {
			for _, m := range c.inside[n] {
				c.diesWith(m, it)
			}
		}
		if it.goes {
			for _, m := range c.wants[n] {
				if o := &c.items[m]; o.prior == nil || !slices.Contains(o.prior.Within, it.at) {
					c.diesWith(m, it)
				}
			}
		}
		c.returns(it)
		if it.do == plan.Create || it.do == plan.Update || it.goes {
			for _, m := range c.triggers[n] {
				c.triggered(m, it)
			}
		}
		if it.do == plan.Create {
			for _, m := range c.holes[n] {
				c.recomputed(m, it)
			}
		}
	}
}

// diesWith takes along what is within an object that goes, or went: it is
// deleted first and made again after.
func (c *cascading) diesWith(n int, in *item) {
	it := &c.items[n]
	if it.goes || it.dragged {
		return
	}
	wanted := it.want != nil && c.in.Mode == Normal
	if it.swap && in.do != plan.Create && !slices.Contains(it.want.Within, in.at) {
		return // it leaves in.at, and does so by itself
	}
	if c.excluded[n] && (it.is == absent || !in.goes && !in.dragged) {
		return // where it dies with something that goes, withdraw sees to it
	}
	switch {
	case it.is == absent || it.is == unseen && !in.goes:
		// It is gone already; it comes back where what it is in does.
		if !wanted || !it.inUse || it.do == plan.Create || it.prior == nil {
			return
		}
		if !in.vanishes() && in.do != plan.Create {
			return
		}
		it.create(fmt.Sprintf("it went with %s", in.at))
	case !in.vanishes() && !it.heldBy(in):
		return // what it is in is only declared anew
	case it.prior == nil && it.do == plan.Create:
		return
	case c.in.NoDestroy && !wanted:
		return
	case !it.ours() || it.do == plan.Forget:
		it.dragged = true
		if wanted {
			it.create(fmt.Sprintf("it goes with %s, and is made again", in.at))
		}
	case c.in.NoDestroy && wanted:
		c.replace(it, goesWith(in))
		return
	default:
		stays := wanted && it.takesOver() && !slices.Contains(it.want.Within, in.at)
		it.goes, it.swap, it.whyGoes = true, false, goesWith(in)
		if wanted && !stays {
			it.create(it.whyGoes)
		}
	}
	c.work = append(c.work, n)
}

// heldBy reports whether an object dies with one that is only made anew
// because it does not outlive what held it.
func (i *item) heldBy(in *item) bool { return in.reborn && i.is == present }

func goesWith(in *item) string {
	switch {
	case in.gone:
		return fmt.Sprintf("%s was deleted outside msgflo, and it went with it", in.at)
	case in.goes && in.do == plan.Create:
		return fmt.Sprintf("%s is replaced, and it goes with it", in.at)
	case in.reborn:
		return fmt.Sprintf("%s goes with its last binding, and it with that", in.at)
	}
	return fmt.Sprintf("%s goes, and it with it", in.at)
}

// returns makes what is not present now again where something new needs it,
// also what lies outside the targets.
func (c *cascading) returns(it *item) {
	if it.do != plan.Create || it.want == nil {
		return
	}
	for _, a := range it.want.Within {
		m, ok := c.index[a]
		if !ok || c.excluded[m] || c.items[m].want == nil {
			continue
		}
		switch in := &c.items[m]; {
		case !in.inUse && (in.is == absent || in.renamed):
			in.inUse = true
			c.alone(in)
			c.work = append(c.work, m)
		case in.is == absent && in.do == 0:
			in.create(fmt.Sprintf("%s needs it", it.at))
			c.work = append(c.work, m)
		}
	}
}

// triggered replaces what asks to be replaced with another object.
func (c *cascading) triggered(n int, by *item) {
	it := &c.items[n]
	if it.is == absent || it.prior == nil || it.goes || it.do == plan.Create {
		return
	}
	if c.replace(it, fmt.Sprintf("%s changes, and replace_triggered_by names it", by.at)); it.goes {
		c.work = append(c.work, n)
	}
}

// recomputed changes what holds a value that another object, made in this
// plan, will compute.
func (c *cascading) recomputed(n int, by *item) {
	it := &c.items[n]
	if it.goes || it.prior == nil || it.is == absent {
		return
	}
	for _, h := range it.want.Holes {
		if h.Addr == nil || *h.Addr != by.at || slices.Contains(it.changed, h.Path) || covers(it.want.Lifecycle.IgnoreChanges, h.Path) || it.want.Lifecycle.IgnoreAll {
			continue
		}
		it.changed = append(it.changed, h.Path)
		if at, err := recorded.ParsePath(h.Path); err == nil && len(at) > 0 {
			if a := it.sch.Attr(keyOf(at[0])); a != nil && (a.ForceNew || a.Identity) {
				it.forceNew = append(it.forceNew, h.Path)
			}
		}
	}
	switch {
	case len(it.forceNew) > 0:
		c.replace(it, fixedAtCreation(it.forceNew))
	case len(it.changed) > 0 && it.do == 0:
		it.do, it.base, it.from = plan.Update, it.value(), it.is
		it.why = fmt.Sprintf("it holds a value of %s", by.at)
	default:
		return
	}
	c.work = append(c.work, n)
}

// unheld finds objects that go by themselves with the last of those that hold
// them (an auto_delete exchange with its last binding): they are made again.
// It reports whether there were any.
func (c *cascading) unheld() bool {
	if c.in.Mode != Normal {
		return false
	}
	found := false
	for _, n := range c.mortal {
		it := &c.items[n]
		if it.goes || it.do == plan.Create {
			continue
		}
		if !c.losesAll(n, it) {
			continue
		}
		it.create("it goes by itself with the last object that holds it, and is made again")
		it.reborn = true
		c.work = append(c.work, n)
		for _, m := range c.inside[n] {
			// What would leave it in one step must leave before it is made again.
			if in := &c.items[m]; in.swap {
				c.replace(in, goesWith(it))
				c.work = append(c.work, m)
			}
		}
		found = true
	}
	return found
}

func (c *cascading) losesAll(n int, it *item) bool {
	lost := false
	for _, m := range c.inside[n] {
		in := &c.items[m]
		if in.is != present || !it.sch.DiesWithout(it.live.Value, in.at.Type, in.live.Value) {
			continue
		}
		leaves := in.swap && !it.sch.DiesWithout(it.live.Value, in.at.Type, in.want.Value)
		if !in.goes && !in.dragged && !leaves {
			return false
		}
		lost = true
	}
	return lost
}

// guard checks what must not go, once all is decided.
func (p *planning) guard() {
	for n := range p.items {
		it := &p.items[n]
		if !it.goes && !it.dragged {
			continue
		}
		want := p.protector(it)
		if want == nil || !want.Lifecycle.PreventDestroy {
			continue
		}
		what := "deleted"
		if it.do == plan.Create {
			what = "replaced"
		}
		p.report(diag.Error(want.Decl, "Object is protected",
			fmt.Sprintf("%s would be %s (%s), and lifecycle { prevent_destroy = true } forbids that. Remove that line, undo the change, or leave the object out with -exclude %s.",
				it.at, what, it.whyGoes, it.at)))
	}
}

// protector is the declaration that says what may become of an object: its own, or, where
// another took its address, the one that it had.
func (p *planning) protector(i *item) *desired.Object {
	if i.want != nil {
		return i.want
	}
	if k, ok := p.declared[i.prev]; ok {
		return &p.in.Want[k]
	}
	return nil
}

// indexed are those of the addresses that are items.
func (p *planning) indexed(as []addr.Instance, do func(int)) {
	for _, a := range as {
		if m, ok := p.index[a]; ok {
			do(m)
		}
	}
}
