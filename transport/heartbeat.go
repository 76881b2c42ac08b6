package transport

import (
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// heartbeat watches one connection's silence in both directions with a single
// timer. Reads and writes only store the time; the timer finds out, when it
// fires, how much is left.
type heartbeat struct {
	conn *Conn

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	idle    time.Duration // WebSocketConfig.IdleTimeout
	pinged  int64
	agreed  int64 // when Heartbeat was called
	send    time.Duration
	receive time.Duration
	beat    *Frame
	beaten  int64
}

var pingFrame = controlFrame(opPing, nil)

func silent(d time.Duration) error {
	return message.Errorf(message.CodeTimeout, "nothing received for %v", d)
}

// Heartbeat sends beat when nothing was sent for nine tenths of send, so that
// the client hears something within send, and closes the connection when
// nothing was received for receive, counted from now on, to which the caller
// has added what it tolerates. WebSocket's own pings and pongs count for neither.
// A later call replaces what was said before, and zero leaves it as it is, which
// is not at all if nothing was said; beat may then be nil.
func (c *Conn) Heartbeat(send, receive time.Duration, beat *Frame) {
	if send > 0 && beat == nil {
		panic("transport: Heartbeat with nothing to send")
	}
	h := &c.beats
	h.mu.Lock()
	if send > 0 {
		h.send, h.beat = send, beat
	}
	if receive > 0 {
		h.receive, h.agreed = receive, c.server.now()
	}
	h.arm(0)
	h.mu.Unlock()
}

// watch closes the connection when nothing was received for idle; after half
// of it the client is asked for a sign of life.
func (h *heartbeat) watch(idle time.Duration) {
	h.mu.Lock()
	h.idle = max(idle, 0)
	h.arm(h.idle / 2)
	h.mu.Unlock()
}

func (h *heartbeat) stop() {
	h.mu.Lock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
}

// arm sets the timer. The lock is held.
func (h *heartbeat) arm(d time.Duration) {
	switch {
	case h.stopped:
	case h.timer == nil:
		h.timer = time.AfterFunc(d, h.tick)
	default:
		h.timer.Reset(d)
	}
}

// tick does what is due and arms the timer for what is due next.
func (h *heartbeat) tick() {
	c := h.conn
	now := c.server.now()
	read, data := c.lastRead.Load(), c.lastData.Load()
	if c.receiving.Load() {
		read, data = now, now // it is the protocol that keeps us from reading on
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	left := time.Duration(-1)
	// due reports whether d has passed since; if not, the timer fires then.
	due := func(d time.Duration, since int64) bool {
		rest := d - time.Duration(now-since)
		if d > 0 && rest > 0 && (left < 0 || rest < left) {
			left = rest
		}
		return d > 0 && rest <= 0
	}
	if due(h.receive, max(data, h.agreed)) {
		c.Close(silent(h.receive))
		return
	}
	if due(h.idle, read) {
		c.Close(silent(h.idle))
		return
	}
	if due(h.idle/2, max(min(read, c.lastSent.Load()), h.pinged)) {
		h.pinged = now
		due(h.idle/2, now)
		c.Send(pingFrame)
	}
	// A tenth early: the beat waits for the flusher, and then it travels.
	early := h.send - h.send/10
	if due(early, max(c.lastWrite.Load(), h.beaten)) {
		h.beaten = now
		due(early, now)
		c.Send(h.beat)
	}
	if left >= 0 {
		h.arm(left)
	}
}
