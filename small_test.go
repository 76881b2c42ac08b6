package headrace_test

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/stompadapter"
)

// smallSite is a node behind the small adapters, and STOMP for users beside them.
type smallSite struct {
	*site
	url string
}

func serveSmall(t *testing.T, config headrace.Config) *smallSite {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	config.Logger = quiet
	node := headrace.New(config)
	objects := jsonadapter.New(node.Inbound, jsonadapter.Config{Logger: quiet})
	events := sseadapter.New(node.Inbound, sseadapter.Config{Logger: quiet})
	frames := withUsers()
	frames.Logger = quiet
	stomp := stompadapter.New(node.Inbound, frames)
	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/json", objects.WebSocket())
	mux.Handle("/events", events.Events())
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		objects.Close()
		events.Close()
		stomp.Close()
		web.Close()
		node.Close()
	})
	return &smallSite{&site{t: t, node: node, addr: web.Listener.Addr().String()}, web.URL}
}

// told is what a client of either kind is told.
type told struct {
	Type string
	codec.Envelope
	Session, Token, ID, Destination, Receipt, Code, Message string
}

// text is the payload.
func (m told) text() string {
	var text string
	if json.Unmarshal(m.Payload, &text) != nil {
		return string(m.Payload)
	}
	return text
}

// small is a client of either kind.
type small interface {
	// do asks for something by an id, or a destination, or both; what is asked
	// for with a receipt is done when it returns.
	do(what, id, destination, payload string, header map[string]string) told
	// next returns the next message.
	next() told
}

// objects is a client that speaks JSON.
type objects struct {
	t     testing.TB
	ws    *websocket.Conn
	queue []told // that came before a receipt
}

func (s *smallSite) objects() *objects {
	s.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(s.url, "http", "ws", 1)+"/json", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	c := &objects{t: s.t, ws: ws}
	c.write(map[string]any{"type": "connect"})
	if m := c.read(); m.Type != "connected" {
		s.t.Fatalf("got %+v", m)
	}
	return c
}

func (c *objects) write(object map[string]any) {
	c.t.Helper()
	if err := c.ws.WriteJSON(object); err != nil {
		c.t.Fatal(err)
	}
}

func (c *objects) read() (m told) {
	c.t.Helper()
	c.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := c.ws.ReadJSON(&m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *objects) do(what, id, destination, payload string, header map[string]string) told {
	c.t.Helper()
	object := map[string]any{"type": what, "receipt": what, "header": header}
	for name, value := range map[string]string{"id": id, "destination": destination, "payload": payload} {
		if value != "" {
			object[name] = value
		}
	}
	c.write(object)
	for {
		m := c.read()
		if m.Type != "message" {
			return m
		}
		c.queue = append(c.queue, m)
	}
}

func (c *objects) next() (m told) {
	c.t.Helper()
	if len(c.queue) > 0 {
		m, c.queue = c.queue[0], c.queue[1:]
		return m
	}
	return c.read()
}

// events is a client that listens to events and sends by POST.
type events struct {
	t     testing.TB
	url   string
	from  *bufio.Reader
	token string
	queue []told
}

func (s *smallSite) events() *events {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events", nil)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		response.Body.Close()
	})
	c := &events{t: s.t, url: s.url + "/events", from: bufio.NewReader(response.Body)}
	c.token = c.read().Token
	return c
}

func (c *events) read() (m told) {
	c.t.Helper()
	m.Type = "message"
	for {
		line, err := c.from.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			m.Type = strings.TrimSpace(name)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				c.t.Fatal(err)
			}
			return m
		}
	}
}

func (c *events) do(what, id, destination, payload string, header map[string]string) told {
	c.t.Helper()
	query := url.Values{"session": {c.token}, "receipt": {what}}
	if what != "send" {
		query.Set(what, id)
	}
	if destination != "" {
		query.Set("destination", destination)
	}
	for name, value := range header {
		query.Add("header", name+":"+value)
	}
	response, err := http.Post(c.url+"?"+query.Encode(), "text/plain", strings.NewReader(payload))
	if err != nil {
		c.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		c.t.Fatal(response.Status)
	}
	for {
		m := c.read()
		if m.Type != "message" {
			return m
		}
		c.queue = append(c.queue, m)
	}
}

func (c *events) next() (m told) {
	c.t.Helper()
	if len(c.queue) > 0 {
		m, c.queue = c.queue[0], c.queue[1:]
		return m
	}
	return c.read()
}
