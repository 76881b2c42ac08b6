package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// TestBrokerOverTCP: the Go client over TCP and the clients of browsers over
// SockJS see each other's messages.
func TestBrokerOverTCP(t *testing.T) {
	server := start(t, "broker", "localhost:0", "-tcp", "localhost:0")
	_, addr, ok := strings.Cut(<-server.said, "STOMP over TCP on ")
	if !ok {
		t.Fatal("the broker does not say where it listens for TCP")
	}
	c, err := client.Dial(t.Context(), client.Config{URL: "tcp://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(t.Context()) })
	answers, err := c.Subscribe(t.Context(), "/topic/answers", client.SubscribeConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const question = "Grüße, 水車: 100%\r\n\u2028\\n"
	var got []string
	node(t, "answers.js", "http://"+server.addr).wait(t, func(line string) {
		if line != "ready" {
			unheard(t)(line)
		}
		say(t, c, question)
		for m, err := range answers.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, string(m.Payload)); len(got) == 4 {
				break
			}
		}
		say(t, c, "goodbye")
	})
	slices.Sort(got)
	var want []string
	for _, transport := range []string{"eventsource", "websocket", "xhr-polling", "xhr-streaming"} {
		want = append(want, transport+": "+question)
	}
	if !slices.Equal(got, want) {
		t.Errorf("answers %q, want %q", got, want)
	}
}

// TestBrokerQueue: workers share a queue. What one refuses or leaves comes again, and
// what is refused too often is told to who listens for it.
func TestBrokerQueue(t *testing.T) {
	server := start(t, "broker", "localhost:0")
	dial := func() *client.Client {
		c, err := client.Dial(t.Context(), client.Config{URL: "ws://" + server.addr + "/ws"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(t.Context()) })
		return c
	}
	boss, workers := dial(), []*client.Client{dial(), dial()}
	done := make(chan string, 100)
	for i, c := range workers {
		_, err := c.Subscribe(t.Context(), "/queue/jobs", client.SubscribeConfig{Ack: client.AckIndividual}, func(_ context.Context, m message.Raw) error {
			if string(m.Payload) == "bad" {
				return errors.New("cannot")
			}
			done <- fmt.Sprint(i, " ", string(m.Payload))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	letters, err := boss.Subscribe(t.Context(), "/topic/dead-letters", client.SubscribeConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"a", "b", "bad", "c", "d"} {
		if err := boss.Send(t.Context(), "/queue/jobs", job); err != nil {
			t.Fatal(err)
		}
	}
	by := map[byte]int{}
	for range 4 {
		by[(<-done)[0]]++
	}
	if by['0'] == 0 || by['1'] == 0 {
		t.Errorf("the jobs were not shared: %v", by)
	}
	for m, err := range letters.Messages(t.Context()) {
		if h := m.Header; err != nil || string(m.Payload) != "bad" || h.Get("hr-dead-from") != "/queue/jobs" || h.Get("hr-deliveries") != "5" {
			t.Errorf("got %v, %v", m, err)
		}
		break
	}
	if _, page := answer(t, "http://"+server.addr+"/"); !strings.Contains(page, "redelivered 4, dead letters 1") {
		t.Errorf("its page says %q", page)
	}
}

func say(t *testing.T, c *client.Client, text string) {
	t.Helper()
	if err := c.SendReceipt(t.Context(), "/topic/questions", text); err != nil {
		t.Fatal(err)
	}
}
