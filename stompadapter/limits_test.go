package stompadapter_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// visitor is who comes, and how.
type visitor struct {
	way     string
	address int    // which of the crowd's
	door    string // who the handshake says it is
	login   string // who CONNECT says it is
}

// user is who the visitor is once it is connected.
func (v visitor) user() string { return cmp.Or(v.login, v.door) }

// header is that of the visitor's requests.
func (v visitor) header() http.Header { return http.Header{"User": {v.door}} }

// guest is a visitor that was let in. Close is abrupt.
type guest struct {
	visitor
	io.ReadWriteCloser
}

// say sends a frame and waits for one of these words; it returns "" when the
// connection ended.
func (g *guest) say(frame string, words ...string) string {
	if _, err := io.WriteString(g, frame); err != nil {
		return ""
	}
	var came []byte
	for b := make([]byte, 4096); ; {
		n, err := g.Read(b)
		came = append(came, b[:n]...)
		for _, w := range words {
			if bytes.Contains(came, []byte(w)) {
				return w
			}
		}
		if err != nil {
			return ""
		}
	}
}

// crowd is an adapter with entrances for clients of several addresses.
type crowd struct {
	*stompadapter.Adapter
	webs    []string // URLs, by address
	tcps    []string
	closers []func()
}

// stranger is a socket of this machine that looks like one from elsewhere.
type stranger struct {
	net.Conn
	from net.Addr
}

func (s stranger) RemoteAddr() net.Addr { return s.from }

// strangers listens for those of one address.
type strangers struct {
	net.Listener
	address int
}

func (l strangers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	port := c.RemoteAddr().(*net.TCPAddr).Port
	return stranger{c, &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(l.address)), Port: port}}, nil
}

func gather(t *rapid.T, addresses int, c transport.Config) *crowd {
	c.Handshake.Principal = func(r *http.Request) (message.Principal, error) {
		if user := r.Header.Get("User"); user != "" {
			return message.User(user), nil
		}
		return nil, nil
	}
	in := &inbound{on: func(ctx context.Context, m message.Raw) error {
		if user := m.Header.Get("login"); m.Kind == message.KindConnect && user != "" {
			m.Session.SetUser(message.User(user))
		}
		return accept(ctx, m)
	}}
	s := &crowd{Adapter: stompadapter.New(in, stompadapter.Config{Transport: c, Logger: slog.New(slog.DiscardHandler)})}
	mux := http.NewServeMux()
	mux.Handle("/sockjs/", s.SockJS())
	mux.Handle("/ws", s.WebSocket())
	for address := range addresses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() { defer close(served); s.ServeTCP(strangers{ln, address}) }()
		web := httptest.NewUnstartedServer(mux)
		web.Listener = strangers{web.Listener, address}
		web.Start()
		s.tcps, s.webs = append(s.tcps, ln.Addr().String()), append(s.webs, web.URL)
		s.closers = append(s.closers, web.Close, func() { <-served })
	}
	return s
}

func (s *crowd) close() {
	s.Adapter.Close()
	for _, end := range s.closers {
		end()
	}
}

// ways lead in; a refusal is an error.
var ways = map[string]func(s *crowd, v visitor) (io.ReadWriteCloser, error){
	"tcp": func(s *crowd, v visitor) (io.ReadWriteCloser, error) {
		nc, err := net.Dial("tcp", s.tcps[v.address])
		if err != nil {
			return nil, err
		}
		nc.(*net.TCPConn).SetLinger(0) // its end is a reset
		return nc, nc.SetDeadline(time.Now().Add(20 * time.Second))
	},
	"websocket": func(s *crowd, v visitor) (io.ReadWriteCloser, error) {
		ws, err := s.webSocket(v, "/ws")
		return webSocketPipe{ws}, err
	},
	"sockjs/websocket": func(s *crowd, v visitor) (io.ReadWriteCloser, error) {
		ws, err := s.webSocket(v, "/sockjs/000/any/websocket")
		return &sockJSPipe{Conn: ws}, err
	},
	"sockjs/xhr": func(s *crowd, v visitor) (io.ReadWriteCloser, error) { return s.stream(v) },
}

func (s *crowd) webSocket(v visitor, path string) (*websocket.Conn, error) {
	ws, resp, err := websocket.DefaultDialer.Dial(strings.Replace(s.webs[v.address], "http", "ws", 1)+path, v.header())
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, refusal(resp)
	}
	if err != nil {
		return nil, err
	}
	ws.NetConn().(*net.TCPConn).SetLinger(0)
	return ws, ws.SetReadDeadline(time.Now().Add(20 * time.Second))
}

var errRefused = errors.New("refused")

// refusal is errRefused if the answer is that of a limit.
func refusal(r *http.Response) error {
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	if r.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(string(text), "too many connections") {
		return errRefused
	}
	return fmt.Errorf("%s: %s", r.Status, text)
}

// xhrPipe is the client's end of a SockJS session by requests: one receives, and
// each Write is one.
type xhrPipe struct {
	visitor
	client *http.Client
	url    string
	body   io.ReadCloser // of the one that receives
	cancel context.CancelFunc
}

var xhrSessions atomic.Int64

func (s *crowd) stream(v visitor) (*xhrPipe, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	p := &xhrPipe{
		visitor: v,
		client:  &http.Client{Transport: new(http.Transport)},
		url:     fmt.Sprintf("%s/sockjs/000/s%d", s.webs[v.address], xhrSessions.Add(1)),
		cancel:  cancel,
	}
	r, err := p.post(ctx, "/xhr_streaming", nil)
	if err == nil && r.StatusCode != http.StatusOK {
		err = refusal(r)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	p.body = r.Body
	return p, nil
}

func (p *xhrPipe) post(ctx context.Context, to string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+to, body)
	if err != nil {
		return nil, err
	}
	r.Header = p.header()
	return p.client.Do(r)
}

