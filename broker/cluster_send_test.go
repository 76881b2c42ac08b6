package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// userTopics are those on which messages for users go from node to node.
var userTopics = []string{"node.a", "node.b", "node.c", "users"}

// TestClusterSend: what is sent to a user at any node reaches each of his sessions at all
// nodes once, and a session alone by its id; the engine is given it once for each other
// node that has him, and not for him alone who sends to a session beside him.
func TestClusterSend(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b, c := all[0], all[1], all[2]
		kim := []*client{a.enter("kim"), b.enter("kim"), b.enter("kim")}
		lee, nobody := c.enter("lee"), b.enter("")
		odd := b.enter("ä/\xff%2F\x00{user}")
		c.connect(newClient("kim")) // without a subscription
		synctest.Wait()
		sessions := slices.Concat(kim, []*client{lee, nobody, odd})
		for _, tc := range []struct {
			from    *station
			name    string
			to      []*client
			engine  int
			without uint64 // unresolved, at all nodes
		}{
			{a, "kim", kim, 2, 1},
			{b, "kim", kim, 2, 1},
			{c, "kim", kim, 2, 0},
			{a, "lee", []*client{lee}, 1, 0},
			{c, "lee", []*client{lee}, 0, 0},
			{a, nobody.ID(), []*client{nobody}, 1, 0},
			{b, nobody.ID(), []*client{nobody}, 0, 0},
			{c, kim[1].ID(), kim[1:2], 1, 0},
			{a, "%C3%A4%2F%FF%252F%00%7Buser%7D", []*client{odd}, 1, 0},
			{a, "stranger", nil, 1, 0},
		} {
			before, unresolved := 0, uint64(0)
			for _, s := range all {
				before += s.cable.count(userTopics...)
				unresolved += s.Stats().Unresolved
			}
			m := message.Raw{Destination: "/user/" + tc.name + "/queue/x", Payload: []byte("1"), Header: message.NewHeader(message.Field{Name: "k", Value: "v"})}
			done := ""
			m.Done = message.NewCompletion(message.Stored, func(err error) { done = fmt.Sprint(err) })
			tc.from.must(tc.from.do(m))
			if done != "<nil>" {
				t.Errorf("%s from %s: done %q", tc.name, tc.from.id, done)
			}
			synctest.Wait()
			ids := map[string]bool{}
			for _, session := range sessions {
				want := []string(nil)
				if slices.Contains(tc.to, session) {
					want = []string{"1 /user/queue/x 1"}
					h := session.got[len(session.got)-1].Header
					ids[h.Get(message.HeaderMessageID)] = true
					if h.Get("k") != "v" || h.Len() != 2 {
						t.Errorf("%s from %s: header %v", tc.name, tc.from.id, h)
					}
				}
				wantLines(t, session, want...)
			}
			if len(tc.to) > 0 && len(ids) != 1 {
				t.Errorf("%s from %s: ids %v, want one", tc.name, tc.from.id, ids)
			}
			for _, s := range all {
				before -= s.cable.count(userTopics...)
				unresolved -= s.Stats().Unresolved
				if lost := s.losses(); lost != "" {
					t.Errorf("%s lost %s", s.id, lost)
				}
			}
			if -before != tc.engine || -unresolved != tc.without {
				t.Errorf("%s from %s: %d publications, want %d; %d unresolved, want %d", tc.name, tc.from.id, -before, tc.engine, -unresolved, tc.without)
			}
		}
		if s := a.Stats(); s.Broadcast != 1 || s.Forwarded != 6 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestClusterBroadcast: a user of whom no node is known to have him gets what is sent to
// him all the same, once, as it was sent; it goes to all nodes once and no further, and
// nowhere where that is turned off.
func TestClusterBroadcast(t *testing.T) {
	for _, off := range []bool{false, true} {
		stations(t, 3, broker.UsersConfig{NoBroadcast: off}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
			for _, s := range all {
				s.deafToRegistry(true)
			}
			kim := []*client{all[1].enter("kim"), all[2].enter("kim")}
			for _, dest := range []string{"/user/kim/queue/x", "/user/nobody/queue/x", "/user/" + kim[0].ID() + "/queue/x"} {
				m := message.Raw{Destination: dest, Payload: []byte("1"), Header: message.NewHeader(message.Field{Name: "custom", Value: "v"})}
				all[0].must(all[0].do(m))
			}
			synctest.Wait()
			n := 0
			for _, s := range all {
				n += s.cable.count(userTopics...)
			}
			s := all[0].Stats()
			if off {
				wantLines(t, kim[0])
				wantLines(t, kim[1])
				if n != 0 || s.Unresolved != 3 || s.Broadcast != 0 {
					t.Errorf("%d publications, stats %+v", n, s)
				}
				return
			}
			if h := kim[1].got[0].Header; h.Get("custom") != "v" {
				t.Errorf("header %v", h)
			}
			wantLines(t, kim[0], "1 /user/queue/x 1", "1 /user/queue/x 1")
			wantLines(t, kim[1], "1 /user/queue/x 1")
			if n != 3 || s.Broadcast != 3 || s.Unresolved != 0 || s.Lost["gone"]+all[1].Stats().Lost["gone"] != 0 {
				t.Errorf("%d publications, stats %+v", n, s)
			}
		})
	}
}

