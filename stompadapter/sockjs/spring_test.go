package sockjs_test

import (
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

// The server's part of the URL says nothing: a load balancer may change its
// mind.
func TestServerPartIdentifiesNothing(t *testing.T) {
	f := start(t, everyone(), echo)
	f.post("/000/same/xhr", "").want(t, 200, "o\n")
	f.post("/999/same/xhr_send", `["x"]`).want(t, 204, "")
	f.post("/any-thing/same/xhr", "").want(t, 200, `a["x"]`+"\n")
	f.post("/000/other/xhr_send", `["x"]`).want(t, 404, "404 page not found\n")
}
