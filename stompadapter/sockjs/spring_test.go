package sockjs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// parrot is a protocol that says what it hears. It fails, panics and leaves
// when it is told to.
type parrot struct {
	conn   *transport.Conn
	heard  []string
	closed chan struct{}
}

func (p *parrot) Receive(b []byte) error {
	p.heard = append(p.heard, string(b))
	switch string(b) {
	case "fail":
		return message.Errorf(message.CodeDenied, "no more")
	case "panic":
		panic("canary")
	case "leave":
		p.conn.Close(nil)
		p.conn.Close(message.Errorf(message.CodeDenied, "a second reason"))
	}
	p.conn.Send(transport.NewFrame(p.conn.Framing(), b))
	return nil
}

func (p *parrot) Closed(error) { close(p.closed) }

// What follows a message that failed is not handled, whether it came with it or
// later, and the client is told of the first reason.
func TestNothingFollowsAFailure(t *testing.T) {
	for last, want := range map[string]string{"fail": `c[1008,"no more"]`, "panic": `c[1011,"internal error"]`, "leave": `c[1000,""]`} {
		t.Run(last, func(t *testing.T) {
			server := transport.NewServer(everyone().Transport)
			defer server.Close()
			parrots := make(chan *parrot, 1)
			f := &fixture{t: t, base: serveHTTP(t, sockjs.Mount(server, sockjs.MountConfig{Prefix: "/base"}, func(c *transport.Conn) transport.Protocol {
				p := &parrot{conn: c, closed: make(chan struct{})}
				parrots <- p
				return p
			})) + "/base"}
			id := path()
			f.post(id+"/xhr", "").want(t, 200, "o\n")
			f.post(id+"/xhr_send", `["x","`+last+`","y"]`).want(t, 204, "")
			f.post(id+"/xhr", "").want(t, 200, `a["x"]`+"\n")
			for range 2 {
				f.post(id+"/xhr", "").want(t, 200, want+"\n")
			}
			f.post(id+"/xhr_send", `["z"]`).want(t, 404, "404 page not found\n")
			p := <-parrots
			<-p.closed
			if heard := strings.Join(p.heard, " "); heard != "x "+last {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// A session goes on with whom it began: a principal by name, anybody else by
// address. To others there is no such session.
func TestASessionGoesOnWithWhomItBegan(t *testing.T) {
	for _, tt := range []struct {
		name, user, addr, nextUser, nextAddr string
		unchecked                            bool
		status                               int
	}{
		{"same user, other address", "kim", "192.0.2.1:7", "kim", "192.0.2.2:7", false, 204},
		{"other user", "kim", "192.0.2.1:7", "lee", "192.0.2.1:7", false, 404},
		{"user gone", "kim", "192.0.2.1:7", "", "192.0.2.1:7", false, 404},
		{"user come", "", "192.0.2.1:7", "kim", "192.0.2.1:7", false, 404},
		{"same address", "", "192.0.2.1:7", "", "192.0.2.1:8", false, 204},
		{"other address", "", "192.0.2.1:7", "", "192.0.2.2:7", false, 404},
		{"other address, unchecked", "", "192.0.2.1:7", "", "192.0.2.2:7", true, 204},
		{"other user, unchecked", "kim", "192.0.2.1:7", "lee", "192.0.2.1:7", true, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := everyone()
			c.NoAddressCheck = tt.unchecked
			c.Transport.Handshake.Principal = func(r *http.Request) (message.Principal, error) {
				if name := r.Header.Get("X-User"); name != "" {
					return message.User(name), nil
				}
				return nil, nil
			}
			h := sockjs.New(c, echo)
			defer h.Close()
			post := func(leaf, body, user, addr string) int {
				w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/base/0/s/"+leaf, strings.NewReader(body))
				r.RemoteAddr = addr
				r.Header.Set("X-User", user)
				h.ServeHTTP(w, r)
				return w.Code
			}
			if status := post("xhr_send", `["x"]`, tt.user, tt.addr); status != 404 {
				t.Errorf("sending to a session that has not begun: %d", status)
			}
			if status := post("xhr", "", tt.user, tt.addr); status != 200 {
				t.Fatalf("beginning it: %d", status)
			}
			if status := post("xhr_send", `["x"]`, tt.nextUser, tt.nextAddr); status != tt.status {
				t.Errorf("going on with it: %d, want %d", status, tt.status)
			}
			if status := post("xhr_send", `["x"]`, tt.user, tt.addr); status != 204 {
				t.Errorf("its owner was answered %d", status)
			}
		})
	}
}

// The server's part of the URL says nothing: a load balancer may change its
// mind.
func TestServerPartIdentifiesNothing(t *testing.T) {
	f := start(t, everyone(), echo)
	f.post("/000/same/xhr", "").want(t, 200, "o\n")
	f.post("/999/same/xhr_send", `["x"]`).want(t, 204, "")
	f.post("/any-thing/same/xhr", "").want(t, 200, `a["x"]`+"\n")
	f.post("/000/other/xhr_send", `["x"]`).want(t, 404, "404 page not found\n")
}

// A page of a strange origin reads nothing and begins nothing; the own and the
// listed ones do.
func TestStrangeOrigins(t *testing.T) {
	c := everyone()
	c.Transport.Handshake = transport.Handshake{AllowedOrigins: []string{"https://shop.example"}}
	f := start(t, c, echo)
	own := strings.TrimSuffix(f.base, "/base")
	for _, tt := range []struct{ method, path string }{
		{"GET", "/info"}, {"OPTIONS", "/info"}, {"GET", "/iframe.html"},
		{"POST", "{session}/xhr"}, {"OPTIONS", "{session}/xhr"}, {"POST", "{session}/xhr_streaming"},
		{"GET", "{session}/eventsource"}, {"GET", "{session}/htmlfile?c=c"}, {"GET", "{session}/jsonp?c=c"},
	} {
		for origin, strange := range map[string]bool{"https://evil.example": true, "null": true, "https://shop.example": false, own: false} {
			resp := f.open(t.Context(), tt.method, strings.Replace(tt.path, "{session}", path(), 1), "", "Origin", origin)
			if (resp.StatusCode == http.StatusForbidden) != strange {
				t.Errorf("%s %s of %s: %d", tt.method, tt.path, origin, resp.StatusCode)
			}
		}
	}
	if n := f.Stats().Open; n != 10 {
		t.Errorf("%d sessions began, want those of two origins", n)
	}
}

// What a page embeds comes without an Origin: where the browser tells of
// another site, it is refused all the same.
func TestStrangePagesEmbedNothing(t *testing.T) {
	c := everyone()
	c.Transport.Handshake = transport.Handshake{AllowedOrigins: []string{"https://shop.example"}}
	f := start(t, c, echo)
	own := strings.TrimSuffix(f.base, "/base")
	for _, end := range []string{"/iframe.html", "{session}/htmlfile?c=c", "{session}/jsonp?c=c"} {
		for _, tt := range []struct {
			site, referer string
			strange       bool
		}{
			{"cross-site", "https://evil.example/page", true},
			{"cross-site", "", true},
			{"", "", true},
			{"cross-site", "https://shop.example/page", false},
			{"same-origin", "", false},
			{"", own + "/page", false},
		} {
			resp := f.open(t.Context(), "GET", strings.Replace(end, "{session}", path(), 1), "", "Sec-Fetch-Site", tt.site, "Referer", tt.referer)
			if (resp.StatusCode == http.StatusForbidden) != tt.strange {
				t.Errorf("%s, %+v: %d", end, tt, resp.StatusCode)
			}
		}
	}
}
