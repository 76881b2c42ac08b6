package client_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// scribe is a server for examples: it prints what it is sent, confirms it, and
// sends two messages to each subscription.
type scribe struct{ talks sync.WaitGroup }

// dialScribe returns a client that talks to a scribe, and what ends both.
func dialScribe(ctx context.Context) (*client.Client, func()) {
	s := new(scribe)
	c, err := client.Dial(ctx, client.Config{URL: "tcp://mill.example", Dial: s.dial})
	if err != nil {
		panic(err)
	}
	return c, func() {
		if err := c.Close(ctx); err != nil {
			panic(err)
		}
		s.talks.Wait()
	}
}

func (s *scribe) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.talks.Go(func() { talk(theirs) })
	return ours, nil
}

func talk(conn net.Conn) {
	defer conn.Close()
	answers := make(chan string, 100) // written beside: the other end may be writing too
	defer close(answers)
	go func() {
		for octets := range answers {
			io.WriteString(conn, octets)
		}
	}()
	d := frame.NewDecoder(frame.Limits{})
	buffer := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		for rest, ok := buffer[:n], true; ok; {
			var f frame.Frame
			if f, rest, ok, err = d.Decode(rest); err != nil {
				panic(err)
			}
			if ok {
				answers <- answer(f)
			}
		}
	}
}

// answer prints f and returns what it is answered with.
func answer(f frame.Frame) string {
	if f.Command == frame.Connect {
		return connected
	}
	line := []string{string(f.Command)}
	for _, name := range []string{"destination", "ack", "transaction", "id"} {
		if value := f.Header.Get(name); value != "" && f.Command != frame.Subscribe {
			line = append(line, name+":"+value)
		}
	}
	if f.Command != frame.Disconnect {
		fmt.Println(strings.TrimSpace(strings.Join(append(line, string(f.Body)), " ")))
	}
	octets := ""
	if receipt := f.Header.Get("receipt"); receipt != "" {
		octets = "RECEIPT\nreceipt-id:" + receipt + "\n\n\x00"
	}
	if f.Command == frame.Subscribe {
		for _, id := range []string{"1", "2"} {
			octets += "MESSAGE\ndestination:/queue/sacks\nsubscription:" + f.Header.Get("id") + "\nmessage-id:m" + id + "\nack:a" + id + "\n\nsack " + id + "\x00"
		}
	}
	return octets
}
