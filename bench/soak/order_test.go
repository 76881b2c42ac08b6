package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// schemes are those of a site.
var schemes = []string{"ws", "wss", "tcp", "tls"}

// dawdle takes up to two milliseconds.
func dawdle() { <-time.After(rand.N(2 * time.Millisecond)) }

// Whoever says goodbye and waits for the answer has lost nothing: all that was
// sent before is handled, once.
func TestR02OrderlyClose(t *testing.T) {
	clients, each := size(12, 50), size(100, 1000)
	s := here(t, site.Config{})
	handled := make([]atomic.Int32, clients*each)
	handler.Consume(s.Node.Router, "/note", func(_ context.Context, i int) error {
		dawdle() // or it would be done before anybody could tell
		handled[i].Add(1)
		return nil
	})
	_, err := load.Each(clients, clients, func(i int) (struct{}, error) {
		return struct{}{}, noteAndLeave(s.URL(schemes[i%len(schemes)]), i*each, each)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range handled { // now: a receipt means that it is done
		if n := handled[i].Load(); n != 1 {
			t.Errorf("message %d was handled %d times", i, n)
		}
	}
	t.Logf("%d clients sent %d messages", clients, len(handled))
}

// noteAndLeave sends numbers from first on, and DISCONNECT right behind them.
func noteAndLeave(url string, first, n int) error {
	c, err := load.Connect(url, load.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	var frames strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&frames, "SEND\ndestination:/app/note\nreceipt:%[1]d\n\n%[1]d\x00", i)
	}
	for piece := range pieces(frames.String()+"DISCONNECT\nreceipt:bye\n\n\x00", 4000) {
		if err := c.Send(piece); err != nil {
			return err
		}
	}
	for i := first; i <= first+n; i++ {
		want := strconv.Itoa(i)
		if i == first+n {
			want = "bye"
		}
		f, err := c.Frame()
		if err != nil || !strings.Contains(string(f), "receipt-id:"+want+"\n") {
			return fmt.Errorf("got %q, %v, want the receipt %s", f, err, want)
		}
	}
	return nil
}

// pieces cuts a text.
func pieces(text string, size int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > 0 && yield(text[:min(size, len(text))]) {
			text = text[min(size, len(text)):]
		}
	}
}

// What a session sends is handled in order, and what is published reaches it in
// order, however long each message takes on the way in and on the way out.
func TestR09Order(t *testing.T) {
	sessions, each := size(20, 500), size(100, 2000)
	out := channel.NewExecutor(channel.Config[[]byte]{Name: "outbound", Workers: 8})
	t.Cleanup(out.Close)
	s := here(t, site.Config{Workers: 8})
	s.Node.Outbound.Intercept(interceptor.Ordered(out, nil), func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			dawdle()
			return next.Handle(ctx, m)
		})
	})
	next := make([]int, sessions) // plain numbers: two handlers of one session at once would be a race
	var inversions atomic.Int64
	handler.Handle(s.Node.Router, "/echo/{session}", func(_ context.Context, r handler.Request[int]) (int, error) {
		session, err := strconv.Atoi(r.PathValue("session"))
		if err != nil {
			return 0, err
		}
		if r.Payload != next[session] {
			inversions.Add(1)
		}
		next[session] = r.Payload + 1
		dawdle()
		return r.Payload, nil
	}, handler.SendTo("/topic/echo/{session}"))
	start := time.Now()
	_, err := load.Each(sessions, sessions, func(i int) (struct{}, error) {
		return struct{}{}, echoInOrder(s.URL(schemes[i%len(schemes)]), strconv.Itoa(i), each)
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d messages of %d sessions there and back in %v", sessions*each, sessions, time.Since(start).Round(time.Millisecond))
	if n := inversions.Load(); n > 0 {
		t.Errorf("%d inversions on the way in", n)
	}
}

// echoInOrder sends numbers and wants them back in order.
func echoInOrder(url, session string, n int) error {
	c, err := load.Connect(url, load.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(size(time.Minute, 15*time.Minute)))
	if err := c.Subscribe("0", "/topic/echo/"+session); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.Publish("/app/echo/"+session, strconv.Itoa(i))
		}
		sent <- err
	}()
	for want := range n {
		f, err := c.Frame()
		if err != nil || string(load.Body(f)) != strconv.Itoa(want) {
			return fmt.Errorf("session %s got %q, %v, want %d", session, f, err, want)
		}
	}
	return <-sent
}