// TestClusterBroadcastGoesNoFurther: what came by broadcast is not sent on, whatever the
// node that got it knows and whatever the message says of itself.
func TestClusterBroadcastGoesNoFurther(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		kim := all[2].enter("kim")
		synctest.Wait()
		all[2].cable.set(func(l *cable) { l.deaf = func(topic string, _ broker.Envelope) bool { return topic == "users" } })
		for _, h := range []message.Header{{}, message.NewHeader(message.Field{Name: "hr-again", Value: ""}), message.NewHeader(message.Field{Name: "hr-again", Value: "1"})} {
			for _, dest := range []string{"/user/kim/queue/x", "/user/nobody/queue/x"} {
				e := broker.Envelope{ID: fmt.Sprint(h.Len(), dest), Origin: "z", Destination: dest, Header: h}
				if err := engine.Publish(t.Context(), "users", e); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		for _, s := range all {
			if n := s.cable.count(userTopics...); n != 0 || s.losses() != "" {
				t.Errorf("%s published %d times, lost %s", s.id, n, s.losses())
			}
		}
		wantLines(t, kim)
	})
}

// TestClusterMoved: what comes to a node that its user has left is sent after him once,
// and reaches each of his sessions once, whatever nodes did so; else it is counted.
func TestClusterMoved(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before string // nodes where he is as far as the sender, a, knows
		now    string // nodes where he is
		known  string // nodes where he is as far as they know
		lost   string // at all nodes
		goes   int    // publications
	}{
		{"he moved", "b", "c", "c", "", 2},
		{"he moved to the sender", "b", "a", "a", "", 2},
		{"he moved from two nodes to one", "bc", "d", "d", "", 4},
		{"he left one node", "bc", "c", "c", "", 3},
		{"he left one node of the sender's", "ab", "a", "a", "", 2},
		{"he moved to where he was", "bc", "cd", "cd", "", 4},
		{"he is gone", "b", "", "", "gone 1", 1},
		{"he moved and moved again", "b", "d", "c", "moved 1", 2},
		{"he moved and is gone", "b", "", "c", "moved 1", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stations(t, 4, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
				at := func(node rune) *station { return all[node-'a'] }
				old := map[rune]*client{}
				for _, node := range tc.before {
					old[node] = at(node).enter("kim")
				}
				synctest.Wait()
				all[0].deafToRegistry(true)
				for _, node := range tc.known {
					if old[node] == nil {
						old[node] = at(node).enter("kim")
					}
				}
				for node, c := range old {
					if !strings.ContainsRune(tc.known, node) {
						at(node).leave(c)
						delete(old, node)
					}
				}
				synctest.Wait()
				for _, s := range all {
					s.deafToRegistry(true)
				}
				for _, node := range tc.now {
					if old[node] == nil {
						old[node] = at(node).enter("kim")
					}
				}
				for node, c := range old {
					if !strings.ContainsRune(tc.now, node) {
						at(node).leave(c)
						delete(old, node)
					}
				}
				all[0].must(all[0].send("/user/kim/queue/x", "1"))
				synctest.Wait()
				for _, c := range old {
					if tc.lost != "" {
						wantLines(t, c)
					} else {
						wantLines(t, c, "1 /user/queue/x 1")
					}
				}
				lost, n := "", 0
				for _, s := range all {
					lost += s.losses()
					n += s.cable.count(append(userTopics, "node.d")...)
				}
				if strings.TrimSpace(lost) != tc.lost || n != tc.goes {
					t.Errorf("lost %q, want %q; %d publications, want %d", lost, tc.lost, n, tc.goes)
				}
			})
		})
	}
}

