package headrace_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// A user whom an interceptor logs in and who has too many connections is told
// so, and no part of the node knows the session.
func TestOneConnectionTooMany(t *testing.T) {
	s := serve(t, setup{
		stomp: stompadapter.Config{Transport: transport.Config{MaxPerUser: 1}},
		wire: func(n *headrace.Node) {
			n.Inbound.Intercept(interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
				if m.Kind == message.KindConnect {
					m.Session.SetUser(message.User(m.Header.Get("login")))
				}
				return next.Handle(ctx, m)
			}))
		},
	})
	login := func() *client {
		c := s.dial()
		c.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:kim\n\n\x00")
		return c
	}
	first := login()
	first.want("CONNECTED")
	if f := login().wantError("too many connections of this user"); f.header["code"] != string(message.CodeFull) {
		t.Errorf("the code is %q", f.header["code"])
	}
	eventually(t, "the second is forgotten", func() bool {
		st := s.node.Stats()
		return st.Broker.Sessions == 1 && st.Users.Sessions == 1 && s.stomp.Stats().Transport.Open == 1
	})
	if st := s.stomp.Stats().Transport; st.Limited != (transport.Limited{PerUser: 1}) || st.Refused != 0 {
		t.Errorf("statistics %+v", st)
	}
	first.ws.NetConn().Close()
	eventually(t, "the first is gone", func() bool { return s.stomp.Stats().Transport.Open == 0 })
	login().want("CONNECTED")
}
