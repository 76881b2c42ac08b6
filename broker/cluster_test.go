package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/messagetest"
)

// cable is a node's way to the engine, which a test disturbs.
type cable struct {
	broker.Backplane

	mu     sync.Mutex
	cut    bool                                       // the node is dead: nothing goes out or comes in
	deaf   func(topic string, e broker.Envelope) bool // to what comes in
	refuse string                                     // a topic
	slow   chan struct{}                              // what is published waits until it is closed
	sent   map[string]int                             // by topic
	most   int                                        // bytes of a payload
	last   func(topic string, e broker.Envelope)      // sees what is published
}

func (l *cable) set(change func(*cable)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *cable) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	l.mu.Lock()
	cut, slow := l.cut || topic == l.refuse, l.slow
	l.sent[topic]++
	l.most = max(l.most, len(e.Payload))
	if l.last != nil {
		l.last(topic, e)
	}
	l.mu.Unlock()
	if cut {
		return fmt.Errorf("the line is cut")
	}
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return l.Backplane.Publish(ctx, topic, e)
}

func (l *cable) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	return l.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		l.mu.Lock()
		lost := l.cut || l.deaf != nil && l.deaf(topic, e)
		l.mu.Unlock()
		if lost {
			return nil
		}
		return receive(ctx, e)
	})
}

// count returns how often was published to topics that begin so.
func (l *cable) count(topics ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, topic := range topics {
		n += l.sent[topic]
	}
	return n
}

// station is a node with its line.
type station struct {
	*broker.Users
	ops
	cable *cable
	id    string
}

// stations runs a test with several nodes, called a, b, c..., in a bubble. They know each
// other.
func stations(t *testing.T, n int, config broker.UsersConfig, test func(t *testing.T, engine *messagetest.LocalBackplane, all []*station)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		engine := messagetest.NewBackplane()
		var all []*station
		for i := range n {
			all = append(all, newStation(t, engine, string(rune('a'+i)), config))
		}
		synctest.Wait()
		test(t, engine, all)
	})
}

func newStation(t *testing.T, engine broker.Backplane, id string, config broker.UsersConfig) *station {
	l := &cable{Backplane: engine, sent: map[string]int{}}
	config.Backplane, config.NodeID, config.Logger = l, id, slog.New(slog.DiscardHandler)
	u := broker.NewUsers(outbound, config)
	t.Cleanup(func() {
		l.set(func(l *cable) { l.cut = true })
		u.Stop()
	})
	return &station{u, ops{t, u}, l, id}
}

// enter connects a session that subscribes to /user/queue/x.
func (s *station) enter(user string) *client {
	s.t.Helper()
	c := newClient(user)
	s.connect(c)
	s.must(s.subscribe(c, "1", "/user/queue/x"))
	observe(s.Users, broker.Subscribed, c, "1", "/user/queue/x")
	return c
}

func (s *station) leave(c *client) {
	s.t.Helper()
	s.must(s.disconnect(c))
}

// deafToRegistry lets a node learn nothing of the others' sessions.
func (s *station) deafToRegistry(deaf bool) {
	s.cable.set(func(l *cable) {
		l.deaf = nil
		if deaf {
			l.deaf = func(topic string, _ broker.Envelope) bool { return topic == "registry" }
		}
	})
}

// known returns all sessions as a node knows them, as "node user id subscriptions".
func (s *station) known() []string {
	all := []string{}
	for v := range s.Sessions() {
		parts := []string{v.Node, v.User, v.ID}
		for _, sub := range v.Subscriptions {
			parts = append(parts, sub.ID, sub.Destination)
		}
		all = append(all, strings.Join(parts, " "))
	}
	slices.Sort(all)
	return all
}