// TestClusterMovedInVain: those who moved do not hold up the others, however slow the
// engine is, and what cannot be sent after them is counted.
func TestClusterMovedInVain(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		b := all[1]
		all[2].enter("kim") // who had been at b
		lee := b.enter("lee")
		synctest.Wait()
		b.cable.set(func(l *cable) { l.slow = make(chan struct{}) })
		const n = 1100
		for i := range n {
			for _, name := range []string{"kim", "lee"} {
				e := broker.Envelope{ID: fmt.Sprint(name, i), Origin: "a", Destination: "/user/" + name + "/queue/x"}
				if err := engine.Publish(t.Context(), "node.b", e); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		if got := len(lee.take()); got != n {
			t.Errorf("lee got %d of %d", got, n)
		}
		if s := b.Stats(); s.Lost["full"] != n-1024-1 {
			t.Errorf("lost %v", s.Lost)
		}
		time.Sleep(2 * time.Minute)
		if s := b.Stats(); s.Lost["engine"] == 0 {
			t.Errorf("lost %v", s.Lost)
		}
	})
}

// TestClusterSessionIDs: whoever is called like a session of another node gets nothing of
// it, wherever he is.
func TestClusterSessionIDs(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		victim := all[0].enter("kim")
		var impostors []*client
		for _, s := range all {
			impostors = append(impostors, s.enter(victim.ID()))
		}
		synctest.Wait()
		for _, s := range all {
			s.must(s.send("/user/"+victim.ID()+"/queue/x", "secret"))
			synctest.Wait()
			wantLines(t, victim, "1 /user/queue/x secret")
		}
		for _, c := range impostors {
			wantLines(t, c)
		}
	})
}

// TestClusterEngineAway: sessions of the sender's node get the message before the engine
// does; he is told when others could not be reached, and his receipt waits for it.
func TestClusterEngineAway(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		here, there, alone := a.enter("kim"), b.enter("kim"), a.enter("lee")
		synctest.Wait()
		slow := make(chan struct{})
		a.cable.set(func(l *cable) { l.slow = slow })
		stored, returned := false, false
		go func() {
			m := message.Raw{Destination: "/user/kim/queue/x", Payload: []byte("1")}
			m.Done = message.NewCompletion(message.Stored, func(err error) { stored = err == nil })
			a.must(a.do(m))
			returned = true
		}()
		synctest.Wait()
		wantLines(t, here, "1 /user/queue/x 1")
		a.must(a.send("/user/lee/queue/x", "2"))
		wantLines(t, alone, "1 /user/queue/x 2")
		if stored || returned {
			t.Errorf("stored %v, returned %v before the engine had it", stored, returned)
		}
		wantLines(t, there)
		a.cable.set(func(l *cable) { l.slow = nil })
		close(slow)
		synctest.Wait()
		if !stored || !returned {
			t.Errorf("stored %v, returned %v", stored, returned)
		}
		wantLines(t, there, "1 /user/queue/x 1")

		engine.SetAvailable(false)
		stored = false
		m := message.Raw{Destination: "/user/kim/queue/x", Payload: []byte("3")}
		m.Done = message.NewCompletion(message.Stored, func(error) { stored = true })
		wantCode(t, a.do(m), message.CodeUnavailable)
		wantCode(t, a.send("/user/nobody/queue/x", "3"), message.CodeUnavailable)
		a.must(a.send("/user/lee/queue/x", "4"))
		wantLines(t, here, "1 /user/queue/x 3")
		wantLines(t, alone, "1 /user/queue/x 4")
		if stored {
			t.Error("stored without an engine")
		}
		engine.SetAvailable(true)
		a.cable.set(func(l *cable) { l.slow = make(chan struct{}) })
		begun := time.Now()
		wantCode(t, a.send("/user/kim/queue/x", "5"), message.CodeUnavailable)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the sender waited %v", took)
		}
	})
}

// TestClusterOneOfTwoNodes: when one node cannot be sent to, the others still get it.
func TestClusterOneOfTwoNodes(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		b, c := all[1].enter("kim"), all[2].enter("kim")
		synctest.Wait()
		for _, topic := range []string{"node.b", "node.c"} {
			all[0].cable.set(func(l *cable) { l.refuse = topic })
			wantCode(t, all[0].send("/user/kim/queue/x", topic), message.CodeUnavailable)
			synctest.Wait()
		}
		wantLines(t, b, "1 /user/queue/x node.c")
		wantLines(t, c, "1 /user/queue/x node.b")
	})
}

