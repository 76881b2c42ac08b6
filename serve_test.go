package headrace_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// What was accepted when the end came is handled, replied to and receipted; then
// the connections are closed as those of a server that goes away.
func TestShutdownFinishesWhatWasAccepted(t *testing.T) {
	const sessions, each = 20, 50
	gate := make(chan struct{})
	s := serve(t, setup{wire: func(n *headrace.Node) {
		handler.Handle(n.Router, "/slow", func(_ context.Context, text string) (string, error) {
			<-gate
			return text, nil
		}, handler.SendToSession("/queue/done"))
	}})
	clients := make([]*client, sessions)
	for i := range clients {
		c := s.connect()
		c.subscribe("done", "/user/queue/done")
		clients[i] = c
	}
	s.idle()
	for _, c := range clients {
		for n := range each {
			c.send(sendFrame("/app/slow", strconv.Itoa(n), strconv.Itoa(n)))
		}
	}
	eventually(t, "all are accepted", func() bool { return s.node.Stats().Inbound.UnderWay == sessions*each })
	handled := s.node.Stats().Inbound.Handled
	s.end()
	eventually(t, "new connections are refused", func() bool {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", nil)
		if err == nil {
			ws.Close()
		}
		return err != nil
	})
	if resp, err := http.Get("http://" + s.addr + "/ws"); err != nil {
		t.Errorf("the server does not answer while sessions drain: %v", err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new client is answered %s", resp.Status)
	}
	if open := s.stomp.Stats().Sessions; open != sessions {
		t.Errorf("%d sessions while they drain, want %d", open, sessions)
	}
	close(gate)
	for _, c := range clients {
		for n := range each {
			c.wantMessage("done", strconv.Itoa(n))
			c.wantReceipt(strconv.Itoa(n))
		}
		c.wantClosed()
		if c.code != websocket.CloseServiceRestart {
			t.Errorf("closed with %d, want 1012", c.code)
		}
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if st := s.node.Stats(); st.Inbound.Handled-handled < sessions*each || st.Inbound.UnderWay != 0 || st.Broker.Sessions != 0 {
		t.Errorf("after Serve: %+v", st)
	}
}

// A frame that comes while the session drains is refused; what came before is
// still answered, first.
func TestSendWhileDraining(t *testing.T) {
	gate := make(chan struct{})
	s := serve(t, setup{wire: func(n *headrace.Node) {
		handler.Consume(n.Router, "/slow", func(context.Context, struct{}) error {
			<-gate
			return nil
		})
	}})
	c := s.connect()
	s.idle()
	sent := 0
	send := func() {
		c.send(sendFrame("/app/slow", strconv.Itoa(sent), ""))
		sent++
	}
	send()
	eventually(t, "it is accepted", func() bool { return s.node.Stats().Inbound.UnderWay == 1 })
	s.end()
	eventually(t, "a late one is refused", func() bool {
		send()
		return s.stomp.Stats().Refused > 0
	})
	close(gate)
	for answered := 0; ; answered++ {
		f, _ := c.next()
		if f.command == "ERROR" && answered > 0 {
			if !strings.HasPrefix(f.header["message"], "server is shutting down; retry-after=") || f.header["receipt-id"] != strconv.Itoa(answered) {
				t.Errorf("got %v after %d receipts", f, answered)
			}
			break
		}
		if f.command != "RECEIPT" || f.header["receipt-id"] != strconv.Itoa(answered) {
			t.Fatalf("got %v after %d receipts", f, answered)
		}
	}
	c.wantClosed()
}

func TestServeCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	err = node.Serve(t.Context(), &http.Server{Addr: taken.Addr().String()}, stomp)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Serve: %v", err)
	}
	if err := node.Inbound.Handle(t.Context(), message.Raw{}); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("the node is not closed: %v", err)
	}
}

// Whoever shuts the server down himself ends Serve in an orderly way too.
func TestServeEndsWithItsServer(t *testing.T) {
	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	listening := make(chan struct{})
	server := &http.Server{Addr: "127.0.0.1:0", BaseContext: func(net.Listener) context.Context {
		close(listening)
		return context.Background()
	}}
	served := make(chan error, 1)
	go func() { served <- node.Serve(context.Background(), server, stomp) }()
	<-listening
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "the end of Serve", served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	addr := make(chan string, 1)
	server := &http.Server{
		Addr:      "127.0.0.1:0",
		Handler:   stomp.WebSocket(),
		TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates},
		BaseContext: func(l net.Listener) context.Context {
			addr <- l.Addr().String()
			return context.Background()
		},
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- node.Serve(ctx, server, stomp) }()
	trust := certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	d := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: trust}}
	ws, _, err := d.Dial("wss://"+<-addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	c := &client{t: t, ws: ws}
	c.login()
	end()
	c.wantClosed()
	if err := receive(t, "the end of Serve", served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}
