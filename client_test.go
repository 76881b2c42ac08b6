package headrace_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// client speaks STOMP over WebSocket in text that the tests write themselves.
type client struct {
	t    testing.TB
	ws   *websocket.Conn
	rest string
	code int // of the close frame
}

// frame is what the server sent.
type frame struct {
	command string
	header  map[string]string
	body    string
}

func (s *site) dial() *client { return s.dialAs("") }

// dialAs opens a connection for a user: see [byHeader].
func (s *site) dialAs(user string) *client {
	s.t.Helper()
	header := http.Header{}
	if user != "" {
		header.Set("X-User", user)
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", header)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{t: s.t, ws: ws}
	s.t.Cleanup(func() { ws.Close() })
	return c
}

// connect opens a connection and logs in.
func (s *site) connect() *client { return s.connectAs("") }

func (s *site) connectAs(user string) *client {
	s.t.Helper()
	c := s.dialAs(user)
	c.login()
	return c
}

// login returns the session's id.
func (c *client) login() string {
	c.t.Helper()
	c.send("CONNECT\naccept-version:1.2\nhost:h\n\n\x00")
	return c.want("CONNECTED").header["session"]
}

// send writes frames as they are.
func (c *client) send(frames ...string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(strings.Join(frames, ""))); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame, or false when the connection was closed.
func (c *client) next() (frame, bool) {
	c.t.Helper()
	for {
		c.rest = strings.TrimLeft(c.rest, "\n") // heart-beats
		if text, rest, ok := strings.Cut(c.rest, "\x00"); ok {
			c.rest = rest
			return c.parse(text), true
		}
		c.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, p, err := c.ws.ReadMessage()
		if err != nil {
			if bye, ok := errors.AsType[*websocket.CloseError](err); ok {
				c.code = bye.Code
			}
			return frame{}, false
		}
		c.rest += string(p)
	}
}

var unescape = strings.NewReplacer(`\c`, ":", `\n`, "\n", `\r`, "\r", `\\`, `\`)

func (c *client) parse(text string) frame {
	c.t.Helper()
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		c.t.Fatalf("%q is no frame", text)
	}
	lines := strings.Split(head, "\n")
	f := frame{command: lines[0], header: make(map[string]string), body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		f.header[unescape.Replace(name)] = unescape.Replace(value)
	}
	return f
}

// want returns the next frame, which must have this command.
func (c *client) want(command string) frame {
	c.t.Helper()
	f, ok := c.next()
	if !ok {
		c.t.Fatalf("the connection was closed with %d, want %s", c.code, command)
	}
	if f.command != command {
		c.t.Fatalf("got %v, want %s", f, command)
	}
	return f
}

// wantMessage reads a MESSAGE for a subscription.
func (c *client) wantMessage(subscription, body string) frame {
	c.t.Helper()
	f := c.want("MESSAGE")
	if f.header["subscription"] != subscription || f.body != body {
		c.t.Fatalf("got %v, want %q for %q", f, body, subscription)
	}
	return f
}

func (c *client) wantReceipt(id string) {
	c.t.Helper()
	if f := c.want("RECEIPT"); f.header["receipt-id"] != id {
		c.t.Fatalf("got %v, want the receipt %q", f, id)
	}
}

// wantError reads an ERROR with exactly this message and the close.
func (c *client) wantError(text string) frame {
	c.t.Helper()
	f := c.want("ERROR")
	if f.header["message"] != text {
		c.t.Fatalf("ERROR says %q, want %q", f.header["message"], text)
	}
	c.wantClosed()
	return f
}

// wantClosed reads the end of the connection: nothing else may come.
func (c *client) wantClosed() {
	c.t.Helper()
	if f, ok := c.next(); ok {
		c.t.Fatalf("got %v, want the connection closed", f)
	}
	if c.code == 0 {
		c.t.Fatal("the connection was cut without a close frame")
	}
}

// subscribe waits until the server has the subscription.
func (c *client) subscribe(id, dest string) {
	c.t.Helper()
	c.send(subscribeFrame(id, dest, "sub-"+id))
	c.wantReceipt("sub-" + id)
}

// sync waits until everything sent before is handled; nothing may come meanwhile.
func (c *client) sync() {
	c.t.Helper()
	c.send("SEND\ndestination:/user/nobody/sync\nreceipt:sync\n\n\x00")
	c.wantReceipt("sync")
}

func subscribeFrame(id, dest, receipt string) string {
	return fmt.Sprintf("SUBSCRIBE\nid:%s\ndestination:%s\nreceipt:%s\n\n\x00", id, dest, receipt)
}

// sendFrame is a SEND of a text; without a receipt when that is "".
func sendFrame(dest, receipt, body string) string {
	if receipt != "" {
		receipt = "receipt:" + receipt + "\n"
	}
	return fmt.Sprintf("SEND\ndestination:%s\ncontent-type:text/plain\n%s\n%s\x00", dest, receipt, body)
}
