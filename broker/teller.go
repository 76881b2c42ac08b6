package broker

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// teller is what the other nodes are still to be told.
type teller struct {
	wake chan struct{}
	life string

	mu    sync.Mutex
	dirty map[string]struct{} // sessions that have changed
	stale bool                // too many have, or a delta may not have arrived
	full  bool                // somebody asked for a snapshot
	want  map[string]struct{} // nodes that are asked for theirs; "" for all

	// Of the goroutine that tells.
	number   uint64
	nextFull time.Time
	nextAsk  time.Time
	pause    time.Time // until when the engine is left alone
}

const (
	maxDirty      = 4096            // with more a snapshot is told
	tellPatience  = 3 * time.Second // with one part: nodes that are gone are to be noticed meanwhile
	tellAgain     = time.Second
	leavePatience = 2 * time.Second
)

func (t *teller) init() {
	t.wake = make(chan struct{}, 1)
	t.life = rand.Text()
	t.dirty, t.want = make(map[string]struct{}), map[string]struct{}{"": {}}
	t.full = true
}

func (t *teller) awake() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// changed notes that a session has.
func (t *teller) changed(id string) {
	t.mu.Lock()
	if t.dirty[id] = struct{}{}; len(t.dirty) > maxDirty {
		clear(t.dirty)
		t.stale = true
	}
	t.mu.Unlock()
	t.awake()
}

// asked notes that a node wants a snapshot.
func (t *teller) asked() {
	t.mu.Lock()
	t.full = true
	t.mu.Unlock()
	t.awake()
}

// ask has a node asked for its snapshot.
func (t *teller) ask(node string) {
	t.mu.Lock()
	t.want[node] = struct{}{}
	t.mu.Unlock()
	t.awake()
}

// due takes what is to be told by now. A snapshot that tells more than the deltas did
// has a number of its own.
func (t *teller) due(now time.Time) (asks, dirty []string, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.want) > 0 && !now.Before(t.nextAsk) {
		t.nextAsk = now.Add(tellAgain)
		if _, ok := t.want[""]; ok {
			asks = []string{""}
		} else {
			for node := range t.want {
				asks = append(asks, node)
			}
		}
		clear(t.want)
	}
	for id := range t.dirty {
		dirty = append(dirty, id)
	}
	clear(t.dirty)
	if t.stale {
		dirty = nil
		t.number++
	}
	full = t.stale || t.full || !now.Before(t.nextFull)
	t.stale, t.full = false, false
	if full {
		t.nextFull = now.Add(snapshotEvery)
	}
	return asks, dirty, full
}

// failed notes that some of it could not be told.
func (t *teller) failed(now time.Time, asks []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale, t.pause = true, now.Add(tellAgain)
	for _, node := range asks {
		t.want[node] = struct{}{}
	}
}

// tell joins the other nodes and tells them what they are to know, until ctx ends.
func (c *cluster) tell(ctx context.Context) {
	tick := time.NewTicker(tellAgain)
	defer tick.Stop()
	var stops []func()
	away := false
	for ctx.Err() == nil {
		var err error
		if now := time.Now(); !now.Before(c.tells.pause) {
			if stops, err = c.join(ctx, stops); err == nil {
				err = c.tellDue(ctx, now)
			}
			if err != nil && !away && ctx.Err() == nil {
				c.log().Warn("the other nodes cannot be told of sessions", "error", err)
			}
			away = err != nil
		}
		select {
		case <-ctx.Done():
		case <-c.tells.wake:
		case <-tick.C:
			c.expire()
		}
	}
	bye, cancel := context.WithTimeout(c.leaving, leavePatience)
	defer cancel()
	_ = c.publish(bye, &notice{kind: noticeLeave}) // they notice in time anyway
	var ending sync.WaitGroup
	for _, stop := range stops {
		ending.Go(stop)
	}
	ending.Wait()
}

// join subscribes to what is not subscribed to yet.
func (c *cluster) join(ctx context.Context, stops []func()) ([]func(), error) {
	all := [...]struct {
		topic   string
		receive func(context.Context, Envelope) error
	}{{topicNode + c.link.node, c.inbox}, {topicUsers, c.unknown}, {topicRegistry, c.hear}}
	for _, s := range all[len(stops):] {
		stop, err := c.link.subscribe(ctx, s.topic, "", s.receive)
		if err != nil {
			c.tells.failed(time.Now(), nil)
			return stops, err
		}
		stops = append(stops, stop)
	}
	return stops, nil
}

func (c *cluster) tellDue(ctx context.Context, now time.Time) error {
	asks, dirty, full := c.tells.due(now)
	err := c.tellSessions(ctx, dirty, full)
	for _, node := range asks {
		if err == nil {
			err = c.publish(ctx, &notice{kind: noticeAsk, subject: node})
		}
	}
	if err != nil {
		c.tells.failed(time.Now(), asks)
	}
	return err
}

func (c *cluster) tellSessions(ctx context.Context, dirty []string, full bool) error {
	if len(dirty) > 0 {
		c.tells.number++
		delta := notice{kind: noticeDelta}
		for _, id := range dirty {
			if s, ok := c.own(id); ok {
				delta.sessions = append(delta.sessions, s)
			} else {
				delta.gone = append(delta.gone, id)
			}
		}
		if err := c.publish(ctx, &delta); err != nil {
			return err
		}
	}
	if full {
		return c.publish(ctx, &notice{kind: noticeSnapshot, sessions: c.all()})
	}
	return nil
}

// publish tells all nodes.
func (c *cluster) publish(ctx context.Context, n *notice) error {
	n.life, n.number = c.tells.life, c.tells.number
	for _, part := range n.parts() {
		bounded, cancel := context.WithTimeout(ctx, tellPatience)
		err := c.link.publish(bounded, topicRegistry, Envelope{Destination: topicRegistry, Payload: part.append(nil)})
		cancel()
		if err != nil {
			return err
		}
		c.expire()
	}
	return nil
}
