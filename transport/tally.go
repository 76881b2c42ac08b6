package transport

import (
	"strings"
	"sync/atomic"
)

// tally counts by names, of which a protocol has few. Should it make them of what
// clients say, the last place has all that come too late for one of their own. The
// zero value is ready; any goroutine may add.
type tally [32]atomic.Pointer[counter]

// otherNames is what the last place is called.
const otherNames = "other"

// counter has a cache line to itself: who counts one name waits for nobody who counts
// another.
type counter struct {
	name string
	n    atomic.Uint64
	_    [40]byte
}

// add counts n of name, unless that is "".
func (t *tally) add(name string, n int) {
	if name == "" {
		return
	}
	for i := range t {
		c := t[i].Load()
		if c == nil {
			t[i].CompareAndSwap(nil, newCounter(i, name))
			c = t[i].Load()
		}
		if c.name == name || i == len(t)-1 {
			c.n.Add(uint64(n))
			return
		}
	}
}

// newCounter returns what is put into a place. The name may be part of something large.
func newCounter(place int, name string) *counter {
	if place == len(tally{})-1 {
		name = otherNames
	}
	return &counter{name: strings.Clone(name)}
}

// into adds what was counted to sums, which is made when there is something.
func (t *tally) into(sums *map[string]uint64) {
	for i := range t {
		c := t[i].Load()
		if c == nil {
			return
		}
		if *sums == nil {
			*sums = make(map[string]uint64)
		}
		(*sums)[c.name] += c.n.Load()
	}
}