// TestClusterAgainFromTheEngine: what an engine delivers twice is delivered once.
func TestClusterAgainFromTheEngine(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		kim := all[1].enter("kim")
		for range 2 {
			for i := range 2000 {
				e := broker.Envelope{ID: fmt.Sprint(i), Origin: "a", Destination: "/user/kim/queue/x"}
				if err := engine.Publish(t.Context(), "node.b", e); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if got := len(kim.take()); got != 2000 {
			t.Errorf("delivered %d times", got)
		}
	})
}

// TestClusterOrder: what one publisher sends to a user reaches each of his sessions in
// that order, at his own node and at others.
func TestClusterOrder(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		var kim []*client
		for _, s := range all {
			kim = append(kim, s.enter("kim"), s.enter("kim"))
		}
		synctest.Wait()
		const each = 500
		for p, s := range all {
			go func() {
				for i := range each {
					s.must(s.send("/user/kim/queue/x", fmt.Sprint(p, " ", i)))
				}
			}()
		}
		synctest.Wait()
		for _, c := range kim {
			next := make([]int, len(all))
			for _, m := range c.all {
				var p, i int
				_, _ = fmt.Sscan(string(m.Payload), &p, &i)
				if i != next[p] {
					t.Fatalf("%d of publisher %d came in place of %d", i, p, next[p])
				}
				next[p]++
			}
			if want := []int{each, each, each}; !slices.Equal(next, want) {
				t.Errorf("got %v", next)
			}
		}
	})
}

// TestSec_S11_Nodes: what a client writes into headers decides nothing of the way from
// node to node, not even if it came past the adapters: who it is sent to gets it once,
// nobody else does, and it goes no other way.
func TestSec_S11_Nodes(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		kim, lee, mallory := all[2].enter("kim"), all[1].enter("lee"), all[0].enter("mallory")
		moved := all[1].enter("moved")
		synctest.Wait()
		all[0].deafToRegistry(true)
		all[1].leave(moved)
		moved = all[2].enter("moved")
		synctest.Wait()
		var fields []message.Field
		for _, name := range []string{"hr-again", "hr-origin", "hr-node", "hr-user", "hr-hops", "x-broadcast", "simpSessionId", "simpOrigDestination", "original-destination", "message-id"} {
			for _, value := range []string{"b", "1", lee.ID()} {
				fields = append(fields, message.Field{Name: name, Value: value})
			}
		}
		for _, name := range []string{"kim", "moved", "nobody", "registry", kim.ID()} {
			m := message.Raw{Session: mallory.Session, Destination: "/user/" + name + "/queue/x", Header: message.NewHeader(fields...), Payload: []byte("1")}
			all[0].must(all[0].do(m))
		}
		synctest.Wait()
		wantLines(t, kim, "1 /user/queue/x 1", "1 /user/queue/x 1")
		wantLines(t, moved, "1 /user/queue/x 1")
		wantLines(t, lee)
		wantLines(t, mallory)
		for _, m := range kim.all {
			if h := m.Header; h.Get("hr-again") != "" || h.Get(message.HeaderMessageID) == "b" {
				t.Errorf("header %v", h)
			}
		}
		for _, s := range all {
			if s.losses() != "" || s.cable.count("users") > 2 {
				t.Errorf("%s lost %s, broadcast %d", s.id, s.losses(), s.cable.count("users"))
			}
		}
		for _, dest := range []string{"registry", "node.b", "users", "node.b/registry"} {
			wantCode(t, all[0].do(message.Raw{Session: mallory.Session, Destination: dest}), message.CodeInvalid)
		}
	})
}

// TestClusterAcknowledged: what came from another node is acknowledged like everything.
func TestClusterAcknowledged(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		kim := newClient("kim")
		all[1].connect(kim)
		all[1].must(all[1].subscribeAs(kim, "1", "/user/queue/x", "client-individual"))
		synctest.Wait()
		all[0].must(all[0].send("/user/kim/queue/x", "1"))
		synctest.Wait()
		ack := kim.got[0].Header.Get(message.HeaderAck)
		h := message.NewHeader(message.Field{Name: message.HeaderAck, Value: ack})
		if s := all[1].Stats(); ack == "" || s.Bytes == 0 {
			t.Errorf("acknowledged by %q, stats %+v", ack, s)
		}
		all[1].must(all[1].do(message.Raw{Kind: message.KindAck, Session: kim.Session, Header: h}))
		if s := all[1].Stats(); s.Bytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
