package stompadapter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// login answers Connect later, when the returned function is called.
func login(in *inbound) (answer func(error)) {
	connects := make(chan message.Raw, 1)
	in.on = func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			m.Done.Hold()
			connects <- m
		}
		return nil
	}
	return func(err error) {
		m := <-connects
		if err == nil {
			err = m.Session.Deliver(m.Session.Context(), message.Raw{Kind: message.KindConnected})
		}
		m.Done.Release(err)
	}
}

func TestHeldFramesGoOnInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbound)
		answer := login(in)
		s := serve(t, in, stompadapter.Config{})
		c := s.dial()
		c.send("CONNECT\naccept-version:1.2\n\n\x00" + send("/1", "1"))
		c.send("\n" + send("/2", "2") + send("/3", "3"))
		synctest.Wait()
		if got := in.kinds(); got != "connect" {
			t.Fatalf("before CONNECTED inbound saw %q", got)
		}
		answer(nil)
		c.send(send("/4", "4"))
		c.want(frame.Connected)
		if got := strings.Join(c.receipts(4), ""); got != "1234" {
			t.Errorf("receipts %s", got)
		}
		var order string
		for _, m := range in.messages() {
			order += m.Destination
		}
		if order != "/1/2/3/4" {
			t.Errorf("order %s", order)
		}
	})
}

func TestHeldFramesAreBounded(t *testing.T) {
	big := "SEND\ndestination:/a\n\n" + strings.Repeat("x", 8<<10)
	for name, rest := range map[string]string{"complete": big + "\x00", "in progress": big} {
		t.Run(name, func(t *testing.T) {
			in := new(inbound)
			login(in)
			s := serve(t, in, stompadapter.Config{})
			c := s.dial()
			c.send("CONNECT\naccept-version:1.2\n\n\x00")
			c.send(rest)
			c.wantError("8192 octets")
			s.adapter.Close()
			if got := in.kinds(); got != "connect disconnect" {
				t.Errorf("inbound saw %q", got)
			}
		})
	}
}

// TestDisconnectComesAfterHeldFrames loses the connection while a held frame
// is being handled.
func TestDisconnectComesAfterHeldFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbound)
		answer := login(in)
		entered, leave := make(chan struct{}), make(chan struct{})
		connect := in.on
		in.on = func(ctx context.Context, m message.Raw) error {
			if m.Kind == message.KindData {
				close(entered)
				<-leave
			}
			return connect(ctx, m)
		}
		s := serve(t, in, stompadapter.Config{})
		c := s.dial()
		c.send(connect12 + send("/a", "r"))
		synctest.Wait()
		answer(nil)
		<-entered
		c.want(frame.Connected)
		c.ws.NetConn().Close()
		synctest.Wait()
		if got := in.kinds(); got != "connect data" {
			t.Errorf("while a frame is handled inbound saw %q", got)
		}
		close(leave)
		s.adapter.Close()
		if got := in.kinds(); got != "connect data disconnect" {
			t.Errorf("inbound saw %q", got)
		}
	})
}

// TestBadFrameComesAfterHeldFrames breaks the protocol while the held frames
// are dispatched.
func TestBadFrameComesAfterHeldFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbound)
		answer := login(in)
		leave := make(chan struct{})
		connect := in.on
		in.on = func(ctx context.Context, m message.Raw) error {
			if m.Destination == "/1" {
				<-leave
			}
			return connect(ctx, m)
		}
		c := serve(t, in, stompadapter.Config{}).dial()
		c.send(connect12 + send("/1", "1") + send("/2", "2"))
		synctest.Wait()
		answer(nil)
		c.want(frame.Connected)
		c.send("NONSENSE\n\n\x00")
		synctest.Wait()
		close(leave)
		if got := strings.Join(c.receipts(2), ""); got != "12" {
			t.Errorf("receipts %s", got)
		}
		c.wantError("unknown command")
	})
}

// TestNothingIsReadAfterDisconnect sends a bad frame behind DISCONNECT.
func TestNothingIsReadAfterDisconnect(t *testing.T) {
	s := serve(t, new(inbound), stompadapter.Config{})
	c := s.connect()
	c.send("DISCONNECT\nreceipt:r\n\n\x00NONSENSE\n\n\x00")
	c.receipts(1)
	c.wantClosed(1000)
	s.adapter.Close()
	if n := s.adapter.Stats().Refused; n != 0 || s.log.String() != "" {
		t.Errorf("%d refused: %s", n, s.log)
	}
}

// TestNothingIsReadAfterARefusal sends bad frames while the ERROR of the first
// waits for its turn.
func TestNothingIsReadAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, taken := slow(1)
		s := serve(t, in, stompadapter.Config{})
		c := s.connect()
		c.send(send("/a", "r"))
		c.send("SEND\n\n\x00")
		c.send("NONSENSE\n\n\x00")
		synctest.Wait()
		(<-taken).Done.Release(nil)
		c.receipts(1)
		c.wantError("SEND needs the header destination")
		if n := s.adapter.Stats().Refused; n != 1 || strings.Count(s.log.String(), "\n") != 1 {
			t.Errorf("%d refused: %s", n, s.log)
		}
	})
}

// TestHeldFramesComeFirst sends more while the held frames are dispatched.
func TestHeldFramesComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := new(inbound)
		answer := login(in)
		leave := make(chan struct{})
		connect := in.on
		in.on = func(ctx context.Context, m message.Raw) error {
			if m.Destination == "/1" {
				<-leave
			}
			return connect(ctx, m)
		}
		c := serve(t, in, stompadapter.Config{}).dial()
		c.send(connect12 + send("/1", "1") + send("/2", "2"))
		synctest.Wait()
		answer(nil)
		c.want(frame.Connected)
		c.send(send("/3", "3") + "NONSENSE\n\n\x00")
		synctest.Wait()
		if got := in.kinds(); got != "connect data" {
			t.Errorf("while a held frame is handled inbound saw %q", got)
		}
		close(leave)
		if got := strings.Join(c.receipts(3), ""); got != "123" {
			t.Errorf("receipts %s", got)
		}
		c.wantError("unknown command")
	})
}

func TestRefusedConnectDispatchesNothing(t *testing.T) {
	denied := message.Errorf(message.CodeDenied, "not you")
	for _, tt := range []struct {
		name, text string
		later      bool
		err        error
	}{
		{"at once", "not you", false, denied},
		{"later", "not you", true, denied},
		{"vetoed", "message dropped", false, message.ErrDropped},
		{"failed", "internal error", true, errors.New("password is hunter2")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := new(inbound)
			answer := login(in)
			if !tt.later {
				in.on = func(context.Context, message.Raw) error { return tt.err }
			}
			s := serve(t, in, stompadapter.Config{})
			c := s.dial()
			c.send("CONNECT\naccept-version:1.2\nlogin:anna\npasscode:secret\n\n\x00" + send("/1", "1"))
			if tt.later {
				answer(tt.err)
			}
			f := c.wantError(tt.text)
			if strings.Contains(string(f.Body), "hunter2") {
				t.Errorf("ERROR tells %q", f.Body)
			}
			s.adapter.Close()
			for _, m := range in.messages() {
				if m.Kind == message.KindData {
					t.Error("a pipelined frame was dispatched")
				}
			}
			if log := s.log.String(); strings.Contains(log, "secret") || strings.Count(log, "\n") < 1 {
				t.Errorf("log %s", log)
			}
		})
	}
}