// agree checks that all nodes know the same, and that it is so many sessions.
func agree(t *testing.T, sessions int, all ...*station) {
	t.Helper()
	synctest.Wait()
	want := all[0].known()
	if len(want) != sessions {
		t.Errorf("%s knows %d sessions, want %d", all[0].id, len(want), sessions)
	}
	for _, s := range all[1:] {
		if got := s.known(); !slices.Equal(got, want) {
			t.Errorf("%s knows %d sessions, %s %d: %.500q and %.500q", s.id, len(got), all[0].id, len(want), got, want)
		}
	}
}

// TestClusterViews: every node shows the sessions of all, each with its user, its node and
// its subscriptions; a user with sessions at two nodes is one user.
func TestClusterViews(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		kim1, kim2, lee, nobody := a.enter("kim"), b.enter("kim"), b.enter("lee"), b.enter("")
		odd := b.enter("ä/\xff%2F\x00{user}")
		observe(b.Users, broker.Subscribed, lee, "2", "/topic/*")
		agree(t, 5, a, b)
		if got, want := names(a.Users), []string{"kim 2", "lee 1", "ä/\xff%2F\x00{user} 1"}; !slices.Equal(got, want) {
			t.Errorf("users %q, want %q", got, want)
		}
		if u, ok := a.User("kim"); !ok || !slices.Equal(ids(u.Sessions), []string{kim1.ID(), kim2.ID()}) {
			t.Errorf("kim is %v", u)
		}
		liar := newClient(lee.ID())
		a.connect(liar)
		for name, want := range map[string][]string{
			"kim": {kim1.ID(), kim2.ID()}, kim1.ID(): {kim1.ID()}, lee.ID(): {lee.ID()}, liar.ID(): {liar.ID()}, "nobody": nil, "": nil,
		} {
			if got := a.SessionsOf(name); !slices.Equal(got, want) {
				t.Errorf("a message for %q reaches %q, want %q", name, got, want)
			}
		}
		a.leave(liar)
		if s := a.Stats(); s.Users != 3 || s.Sessions != 5 || s.Nodes != 1 {
			t.Errorf("stats %+v", s)
		}
		if s, ok := a.Session(kim1.ID()); !ok || s.Session != kim1.Session || s.Node != "a" || s.User != "kim" {
			t.Errorf("a session of the node itself: %v, %v", s, ok)
		}
		if s, ok := a.Session(nobody.ID()); !ok || s.Session != nil || s.Node != "b" || s.User != "" {
			t.Errorf("a session of nobody: %v, %v", s, ok)
		}
		s, ok := a.Session(lee.ID())
		want := []broker.SubscriptionView{
			{ID: "1", Destination: "/user/queue/x", SessionID: lee.ID(), User: "lee", Node: "b"},
			{ID: "2", Destination: "/topic/*", SessionID: lee.ID(), User: "lee", Node: "b"},
		}
		if !ok || s.Session != nil || s.Node != "b" || s.User != "lee" || !slices.Equal(s.Subscriptions, want) {
			t.Errorf("a session of another node: %v, %v", s, ok)
		}
		if sub, ok := a.Subscription(lee.ID(), "2"); !ok || sub != want[1] {
			t.Errorf("a subscription of another node: %v, %v", sub, ok)
		}
		if sub, ok := a.Subscription(lee.ID(), "3"); ok {
			t.Errorf("a subscription that is not there: %v", sub)
		}
		found := 0
		for range a.Subscriptions(destination.MustParse("/user/**", destination.Slash)) {
			found++
		}
		if found != 5 {
			t.Errorf("%d subscriptions, want 5", found)
		}
		observe(b.Users, broker.Unsubscribed, lee, "1", "")
		b.leave(kim2)
		b.leave(nobody)
		b.leave(odd)
		agree(t, 2, a, b)
		if got, want := names(a.Users), []string{"kim 1", "lee 1"}; !slices.Equal(got, want) {
			t.Errorf("users %q, want %q", got, want)
		}
		if s := a.Stats(); s.Users != 2 || s.Sessions != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestClusterJoins: a node that is new knows everything at once, and is known.
func TestClusterJoins(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		all[0].enter("kim")
		all[1].enter("lee")
		synctest.Wait()
		c := newStation(t, engine, "c", broker.UsersConfig{})
		c.enter("ann")
		agree(t, 3, c, all[0], all[1])
	})
}

