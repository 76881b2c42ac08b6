package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/messagetest"
)

// visitors are users who come to nodes and leave them.
type visitors struct {
	rand *rand.Rand
	here map[*client]*station
	all  []*client // those who are here, in the order in which they came
}

// step lets somebody come, leave, or subscribe to something.
func (c *visitors) step(at []*station) {
	s := at[c.rand.IntN(len(at))]
	switch c.rand.IntN(5) {
	case 0, 1:
		n := s.enter(fmt.Sprint("user", c.rand.IntN(1000)))
		c.here[n] = s
		c.all = append(c.all, n)
	case 2, 3:
		if len(c.all) == 0 {
			return
		}
		i := c.rand.IntN(len(c.all))
		n := c.all[i]
		c.all = slices.Delete(c.all, i, i+1)
		if s := c.here[n]; slices.Contains(at, s) {
			s.leave(n)
		}
		delete(c.here, n)
	case 4:
		if len(c.all) > 0 {
			n := c.all[c.rand.IntN(len(c.all))]
			observe(c.here[n].Users, broker.Subscribed, n, fmt.Sprint(c.rand.IntN(3)), "/topic/a")
		}
	}
}

// truth is what is there at these nodes, as each of them should know it.
func (c *visitors) truth(at []*station) []string {
	all := []string{}
	for _, s := range at {
		for v := range s.Sessions() {
			if v.Session == nil { // of another node
				continue
			}
			text := v.Node + " " + v.User + " " + v.ID
			for _, sub := range v.Subscriptions {
				text += " " + sub.ID + " " + sub.Destination
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// TestR26RegistryIsRight: 1,000 users come and go at three nodes for a minute, then one of
// the nodes dies without a word. After 35 seconds of going on the others know exactly what
// is there, and what is sent to each user reaches each of his sessions once.
func TestR26RegistryIsRight(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
				c := &visitors{rand: rand.New(rand.NewPCG(26, seed)), here: map[*client]*station{}}
				for i := range 1000 { // so that there are some
					n := all[0].enter(fmt.Sprint("user", i))
					c.here[n], c.all = all[0], append(c.all, n)
				}
				run := func(at []*station, seconds int) {
					for range seconds * 20 {
						c.step(at)
						time.Sleep(50 * time.Millisecond)
					}
				}
				run(all, 60)
				agree(t, len(c.all), all...)
				dead, alive := all[0], all[1:]
				dead.cable.set(func(l *cable) { l.cut = true })
				run(alive, 35)
				synctest.Wait()
				want := c.truth(alive)
				for _, s := range alive {
					if got := s.known(); !slices.Equal(got, want) {
						t.Errorf("%s knows %d sessions, want %d", s.id, len(got), len(want))
					}
				}
				live := 0
				for i := range 1000 {
					alive[i%2].must(alive[i%2].send(fmt.Sprint("/user/user", i, "/queue/x"), "m"))
				}
				synctest.Wait()
				for _, n := range c.all {
					if c.here[n] == dead {
						wantLines(t, n)
						continue
					}
					live++
					wantLines(t, n, "1 /user/queue/x m")
				}
				if live != len(want) || live < 100 {
					t.Errorf("%d live sessions, %d known", live, len(want))
				}
				for _, s := range alive {
					if lost := s.losses(); lost != "" {
						t.Errorf("%s lost %s", s.id, lost)
					}
				}
			})
		})
	}
}
