package e2e_test

import (
	"slices"
	"strings"
	"testing"

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

func say(t *testing.T, c *client.Client, text string) {
	t.Helper()
	if err := c.SendReceipt(t.Context(), "/topic/questions", text); err != nil {
		t.Fatal(err)
	}
}