// TestClusterIsThereLater: nodes that start while the engine is away meet when it is back.
func TestClusterIsThereLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := messagetest.NewBackplane()
		engine.SetAvailable(false)
		a, b := newStation(t, engine, "a", broker.UsersConfig{}), newStation(t, engine, "b", broker.UsersConfig{})
		kim := a.enter("kim")
		b.enter("kim")
		time.Sleep(time.Minute)
		if got := names(a.Users); !slices.Equal(got, []string{"kim 1"}) {
			t.Errorf("users %q without an engine", got)
		}
		wantCode(t, a.send("/user/nobody/queue/x", "1"), message.CodeUnavailable)
		a.must(a.send("/user/"+kim.ID()+"/queue/x", "1"))
		wantLines(t, kim, "1 /user/queue/x 1")
		engine.SetAvailable(true)
		time.Sleep(3 * time.Second)
		agree(t, 2, a, b)
	})
}

// TestClusterStop: the sessions of a node that is stopped are gone at once.
func TestClusterStop(t *testing.T) {
	stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		all[0].enter("kim")
		all[1].enter("kim")
		agree(t, 2, all...)
		all[0].Stop()
		said := all[0].cable.count("registry")
		agree(t, 1, all[1:]...)
		if n := all[0].cable.count("registry"); n != said {
			t.Error("it went on after Stop")
		}
		if s := all[1].Stats(); s.Nodes != 1 || s.Users != 1 || s.Sessions != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestClusterStopWhileTheEngineHangs: it costs two seconds.
func TestClusterStopWhileTheEngineHangs(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		all[0].cable.set(func(l *cable) { l.slow = make(chan struct{}) })
		all[0].enter("kim")
		synctest.Wait()
		begun := time.Now()
		all[0].Stop()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

// TestClusterDeath: of a node that dies without a word nothing is left after 35 seconds,
// and a node that has nothing to tell is not taken for dead.
func TestClusterDeath(t *testing.T) {
	for _, after := range []time.Duration{0, 3300 * time.Millisecond, 9999 * time.Millisecond} {
		stations(t, 3, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
			all[0].enter("kim")
			all[1].enter("lee")
			time.Sleep(10*time.Minute + after)
			agree(t, 2, all...)
			all[0].cable.set(func(l *cable) { l.cut = true })
			time.Sleep(20 * time.Second)
			agree(t, 2, all[1:]...) // it may come back
			time.Sleep(15 * time.Second)
			agree(t, 1, all[1:]...)
			if s := all[1].Stats(); s.Nodes != 1 {
				t.Errorf("stats %+v", s)
			}
			all[0].cable.set(func(l *cable) { l.cut = false })
			time.Sleep(11 * time.Second) // it was not dead
			agree(t, 2, all...)
		})
	}
}

// TestClusterRestart: a node that starts again under its name has what it has now.
func TestClusterRestart(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		for range 3 {
			all[0].enter("kim")
		}
		agree(t, 3, all...)
		all[0].cable.set(func(l *cable) { l.cut = true })
		again := newStation(t, engine, "a", broker.UsersConfig{})
		again.enter("ann")
		agree(t, 1, again, all[1])
		all[0].cable.set(func(l *cable) { l.cut = false })
		all[0].Stop() // what is left of it says goodbye
		agree(t, 1, again, all[1])
	})
}

// TestClusterEngineBack: what happens while the engine is away is known a second or two
// after it is back.
func TestClusterEngineBack(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		gone := all[1].enter("gone")
		agree(t, 1, all...)
		engine.SetAvailable(false)
		all[1].enter("kim")
		all[1].leave(gone)
		time.Sleep(500 * time.Millisecond)
		engine.SetAvailable(true)
		time.Sleep(2 * time.Second)
		agree(t, 1, all...)
	})
}

