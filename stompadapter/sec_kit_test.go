package stompadapter_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// fortress is an adapter with all of its entrances, and the log of everything.
type fortress struct {
	*stompadapter.Adapter
	t   *testing.T
	log *syncBuffer
	web *httptest.Server
	tcp net.Listener
}

func fortify(t *testing.T, in message.RawHandler, c stompadapter.Config) *fortress {
	t.Helper()
	f := &fortress{t: t, log: new(syncBuffer)}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	f.Adapter = stompadapter.New(in, c)
	mux := http.NewServeMux()
	mux.Handle("/ws", f.WebSocket())
	mux.Handle("/sockjs/", f.SockJS())
	f.web = httptest.NewServer(mux)
	var err error
	if f.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); f.ServeTCP(f.tcp) }()
	t.Cleanup(func() {
		f.Close()
		f.web.Close()
		<-served
	})
	return f
}

// attacker is a client of some entrance. A Write is one message, or one segment.
type attacker interface {
	io.WriteCloser
	// rest returns all that the server sends up to the end of the connection.
	rest() string
}

// entrances are the ways in.
var entrances = map[string]func(*fortress, http.Header) attacker{
	"websocket":        func(f *fortress, h http.Header) attacker { return &socketAttacker{f.socket("/ws", h)} },
	"tcp":              func(f *fortress, _ http.Header) attacker { return f.stream() },
	"sockjs/websocket": func(f *fortress, h http.Header) attacker { return f.framed(h) },
	"sockjs/xhr":       func(f *fortress, h http.Header) attacker { return f.poller(h) },
}

// everywhere attacks each entrance of an adapter of its own.
func everywhere(t *testing.T, attack func(t *testing.T, dial func(*fortress, http.Header) attacker)) {
	for name, dial := range entrances {
		t.Run(name, func(t *testing.T) { attack(t, dial) })
	}
}

const patience = 20 * time.Second

type socketAttacker struct{ *websocket.Conn }

func (f *fortress) socket(path string, h http.Header) *websocket.Conn {
	f.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(f.web.URL, "http", "ws", 1)+path, h)
	if err != nil {
		f.t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(patience))
	f.t.Cleanup(func() { ws.Close() })
	return ws
}

func (a *socketAttacker) Write(p []byte) (int, error) {
	return len(p), a.WriteMessage(websocket.TextMessage, p)
}

func (a *socketAttacker) rest() string {
	all := ""
	for {
		_, p, err := a.ReadMessage()
		if err != nil {
			return all + "\n" + err.Error() // with the text of the close frame
		}
		all += string(p)
	}
}

type streamAttacker struct{ net.Conn }

func (f *fortress) stream() streamAttacker {
	f.t.Helper()
	nc, err := net.Dial("tcp", f.tcp.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	f.t.Cleanup(func() { nc.Close() })
	return streamAttacker{nc}
}

func (a streamAttacker) rest() string {
	p, _ := io.ReadAll(a)
	return string(p)
}

// framedAttacker is SockJS over WebSocket.
type framedAttacker struct{ *websocket.Conn }

func (f *fortress) framed(h http.Header) framedAttacker {
	return framedAttacker{f.socket("/sockjs/000/framed/websocket", h)}
}

func (a framedAttacker) Write(p []byte) (int, error) { return len(p), a.WriteJSON([]string{string(p)}) }

func (a framedAttacker) rest() string {
	all := ""
	for {
		_, p, err := a.ReadMessage()
		if err != nil {
			return all + "\n" + err.Error()
		}
		all += unframe(string(p))
	}
}

// unframe returns what is in a frame of SockJS.
func unframe(text string) string {
	var messages []string
	if json.Unmarshal([]byte(strings.TrimPrefix(text, "a")), &messages) == nil {
		return strings.Join(messages, "")
	}
	return text
}

// pollAttacker is SockJS by requests.
type pollAttacker struct {
	f      *fortress
	header http.Header
	path   string
}

var polled atomic.Int32

func (f *fortress) poller(h http.Header) pollAttacker {
	a := pollAttacker{f, h, fmt.Sprintf("/sockjs/000/polled%d/", polled.Add(1))}
	if opened := a.post("xhr", ""); opened != "o\n" {
		f.t.Fatalf("polling opens with %q", opened)
	}
	return a
}

func (a pollAttacker) post(leaf, body string) string {
	a.f.t.Helper()
	r, _ := http.NewRequest(http.MethodPost, a.f.web.URL+a.path+leaf, strings.NewReader(body))
	for name, values := range a.header {
		r.Header[name] = values
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		a.f.t.Fatal(err)
	}
	defer answer.Body.Close()
	p, _ := io.ReadAll(answer.Body)
	return string(p)
}

func (a pollAttacker) Write(p []byte) (int, error) {
	body, _ := json.Marshal([]string{string(p)})
	a.post("xhr_send", string(body))
	return len(p), nil
}

func (a pollAttacker) rest() string {
	for all := ""; ; {
		p := strings.TrimSuffix(a.post("xhr", ""), "\n")
		if all += unframe(p); !strings.HasPrefix(p, "a") {
			return all
		}
	}
}

func (a pollAttacker) Close() error { return nil }
