package stompadapter_test

import (
	"bytes"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestConformance(t *testing.T) {
	messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
		a := stompadapter.New(inbound, stompadapter.Config{})
		return suiteServer{a, httptest.NewServer(a.WebSocket())}
	})
}

func TestConformanceOverTCP(t *testing.T) {
	messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
		s := tcpServer{Adapter: stompadapter.New(inbound, stompadapter.Config{}), served: make(chan error, 1)}
		var err error
		if s.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		go func() { s.served <- s.ServeTCP(s.ln) }()
		return s
	})
}

type suiteServer struct {
	*stompadapter.Adapter
	web *httptest.Server
}

func (s suiteServer) Close() {
	s.Adapter.Close()
	s.web.Close()
}

func (s suiteServer) Dial(t *testing.T) messagetest.AdapterClient {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(s.web.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newSuiteClient(webSocketPipe{ws})
}

type tcpServer struct {
	*stompadapter.Adapter
	ln     net.Listener
	served chan error
}

func (s tcpServer) Close() {
	s.Adapter.Close()
	<-s.served
}

func (s tcpServer) Dial(t *testing.T) messagetest.AdapterClient {
	t.Helper()
	nc, err := net.Dial("tcp", s.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newSuiteClient(nc)
}

// pipe is the client's end of a connection.
type pipe interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
}

// webSocketPipe reads and writes WebSocket messages, each at once.
type webSocketPipe struct{ *websocket.Conn }

func (w webSocketPipe) Write(p []byte) (int, error) {
	return len(p), w.WriteMessage(websocket.BinaryMessage, p)
}

func (w webSocketPipe) Read(p []byte) (int, error) {
	_, octets, err := w.ReadMessage()
	if len(octets) > len(p) {
		return 0, io.ErrShortBuffer
	}
	return copy(p, octets), err
}

type suiteClient struct {
	pipe    pipe
	decoder *frame.Decoder
	buffer  []byte
	rest    []byte
}

func newSuiteClient(p pipe) *suiteClient {
	c := &suiteClient{pipe: p, decoder: frame.NewDecoder(frame.Limits{Frame: 1 << 20}), buffer: make([]byte, 128<<10)}
	c.decoder.SetVersion(frame.V12)
	return c
}

func (c *suiteClient) write(f frame.Frame, receipt string, pairs ...string) error {
	var first []message.Field
	if receipt != "" {
		pairs = append(pairs, frame.HeaderReceipt, receipt)
	}
	for i := 0; i < len(pairs); i += 2 {
		first = append(first, message.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	octets, err := frame.Append(nil, frame.V12, f, first...)
	if err != nil {
		return err
	}
	_, err = c.pipe.Write(octets)
	return err
}

func (c *suiteClient) Connect(h message.Header) error {
	return c.write(frame.Frame{Command: frame.Connect, Header: h}, "", "accept-version", "1.2")
}

func (c *suiteClient) Send(destination string, h message.Header, payload []byte, receipt string) error {
	return c.write(frame.Frame{Command: frame.Send, Header: h, Body: payload}, receipt, "destination", destination)
}

func (c *suiteClient) Subscribe(id, destination, receipt string) error {
	return c.write(frame.Frame{Command: frame.Subscribe}, receipt, "id", id, "destination", destination)
}

func (c *suiteClient) Unsubscribe(id, receipt string) error {
	return c.write(frame.Frame{Command: frame.Unsubscribe}, receipt, "id", id)
}

func (c *suiteClient) Disconnect(receipt string) error {
	return c.write(frame.Frame{Command: frame.Disconnect}, receipt)
}

func (c *suiteClient) Cut() { c.pipe.Close() }

func (c *suiteClient) Next() (r messagetest.Received, err error) {
	c.pipe.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, rest, ok, err := c.decoder.Decode(c.rest)
		if c.rest = rest; err != nil {
			return r, err
		}
		if ok {
			return received(f), nil
		}
		n, err := c.pipe.Read(c.buffer)
		if err != nil {
			return r, err
		}
		c.rest = c.buffer[:n]
	}
}

func received(f frame.Frame) messagetest.Received {
	return messagetest.Received{
		Kind:    messagetest.ReceivedKind(strings.ToLower(string(f.Command))),
		Receipt: f.Header.Get(frame.HeaderReceiptID),
		Text:    f.Header.Get(frame.HeaderMessage),
		Message: message.Raw{
			Destination:  f.Header.Get(frame.HeaderDestination),
			Subscription: f.Header.Get(frame.HeaderSubscription),
			Header:       f.Header,
			Payload:      bytes.Clone(f.Body),
		},
	}
}