// TestClusterOldNews: what comes again, or late, changes nothing.
func TestClusterOldNews(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		var said []broker.Envelope
		all[1].cable.set(func(l *cable) {
			l.last = func(_ string, e broker.Envelope) { said = append(said, e) }
		})
		kim := all[1].enter("kim")
		synctest.Wait()
		time.Sleep(11 * time.Second) // a snapshot is among it
		all[1].leave(kim)
		lee := all[1].enter("lee")
		agree(t, 1, all...)
		all[1].cable.set(func(l *cable) { l.last = nil })
		before := all[0].cable.count("registry")
		for _, e := range said {
			e.Origin = "b"
			if err := engine.Publish(t.Context(), "registry", e); err != nil {
				t.Fatal(err)
			}
			agree(t, 1, all...)
		}
		if _, ok := all[0].Session(lee.ID()); !ok || all[0].cable.count("registry") != before {
			t.Errorf("lee is there: %v", ok)
		}
	})
}

// TestClusterAsksNotTooOften: who does not get an answer asks once a second.
func TestClusterAsksNotTooOften(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		a.deafToRegistry(true)
		b.enter("kim")
		synctest.Wait()
		a.cable.set(func(l *cable) {
			l.deaf = func(topic string, e broker.Envelope) bool { return topic == "registry" && e.Payload[1] == 2 } // snapshots
		})
		before := a.cable.count("registry")
		for range 50 {
			b.enter("kim")
			time.Sleep(60 * time.Millisecond)
		}
		if n := a.cable.count("registry") - before; n < 2 || n > 4 {
			t.Errorf("asked %d times in 3 s", n)
		}
		a.deafToRegistry(false)
		time.Sleep(11 * time.Second)
		agree(t, 51, a, b)
	})
}

// TestClusterGaps: whatever a node does not hear of the others, it has all of it again
// when it hears the next word.
func TestClusterGaps(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		var here []*client
		for i := range 50 {
			a.deafToRegistry(i%5 > 0)
			if i%3 == 2 {
				b.leave(here[0])
				here = here[1:]
			} else {
				here = append(here, b.enter(fmt.Sprint("user", i%7)))
			}
			synctest.Wait()
		}
		a.deafToRegistry(false)
		here = append(here, b.enter("kim"))
		time.Sleep(time.Second) // it does not ask more often
		agree(t, len(here), a, b)
		before := b.cable.count("registry")
		time.Sleep(time.Minute)
		if n := b.cable.count("registry") - before; n > 7 {
			t.Errorf("%d words in a minute in which nothing happens", n)
		}
	})
}

// TestClusterManyAtOnce: what changes while the engine hangs is told when it goes on, in
// few words.
func TestClusterManyAtOnce(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		gone := b.enter("gone")
		slow := make(chan struct{})
		b.cable.set(func(l *cable) { l.slow = slow })
		var here []*client
		for i := range 10_000 {
			here = append(here, b.enter(fmt.Sprint("user", i%1000)))
		}
		for _, c := range here[:5000] {
			b.leave(c)
		}
		b.leave(gone)
		b.cable.set(func(l *cable) { l.slow = nil })
		close(slow)
		time.Sleep(2 * time.Second)
		agree(t, 5000, a, b)
		if n := b.cable.count("registry"); n > 40 {
			t.Errorf("%d words", n)
		}
	})
}

// TestClusterLargeSnapshot: no message is larger than engines take, however much there is
// to tell, at once or of one session.
func TestClusterLargeSnapshot(t *testing.T) {
	stations(t, 1, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		b := all[0]
		slow := make(chan struct{})
		b.cable.set(func(l *cable) { l.slow = slow }) // so that it is not told bit by bit
		for i := range 20_000 {
			b.enter(fmt.Sprint("user", i))
		}
		large := b.enter("large")
		for i := range 20_000 {
			observe(b.Users, broker.Subscribed, large, fmt.Sprint("s", i), fmt.Sprintf("/topic/a-rather-long-destination/of-a-session/%d", i))
		}
		b.cable.set(func(l *cable) { l.slow = nil })
		close(slow)
		time.Sleep(time.Second)
		a := newStation(t, engine, "x", broker.UsersConfig{})
		agree(t, 20_001, a, b)
		if s, _ := a.Session(large.ID()); len(s.Subscriptions) != 20_001 {
			t.Errorf("%d subscriptions", len(s.Subscriptions))
		}
		if n := b.cable.most; n > 512<<10 || n < 100<<10 {
			t.Errorf("a payload of %d bytes", n)
		}
	})
}