func (p *xhrPipe) Write(b []byte) (int, error) {
	array, err := json.Marshal([]string{string(b)})
	if err != nil {
		return 0, err
	}
	r, err := p.post(context.Background(), "/xhr_send", bytes.NewReader(array))
	if err != nil {
		return 0, err
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNoContent {
		return 0, errors.New(r.Status)
	}
	return len(b), nil
}

func (p *xhrPipe) Read(b []byte) (int, error) { return p.body.Read(b) }

func (p *xhrPipe) Close() error {
	p.cancel()
	if p.body != nil {
		p.body.Close()
	}
	p.client.CloseIdleConnections()
	return nil
}

// admit lets a visitor in, or returns nil if a limit refuses it.
func (s *crowd) admit(v visitor) (*guest, error) {
	pipe, err := ways[v.way](s, v)
	if errors.Is(err, errRefused) || err != nil && v.way == "tcp" { // a stream is cut without a word, perhaps before Dial returns
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g := &guest{v, pipe}
	connect := "CONNECT\naccept-version:1.2\nhost:h\n"
	if v.login != "" {
		connect += "login:" + v.login + "\n"
	}
	switch g.say(connect+"\n\x00", "CONNECTED", "too many connections of this user") {
	case "CONNECTED":
		return g, nil
	case "":
		if v.way != "tcp" {
			err = fmt.Errorf("%+v: neither let in nor told why", v)
		}
	}
	g.Close()
	return nil, err
}

// rush lets visitors in, all at once.
func (s *crowd) rush(all []visitor) (in []*guest, err error) {
	var (
		mu   sync.Mutex
		done sync.WaitGroup
	)
	for _, v := range all {
		done.Go(func() {
			g, failed := s.admit(v)
			mu.Lock()
			defer mu.Unlock()
			if g != nil {
				in = append(in, g)
			}
			err = errors.Join(err, failed)
		})
	}
	done.Wait()
	return in, err
}

// room is how many more visitors of an address and a user there is room for.
func room(c transport.Config, in []*guest, address int, user string) int {
	room := c.MaxConnections - len(in)
	left := func(limit int, same func(*guest) bool) {
		for _, g := range in {
			if same(g) {
				limit--
			}
		}
		room = min(room, limit)
	}
	if c.MaxPerAddress > 0 {
		left(c.MaxPerAddress, func(g *guest) bool { return g.address == address })
	}
	if c.MaxPerUser > 0 && user != "" {
		left(c.MaxPerUser, func(g *guest) bool { return g.user() == user })
	}
	return room
}

// drawRush returns visitors of one address and one user, who say that in any
// way: then the number of those who are let in depends on nobody's haste. One
// who comes alone may be another at the door.
func drawRush(t *rapid.T, addresses int) (all []visitor) {
	address := rapid.IntRange(0, addresses-1).Draw(t, "address")
	user := rapid.SampledFrom([]string{"", "ann", "guest"}).Draw(t, "user")
	n := rapid.IntRange(1, 6).Draw(t, "visitors")
	for range n {
		v := visitor{
			way:     rapid.SampledFrom(slices.Sorted(maps.Keys(ways))).Draw(t, "way"),
			address: address,
		}
		switch rapid.SampledFrom([]string{"login", "door", "both"}).Draw(t, "told by") {
		case "both":
			v.login, v.door = user, user
			if n == 1 {
				v.door = "guest"
			}
		case "door":
			v.door = user
		case "login":
			v.login = user
		}
		if v.way == "tcp" {
			v.login, v.door = user, ""
		}
		all = append(all, v)
	}
	return all
}

// TestLimitsAreExact: of N who come at once, over whatever leads in, as many get
// in as there is room for, in all, from one address and of one user. Who goes
// makes room, however it goes.
func TestLimitsAreExact(t *testing.T) {
	const addresses = 2
	rapid.Check(t, func(t *rapid.T) {
		c := transport.Config{
			MaxConnections: rapid.IntRange(1, 6).Draw(t, "MaxConnections"),
			MaxPerAddress:  rapid.IntRange(0, 4).Draw(t, "MaxPerAddress"),
			MaxPerUser:     rapid.IntRange(0, 3).Draw(t, "MaxPerUser"),
		}
		s := gather(t, addresses, c)
		defer s.close()
		var in []*guest
		defer func() {
			for _, g := range in {
				g.Close()
			}
		}()
		refused := uint64(0)
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			all := drawRush(t, addresses)
			v := all[0]
			want := min(len(all), room(c, in, v.address, v.door), room(c, in, v.address, v.user()))
			more, err := s.rush(all)
			in = append(in, more...)
			if err != nil {
				t.Fatal(err)
			}
			if len(more) != want {
				t.Fatalf("%d of %+v were let in, want %d", len(more), all, want)
			}
			refused += uint64(len(all) - want)
			st := s.Stats().Transport
			if got := st.Limited.Connections + st.Limited.PerAddress + st.Limited.PerUser; got != refused {
				t.Fatalf("%d were refused, and counted %+v", refused, st.Limited)
			}
			in = slices.DeleteFunc(in, func(g *guest) bool {
				switch rapid.SampledFrom([]string{"stays", "leaves", "is cut"}).Draw(t, g.way) {
				case "stays":
					return false
				case "leaves":
					if g.say("DISCONNECT\nreceipt:bye\n\n\x00", "RECEIPT") == "" {
						t.Fatalf("%+v got no receipt", g.visitor)
					}
				}
				g.Close()
				return true
			})
			eventually(t, "those who went are not counted", func() bool { return s.Stats().Transport.Open == len(in) })
		}
	})
}
