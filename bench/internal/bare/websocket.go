// Package bare has the anchors: broadcasts by hand, with nothing but sockets.
package bare

import (
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"
)

// Subscribe is what a client sends, and gets back, to be a subscriber. Whatever
// else a client sends goes to all subscribers.
const Subscribe = "+"

// depth is how many messages may wait for a subscriber before the publisher does.
const depth = 256

// ServeWebSocket serves a broadcast with gorilla's prepared messages: a goroutine
// and a queue for each subscriber. With join, what waits in the queue becomes one
// write; without, each message is one.
func ServeWebSocket(ln net.Listener, join bool) error {
	b := &broadcast[*websocket.PreparedMessage]{}
	var upgrader websocket.Upgrader
	return http.Serve(corkListener{ln}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		cork := conn.NetConn().(*corkConn)
		for {
			kind, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if string(data) == Subscribe {
				queue := b.subscribe()
				defer b.unsubscribe(queue)
				if conn.WriteMessage(kind, data) != nil {
					return
				}
				go drain(queue, cork, join, conn.WritePreparedMessage)
				continue
			}
			m, err := websocket.NewPreparedMessage(kind, data)
			if err != nil {
				return
			}
			b.publish(m)
		}
	}))
}

// broadcast is the subscribers' queues.
type broadcast[M any] struct {
	mu     sync.Mutex
	queues []chan M
}

func (b *broadcast[M]) subscribe() chan M {
	queue := make(chan M, depth)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues = append(b.queues, queue)
	return queue
}

// unsubscribe closes the queue, which ends its writer.
func (b *broadcast[M]) unsubscribe(queue chan M) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues = slices.DeleteFunc(b.queues, func(q chan M) bool { return q == queue })
	close(queue)
}

func (b *broadcast[M]) publish(m M) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range b.queues {
		q <- m
	}
}

// drain writes what is in the queue. After an error it goes on without writing,
// so that the publisher never waits for a connection that is gone.
func drain[M any](queue chan M, c *corkConn, join bool, write func(M) error) {
	var err error
	for m := range queue {
		c.cork = join
		if err == nil {
			err = write(m)
		}
		for more := join; more; {
			select {
			case next, ok := <-queue:
				if more = ok; ok && err == nil {
					err = write(next)
				}
			default:
				more = false
			}
		}
		if join && err == nil {
			err = c.flush()
		}
	}
}

// corkListener makes connections that can hold writes back.
type corkListener struct{ net.Listener }

func (l corkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &corkConn{Conn: c}, nil
}

// corkConn joins writes while it is corked.
type corkConn struct {
	net.Conn
	cork bool
	buf  *[]byte
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (c *corkConn) Write(p []byte) (int, error) {
	if !c.cork {
		return c.Conn.Write(p)
	}
	if c.buf == nil {
		c.buf = buffers.Get().(*[]byte)
	}
	*c.buf = append(*c.buf, p...)
	return len(p), nil
}

func (c *corkConn) flush() error {
	c.cork = false
	_, err := c.Conn.Write(*c.buf)
	*c.buf = (*c.buf)[:0]
	buffers.Put(c.buf)
	c.buf = nil
	return err
}