// TestClusterClose: a session is ended at its node, with what its client may be shown.
func TestClusterClose(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		for _, tc := range []struct {
			reason error
			want   error
		}{
			{message.Errorf(message.CodeDenied, "100%% out").WithCause(fmt.Errorf("a secret")), message.Errorf(message.CodeDenied, "100%% out")},
			{fmt.Errorf("a secret"), message.Public(fmt.Errorf("x"))},
			{nil, nil},
		} {
			kim, other := b.enter("kim"), b.enter("kim")
			synctest.Wait()
			if !a.Close(kim.ID(), tc.reason) {
				t.Fatal("the session is not known")
			}
			synctest.Wait()
			select {
			case <-kim.Done():
			default:
				t.Fatal("the session goes on")
			}
			if got := kim.Reason(); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("ended because of %v, want %v", got, tc.want)
			}
			if other.Reason() != nil {
				t.Error("another session was ended")
			}
			b.leave(kim)
			b.leave(other)
			synctest.Wait()
			if a.Close(kim.ID(), nil) {
				t.Error("the session is said to be there still")
			}
		}
	})
}

// TestClusterGarbage: what makes no sense is counted, and changes nothing.
func TestClusterGarbage(t *testing.T) {
	stations(t, 2, broker.UsersConfig{}, func(t *testing.T, engine *messagetest.LocalBackplane, all []*station) {
		a, b := all[0], all[1]
		var notice []byte
		b.cable.set(func(l *cable) {
			l.last = func(_ string, e broker.Envelope) { notice = e.Payload }
		})
		kim := b.enter("kim")
		agree(t, 1, a, b)
		b.cable.set(func(l *cable) { l.last = nil })
		sent := uint64(0)
		send := func(topic string, e broker.Envelope) {
			sent++
			if err := engine.Publish(t.Context(), topic, e); err != nil {
				t.Fatal(err)
			}
		}
		for i := range notice {
			send("registry", broker.Envelope{Origin: "b", Payload: notice[:i]})
			send("node.a", broker.Envelope{Origin: "b", Destination: "registry", Payload: notice[:i]})
		}
		send("registry", broker.Envelope{Payload: notice})
		send("registry", broker.Envelope{Origin: "b", Payload: append(notice, 0)})
		send("registry", broker.Envelope{Origin: "b", Payload: make([]byte, 2<<20)})
		send("node.a", broker.Envelope{Origin: "b", Destination: "registry", Payload: notice})
		for _, topic := range []string{"node.a", "users"} {
			for _, dest := range []string{"", "/topic/x", "/user/", "/user/kim", "/user/%zz/queue/x", "/user//queue/x"} {
				send(topic, broker.Envelope{Origin: "b", Destination: dest})
			}
		}
		agree(t, 1, a, b)
		// a fair part of the garbage on "registry" and "users" reached b as well
		if s := a.Stats(); s.Ignored != sent || s.Delivered != 0 {
			t.Errorf("stats %+v, want %d ignored", s, sent)
		}
		if got := kim.take(); len(got) != 0 {
			t.Errorf("delivered %q", got)
		}
	})
}

// losses are what a node counts as lost.
func (s *station) losses() string {
	lost := s.Stats().Lost
	text := ""
	for _, why := range slices.Sorted(maps.Keys(lost)) {
		text += fmt.Sprintf("%s %d ", why, lost[why])
	}
	return text
}
