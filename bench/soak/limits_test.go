package soak

import (
	"cmp"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// entrances let a client in; a refusal is an error.
var entrances = []func(*site.Site) (*load.Conn, error){
	stomp("ws"), stomp("wss"), stomp("tcp"), stomp("tls"), sockWebSocket,
}

func stomp(scheme string) func(*site.Site) (*load.Conn, error) {
	return func(s *site.Site) (*load.Conn, error) {
		c, err := load.Connect(s.URL(scheme), load.Options{})
		if err != nil {
			return nil, err
		}
		return c.Conn, nil
	}
}

func sockWebSocket(s *site.Site) (*load.Conn, error) {
	c, err := load.Dial(sockURL(s)+"/websocket", load.Options{})
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.Expect("o"), c.Send(talk[0].send), c.Expect(talk[0].want)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Of many who come at once, over whatever leads in, exactly as many get in as
// there are places, and those who are cut make room for as many.
func TestR17ConnectionLimits(t *testing.T) {
	limit, n := size(30, 2000), size(100, 6000)
	s := here(t, site.Config{MaxConnections: limit})
	var in []*load.Conn
	defer func() {
		for _, c := range in {
			c.Close()
		}
	}()
	refused := 0
	for range size(3, 10) {
		all, _ := load.Each(n, n, func(i int) (*load.Conn, error) {
			c, _ := entrances[i%len(entrances)](s)
			return c, nil
		})
		for _, c := range all {
			if c != nil {
				in = append(in, c)
			} else {
				refused++
			}
		}
		counted := s.Stomp.Stats().Transport.Limited.Connections
		t.Logf("%d of %d places are taken, %d were refused so far", len(in), limit, refused)
		if len(in) != limit || counted != uint64(refused) {
			t.Fatalf("%d are in, want %d; %d were refused, and counted %d", len(in), limit, refused, counted)
		}
		for _, c := range in[:limit/2] {
			c.Close()
		}
		in = in[limit/2:]
		eventually(t, "who was cut is not counted", 30*time.Second, func() bool { return s.Stats().Open == len(in) })
	}
}
