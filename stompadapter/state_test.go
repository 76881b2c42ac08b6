package stompadapter_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// What a cell of the state table may say.
const (
	opens      = "session begins"
	errors_    = "ERROR, close"
	holds      = "held"
	dispatches = "dispatched"
	closes     = "closed"
	receipt    = "receipt, then closed"
	ignores    = "ignored"
)

var cells = []struct {
	name, frame            string
	new, auth, open, drain string
}{
	{"CONNECT", "CONNECT\naccept-version:1.2\n\n\x00", opens, errors_, errors_, errors_},
	{"STOMP", "STOMP\naccept-version:1.2\n\n\x00", opens, errors_, errors_, errors_},
	{"SEND", "SEND\ndestination:/a\n\n\x00", errors_, holds, dispatches, errors_},
	{"SUBSCRIBE", "SUBSCRIBE\nid:2\ndestination:/a\n\n\x00", errors_, holds, dispatches, errors_},
	{"UNSUBSCRIBE", "UNSUBSCRIBE\nid:1\n\n\x00", errors_, holds, dispatches, dispatches},
	{"ACK", "ACK\nid:m\n\n\x00", errors_, errors_, dispatches, dispatches},
	{"NACK", "NACK\nid:m\n\n\x00", errors_, errors_, dispatches, dispatches},
	{"BEGIN", "BEGIN\ntransaction:t\n\n\x00", errors_, errors_, dispatches, errors_},
	{"COMMIT", "COMMIT\ntransaction:t\n\n\x00", errors_, errors_, dispatches, dispatches},
	{"ABORT", "ABORT\ntransaction:t\n\n\x00", errors_, errors_, dispatches, dispatches},
	{"DISCONNECT", "DISCONNECT\nreceipt:bye\n\n\x00", closes, closes, receipt, receipt},
	{"heart-beat", "\n", ignores, ignores, ignores, ignores},
	{"CONNECTED", "CONNECTED\n\n\x00", errors_, errors_, errors_, errors_},
	{"MESSAGE", "MESSAGE\n\n\x00", errors_, errors_, errors_, errors_},
	{"RECEIPT", "RECEIPT\n\n\x00", errors_, errors_, errors_, errors_},
	{"ERROR", "ERROR\n\n\x00", errors_, errors_, errors_, errors_},
	{"unknown", "HELLO\n\n\x00", errors_, errors_, errors_, errors_},
	{"bad frame", "SEND\nx\n\n\x00", errors_, errors_, errors_, errors_},
}

// TestStateTable drives a session into each state and sends it each command.
func TestStateTable(t *testing.T) {
	for _, cell := range cells {
		for state, want := range map[string]string{"NEW": cell.new, "AUTH": cell.auth, "OPEN": cell.open, "DRAIN": cell.drain, "CLOSED": ignores} {
			t.Run(cell.name+" in "+state, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newStage(t, state).play(cell.frame, want) })
			})
		}
	}
}

// stage is a session in some state, with one SEND under way in the later ones
// that keeps it there.
type stage struct {
	*client
	in      *inbound
	state   string
	connect message.Raw
	slow    message.Raw
}

func newStage(t *testing.T, state string) *stage {
	g := &stage{state: state, in: new(inbound)}
	g.in.on = func(ctx context.Context, m message.Raw) error {
		switch {
		case m.Kind == message.KindConnect:
			g.connect = m
			if state == "OPEN" || state == "DRAIN" || state == "CLOSED" {
				return accept(ctx, m)
			}
		case m.Destination == "/slow":
			m.Done.Hold()
			g.slow = m
		}
		return nil
	}
	s := serve(t, g.in, stompadapter.Config{})
	g.client = s.dial()
	if state != "NEW" {
		g.send("CONNECT\naccept-version:1.2\n\n\x00")
	}
	if state == "OPEN" || state == "DRAIN" || state == "CLOSED" {
		g.want(frame.Connected)
		g.send("SUBSCRIBE\nid:1\ndestination:/a\n\n\x00" + "SEND\ndestination:/slow\n\n\x00")
	}
	if state == "CLOSED" {
		g.send("DISCONNECT\n\n\x00")
	}
	synctest.Wait()
	if state == "DRAIN" {
		done := make(chan struct{})
		go func() { defer close(done); s.adapter.Shutdown(context.Background()) }()
		t.Cleanup(func() { s.adapter.Close(); <-done })
		synctest.Wait()
	}
	return g
}

// play sends one frame and checks that exactly what is wanted happens.
func (g *stage) play(octets, want string) {
	before, began := len(g.in.messages()), time.Now()
	g.send(octets)
	synctest.Wait()
	dispatched := len(g.in.messages()) - before
	got := ignores
	switch {
	case dispatched > 0 && g.state == "NEW":
		got = opens
	case dispatched > 0:
		got = dispatches
	}
	if got != want && want != holds && dispatched > 0 {
		g.t.Fatalf("%s (%s), want %s", got, g.in.kinds(), want)
	}
	switch want {
	case errors_, closes, receipt:
		g.finish()
		got = g.ending()
	case holds:
		got = g.released(before)
	case ignores:
		if g.state == "CLOSED" {
			g.finish()
			got = strings.Replace(g.ending(), closes, ignores, 1)
		}
	}
	if got != want {
		g.t.Errorf("%s, want %s", got, want)
	}
	if took := time.Since(began); took > 5*time.Second && want != ignores {
		g.t.Errorf("%s after %v: not the frame, but the login timeout did that", got, took)
	}
}

// finish ends the SEND under way, before which nothing is answered.
func (g *stage) finish() { g.slow.Done.Release(nil) }

// released lets the session open and reports what became of the frame.
func (g *stage) released(before int) string {
	if len(g.in.messages()) > before {
		return dispatches
	}
	g.in.mu.Lock()
	session := g.connect.Session
	g.in.mu.Unlock()
	session.Deliver(context.Background(), message.Raw{Kind: message.KindConnected})
	g.want(frame.Connected)
	synctest.Wait()
	if len(g.in.messages()) > before || strings.HasSuffix(g.in.kinds(), "unsubscribe") {
		return holds
	}
	if f, ok := g.next(); ok && f.Command == frame.Error { // UNSUBSCRIBE of nothing
		return holds
	}
	return ignores
}

// ending reports how the connection ended.
func (g *stage) ending() (how string) {
	how = closes
	for {
		f, ok := g.next()
		switch {
		case !ok:
			return how
		case f.Command == frame.Error:
			how = errors_
		case f.Command == frame.Receipt:
			how = receipt
		}
	}
}

// TestDrainRefusesAfterTheReceipts sends while the server drains.
func TestDrainRefusesAfterTheReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, "DRAIN")
		g.send(send("/a", "late"))
		synctest.Wait()
		g.finish()
		if f := g.wantError("shutting down"); f.Header.Get("receipt-id") != "late" {
			t.Errorf("receipt-id %q", f.Header.Get("receipt-id"))
		}
	})
}
