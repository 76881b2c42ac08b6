package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// runServer serves until standard input ends.
func runServer(kind string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	switch kind {
	case "headrace":
		go http.Serve(listener, newHeadrace(0))
	case "headrace3":
		go http.Serve(listener, newHeadrace(3))
	case "gorilla":
		go http.Serve(corkListener{listener}, new(broadcast))
	default:
		log.Fatalf("no server of kind %q", kind)
	}
	fmt.Println(listener.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Utime.Nano() + r.Stime.Nano())
	}
}

// newHeadrace is the broker example with interceptors on Outbound.
func newHeadrace(interceptors int) http.Handler {
	node := headrace.New(headrace.Config{})
	for range interceptors {
		node.Outbound.Intercept(countBytes(new(atomic.Int64)))
	}
	return stompadapter.New(node.Inbound, stompadapter.Config{}).WebSocket()
}

// countBytes is an interceptor that does a little work.
func countBytes(total *atomic.Int64) message.RawInterceptor {
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			total.Add(int64(len(m.Payload)))
			return next.Handle(ctx, m)
		})
	}
}

// broadcast is the anchor: whatever one client sends goes to all clients whose
// path is "/sub". A goroutine and a queue of 256 for each; what waits in the queue
// is joined into one write.
type broadcast struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex
	queues   []chan *websocket.PreparedMessage
}

func (b *broadcast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := b.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if r.URL.Path == "/sub" {
		queue := make(chan *websocket.PreparedMessage, 256)
		b.mu.Lock()
		b.queues = append(b.queues, queue)
		b.mu.Unlock()
		go writeJoined(conn, queue)
	}
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		m, err := websocket.NewPreparedMessage(kind, data)
		if err != nil {
			return
		}
		b.mu.Lock()
		for _, q := range b.queues {
			q <- m
		}
		b.mu.Unlock()
	}
}

func writeJoined(conn *websocket.Conn, queue chan *websocket.PreparedMessage) {
	out := conn.NetConn().(*corkConn)
	for m := range queue {
		out.cork = true
		for more := true; more; {
			if conn.WritePreparedMessage(m) != nil {
				return
			}
			select {
			case m = <-queue:
			default:
				more = false
			}
		}
		if out.flush() != nil {
			return
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
