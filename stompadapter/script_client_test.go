package stompadapter_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// wire is a client's end of a connection.
type wire interface {
	// write sends octets in one piece, which WebSocket calls a message.
	write(octets []byte, binary bool) error
	// read returns what came next.
	read() ([]byte, error)
	subprotocol() string
	close()
}

type streamWire struct{ net.Conn }

func (w streamWire) write(octets []byte, _ bool) error {
	_, err := w.Write(octets)
	return err
}

func (w streamWire) read() ([]byte, error) {
	buffer := make([]byte, 4<<10)
	n, err := w.Read(buffer)
	return buffer[:n], err
}

func (w streamWire) subprotocol() string { return "" }
func (w streamWire) close()              { w.Close() }

type webSocketWire struct{ *websocket.Conn }

// write sends as text what can be text, as browsers do.
func (w webSocketWire) write(octets []byte, binary bool) error {
	kind := websocket.TextMessage
	if binary || !utf8.Valid(octets) {
		kind = websocket.BinaryMessage
	}
	return w.WriteMessage(kind, octets)
}

func (w webSocketWire) read() ([]byte, error) {
	_, octets, err := w.ReadMessage()
	return octets, err
}

func (w webSocketWire) subprotocol() string { return w.Subprotocol() }
func (w webSocketWire) close()              { w.NetConn().Close() }

// scriptClient reads all the time and keeps what came until a step looks at it.
type scriptClient struct {
	wire wire
	done chan struct{} // closed when nothing more can come

	mu     sync.Mutex
	octets []byte
	reason error // why it was closed, nil before that
	looked bool  // a step knows that it was closed
}

func newScriptClient(w wire) *scriptClient {
	c := &scriptClient{wire: w, done: make(chan struct{})}
	go c.listen()
	return c
}

func (c *scriptClient) listen() {
	defer close(c.done)
	for {
		octets, err := c.wire.read()
		c.mu.Lock()
		c.octets = append(c.octets, octets...)
		c.reason = err
		c.mu.Unlock()
		if err != nil {
			c.wire.close()
			return
		}
	}
}

func (c *scriptClient) leave() {
	c.wire.close()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = true
}

// gets takes all that came, which must be these frames, or so many line ends.
func (c *scriptClient) gets(w words, text string, args []string) error {
	if slices.Equal(args, []string{"nothing"}) {
		return c.unread()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	came := c.octets
	c.octets = nil
	if len(args) == 2 && args[0] == "heart-beats" {
		if n, err := strconv.Atoi(args[1]); err != nil || string(came) != strings.Repeat("\n", n) {
			return fmt.Errorf("got %q", came)
		}
		return nil
	}
	for want := range strings.SplitSeq(strings.TrimSuffix(text, "^@\n"), "^@\n") {
		got, rest, ok := cutFrame(came)
		if !ok || !w.matchFrame(want, string(got), slices.Equal(args, []string{"in", "order"})) {
			return fmt.Errorf("got\n%s\nwant\n%s^@\nclosed: %v", encodeText(string(came)), want, c.reason)
		}
		came = rest
	}
	if len(came) > 0 {
		return fmt.Errorf("got too much:\n%s", encodeText(string(came)))
	}
	return nil
}

// unread says what came and no step has looked at.
func (c *scriptClient) unread() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.octets) > 0 {
		return fmt.Errorf("got\n%s", encodeText(string(c.octets)))
	}
	if c.reason != nil && !c.looked {
		return fmt.Errorf("was closed: %w", c.reason)
	}
	return nil
}

// is checks what the client is: given a subprotocol, closed, or refused, which is
// closed after an ERROR.
func (c *scriptClient) is(w words, args []string) error {
	switch args = append(args, "", ""); args[0] {
	case "given":
		if got := c.wire.subprotocol(); got != args[1] {
			return fmt.Errorf("was given %q", got)
		}
		return nil
	case "refused":
		text := strings.TrimSpace(strings.Join(args[2:], " "))
		if err := c.gets(w, "ERROR\nmessage:*"+text+"*\n...\n\n*^@\n", nil); err != nil {
			return err
		}
		return c.isClosed(args[1])
	case "closed":
		return c.isClosed(args[1])
	}
	return errNoStep
}

// isClosed checks that the server closed, after nothing that no step looked at;
// an empty code is any.
func (c *scriptClient) isClosed(code string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = true
	if len(c.octets) > 0 {
		return fmt.Errorf("got before that\n%s", encodeText(string(c.octets)))
	}
	if c.reason == nil {
		return errors.New("is open")
	}
	if e, ok := errors.AsType[*websocket.CloseError](c.reason); ok && code != "" && strconv.Itoa(e.Code) != code {
		return c.reason
	}
	return nil
}
