package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
)

// TestR26Registry has users come to three processes, and leave them with a goodbye and
// without. Then each process knows who is at which; the long form kills one, as kill -9
// does, and 35 s later the others know the rest.
func TestR26Registry(t *testing.T) {
	guests := newGuests(newCluster(t, 3), size(60, 1000))
	guests.comeAndGo(phase(time.Second, 30*time.Second), 0, 1, 2)
	guests.areKnown(5*time.Second, 0, 1, 2) // before they tell everything anew
	if !*long {
		return
	}
	killed := time.Now()
	guests.kill(1)
	guests.comeAndGo(30*time.Second, 0, 2)
	guests.areKnown(35*time.Second-time.Since(killed), 0, 2)
	t.Logf("%d came, %d are there", guests.came, len(guests.here))
}

// guests are users who come to nodes and go.
type guests struct {
	cluster *cluster
	most    int

	mu   sync.Mutex
	here []guest
	came int
}

type guest struct {
	*load.Client
	place int
	name  string // user@node
}

func newGuests(c *cluster, most int) *guests {
	g := &guests{cluster: c, most: most}
	c.t.Cleanup(func() {
		for _, who := range g.here {
			who.Close()
		}
	})
	return g
}

// comeAndGo has them do so at these nodes for a while.
func (g *guests) comeAndGo(during time.Duration, places ...int) {
	g.cluster.t.Helper()
	ends := time.Now().Add(during)
	var moving sync.WaitGroup
	defer moving.Wait()
	for range 4 {
		moving.Go(func() {
			for time.Now().Before(ends) {
				if who, ok := g.leaver(places); ok {
					if rand.IntN(2) == 0 {
						_ = who.Send("DISCONNECT\n\n\x00") // it is gone either way
					}
					who.Close()
				} else if err := g.come(places[rand.IntN(len(places))]); err != nil {
					g.cluster.t.Error(err)
					return
				}
			}
		})
	}
}

// leaver takes one who leaves, or tells that somebody is to come.
func (g *guests) leaver(places []int) (guest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.here) < g.most/2 || len(g.here) < g.most && rand.IntN(2) == 0 {
		return guest{}, false
	}
	i := rand.IntN(len(g.here))
	who := g.here[i]
	if !slices.Contains(places, who.place) {
		return guest{}, false
	}
	g.here = slices.Delete(g.here, i, i+1)
	return who, true
}

func (g *guests) come(place int) error {
	n := g.cluster.node(place)
	user := fmt.Sprint("user", rand.IntN(g.most))
	c, err := load.Connect("ws://"+n.addr+"/?user="+user, load.Options{})
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.here = append(g.here, guest{c, place, user + "@" + n.name})
	g.came++
	return nil
}

// kill kills a node, and who is there is not any more.
func (g *guests) kill(place int) {
	g.cluster.kill(place)
	g.here = slices.DeleteFunc(g.here, func(who guest) bool {
		if who.place == place {
			who.Close()
		}
		return who.place == place
	})
}

// areKnown waits until each of these nodes knows exactly who is there.
func (g *guests) areKnown(within time.Duration, places ...int) {
	t := g.cluster.t
	t.Helper()
	var want []string
	for _, who := range g.here {
		want = append(want, who.name)
	}
	slices.Sort(want)
	for _, place := range places {
		eventually(t, fmt.Sprintf("node %d knows the %d who are there", place, len(want)), within, func() bool {
			return must(g.cluster.node(place).Ask("sessions"))(t) == strings.Join(want, " ")
		})
	}
	if len(want) < g.most/3 {
		t.Errorf("the run is void: %d are there", len(want))
	}
}
