package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// lines is a protocol of lines: a verb, a receipt or "-", a destination and a
// text.
type lines struct {
	conn *transport.Conn
	line []byte // as far as it has come
}

var verbs = map[string]message.Kind{
	"OPEN": message.KindConnect, "SAY": message.KindData, "ACK": message.KindAck, "LEAVE": message.KindDisconnect,
}

func (l *lines) Read(p []byte) (r transport.Request, rest []byte, ok bool) {
	before, rest, ok := bytes.Cut(p, []byte("\n"))
	l.line = append(l.line, before...)
	if !ok {
		return r, nil, false
	}
	words := append(strings.SplitN(string(l.line), " ", 4), "", "", "")
	l.line = nil
	kind, known := verbs[words[0]]
	r = transport.Request{Name: words[0], Receipt: words[1], WantsReceipt: words[1] != "-"}
	r.Message = message.Raw{Kind: kind, Destination: words[2], Payload: []byte(words[3])}
	if !known {
		r.Err = message.Errorf(message.CodeInvalid, "there is no %s", r.Name)
		r.Broken = r.Name == "BROKEN"
	}
	return r, rest, true
}

func (l *lines) Version() uint8 { return 1 }

func (l *lines) Encode(m message.Raw) (name string, octets []byte, err error) {
	return "TELL", fmt.Appendf(nil, "%s %s\n", m.Destination, m.Payload), nil
}

func (l *lines) Connected(s *message.Session) error { return l.send("WELCOME", "") }

func (l *lines) Receipt(r transport.Request) error { return l.send("DONE", " "+r.Receipt) }

func (l *lines) Refuse(r transport.Request, err error) {
	l.send("NO", " "+r.Receipt+" "+message.Public(err).Message)
}

func (l *lines) send(name, rest string) error {
	return l.conn.Send(transport.NewNamedFrame(l.conn.Framing(), name, []byte(name+rest+"\n")))
}

// An adapter is a dialect, an exchange and a server.
func ExampleExchange() {
	exchange := transport.NewExchange(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		switch m.Kind {
		case message.KindConnect: // as a broker does
			return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
		case message.KindData:
			return m.Session.Deliver(ctx, message.Raw{Destination: "/echo", Payload: m.Payload})
		}
		return nil
	}), transport.ExchangeConfig{Tolerant: true})
	server := transport.NewServer(transport.Config{})
	defer server.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(ln, transport.StreamConfig{}, func(c *transport.Conn) transport.Protocol {
		return exchange.Open(c, &lines{conn: c})
	})

	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Fprint(client, "OPEN -\nSAY 1 /mill wheat\nSING 2\nLEAVE 3\n")
	for answers := bufio.NewScanner(client); answers.Scan(); {
		fmt.Println(answers.Text())
	}
	// Output:
	// WELCOME
	// /echo wheat
	// DONE 1
	// NO 2 there is no SING
	// DONE 3
}
