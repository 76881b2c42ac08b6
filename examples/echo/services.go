package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// everyone lets pages of all origins in, because the test is one of them.
// Leave it out where users have something to lose.
var everyone = transport.Config{Handshake: transport.Handshake{NoOriginCheck: true}}

// services are found by the first segment of a path. Not http.ServeMux, which
// redirects "/echo//" to "/echo/": the test wants to hear that it is not there.
type services struct {
	sockjs map[string]*sockjs.Handler
	plain  *transport.Server
	ws     http.Handler
}

// newServices takes the URL of sockjs-client for the iframe page.
func newServices(client string) *services {
	plain := transport.NewServer(everyone)
	all := sockjs.MountConfig{StreamBytes: 4096, HTMLFile: true, JSONP: true, ClientURL: client}
	noWebSocket, cookies := all, all
	noWebSocket.NoWebSocket = true
	cookies.Cookies = true
	s := &services{
		sockjs: make(map[string]*sockjs.Handler),
		plain:  plain,
		ws:     plain.WebSocket(transport.WebSocketConfig{MessageBytes: 1 << 20}, newMirror),
	}
	s.offer("/echo", all, echo)
	s.offer("/close", all, goAway)
	s.offer("/disabled_websocket_echo", noWebSocket, echo)
	s.offer("/cookie_needed_echo", cookies, echo)
	return s
}

func (s *services) offer(path string, c sockjs.MountConfig, serve func(*sockjs.Session)) {
	c.Prefix = path
	s.sockjs[path] = sockjs.New(sockjs.Config{MountConfig: c, Transport: everyone}, serve)
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	service := s.sockjs["/"+first]
	switch {
	case service != nil:
		service.ServeHTTP(w, r)
	case r.URL.Path == "/ws":
		s.ws.ServeHTTP(w, r)
	case r.URL.Path == "/":
		fmt.Fprintln(w, "SockJS at /echo, /close, /disabled_websocket_echo and /cookie_needed_echo, WebSocket at /ws")
	default:
		http.NotFound(w, r)
	}
}

func (s *services) close() {
	for _, service := range s.sockjs {
		service.Close()
	}
	s.plain.Close()
}

// echo sends back what comes.
func echo(s *sockjs.Session) {
	for {
		m, err := s.Receive(s.Context())
		if err != nil || s.Send(m) != nil {
			return
		}
	}
}

// goAway closes at once.
func goAway(s *sockjs.Session) { s.Close(3000, "Go away!") }
