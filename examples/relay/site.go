package main

import (
	"context"
	"embed"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/relay"
	"github.com/headrace/headrace/transport"
)

//go:embed index.html *.js *.css
var page embed.FS

// site is a node with RabbitMQ behind it.
type site struct {
	rabbit string // its address
	plug   plug
	node   *headrace.Node
	stomp  *stompadapter.Adapter
	stop   context.CancelFunc
	beats  sync.WaitGroup
}

// newSite returns one that has begun to connect. close ends it.
func newSite(rabbit string) *site {
	s := &site{rabbit: rabbit}
	s.node = headrace.New(headrace.Config{
		Relays: []headrace.Relay{{
			Prefixes: []string{"/topic", "/queue", "/user"},
			New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
				return relay.New(outbound, relay.Config{
					Address:        rabbit,
					Dial:           s.plug.dial, // left out where nobody pulls plugs
					Reattach:       true,        // clients keep their sessions while RabbitMQ is away
					ReconnectDelay: time.Second,
					Events:         events,
				})
			},
		}},
		BrokerPrefixes: []string{"/local"},
		Rules:          []broker.Rule{{Prefix: "/local/status", Retain: true}},
	})
	s.stomp = stompadapter.New(s.node.Inbound, stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{Principal: user}},
	})
	talk{s.node.Template}.routes(s.node.Router)
	channel.SubscribeFunc(s.node.Events, s.happened)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.beats.Go(func() { s.beat(ctx) })
	return s
}

func (s *site) close() {
	s.stop()
	s.beats.Wait()
	s.stomp.Close()
	s.node.Close()
}

func (s *site) routes() http.Handler {
	own := http.NewCrossOriginProtection() // no other page pulls plugs
	mux := http.NewServeMux()
	mux.Handle("/ws", s.stomp.WebSocket())
	for path, out := range map[string]bool{"POST /plug/pull": true, "POST /plug/put": false} {
		mux.Handle(path, own.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s.plug.pull(out)
			w.WriteHeader(http.StatusNoContent)
		})))
	}
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", http.FileServerFS(page))
	return mux
}

// Happening is that RabbitMQ has gone or come.
type Happening struct {
	Available bool      `json:"available"`
	Time      time.Time `json:"time"`
}

// happened tells the page what the relay tells the node. It goes by the embedded broker,
// which is always there.
func (s *site) happened(ctx context.Context, m message.Message[broker.Event]) error {
	switch m.Payload.Kind {
	case broker.Available, broker.Unavailable:
		return s.node.Template.Send(ctx, "/local/events", Happening{m.Payload.Kind == broker.Available, time.Now()})
	}
	return nil
}

// Status is what the relay counts.
type Status struct {
	Address    string `json:"address"`
	Unplugged  bool   `json:"unplugged"`
	Available  bool   `json:"available"`
	Open       int    `json:"open"`
	Reconnects uint64 `json:"reconnects"`
	Sent       uint64 `json:"sent"`
	Waiting    int    `json:"waiting"`
	Resent     uint64 `json:"resent"`
	Delivered  uint64 `json:"delivered"`
}

func (s *site) status() Status {
	r := s.node.Stats().Relays[0]
	return Status{
		Address: s.rabbit, Unplugged: s.plug.isOut(), Available: r.Available,
		Open: r.Open, Reconnects: r.Reconnects,
		Sent: r.Sent, Waiting: r.Waiting, Resent: r.Resent, Delivered: r.Delivered,
	}
}

// beat sends something by RabbitMQ, and the status past it, twice a second.
func (s *site) beat(ctx context.Context) {
	ticks := time.NewTicker(500 * time.Millisecond)
	defer ticks.Stop()
	for n := 0; ; n++ {
		_ = s.node.Template.Send(ctx, "/topic/beats", n) // while RabbitMQ is away that is refused at once
		_ = s.node.Template.Send(ctx, "/local/status", s.status())
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// user believes what the page says. An application that is no demo looks at a cookie or
// a token here. Whoever has no name may watch.
func user(r *http.Request) (message.Principal, error) {
	name := r.URL.Query().Get("as")
	switch {
	case name == "":
		return nil, nil
	case utf8.RuneCountInString(name) > 20:
		return nil, message.Errorf(message.CodeInvalid, "a name has at most 20 characters")
	}
	return message.User(name), nil
}
