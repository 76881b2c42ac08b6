package broker

import (
	"context"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// errand is something for another node that nobody waits for.
type errand struct {
	topic    string
	envelope Envelope
	lost     *atomic.Uint64 // counts it if it fails
}

const maxErrands = 1024

// send leaves something to the cluster's goroutine. It is false if that has too much to
// do already.
func (c *cluster) send(e errand) bool {
	select {
	case c.errands <- e:
		return true
	default:
		return false
	}
}

// run does errands until ctx ends. The engine may be slow: those who receive from it do
// not wait for it.
func (c *cluster) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.errands:
			if c.link.publish(ctx, e.topic, e.envelope) != nil {
				e.lost.Add(1)
			}
		}
	}
}

// dismiss ends a session as another node asks.
func (u *Users) dismiss(e Envelope) {
	n, err := parseNotice(e.Payload)
	if err != nil || n.kind != noticeClose {
		u.cluster.ignored.Add(1)
		return
	}
	if us := u.connected(n.subject); us != nil {
		us.session.Close(n.farewell())
	}
}

// dismissAt has a session of another node ended there.
func (u *Users) dismissAt(node, session string, reason error) bool {
	n := notice{kind: noticeClose, life: u.cluster.tells.life, subject: session}
	if told := message.Public(reason); told != nil {
		n.code, n.reason = string(told.Code), told.Message
	}
	return u.cluster.send(errand{
		topic:    topicNode + node,
		envelope: Envelope{Destination: topicRegistry, Payload: n.append(nil)},
		lost:     new(atomic.Uint64),
	})
}
