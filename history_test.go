package headrace_test

import (
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
)

// A client that knows nothing but frames comes back and asks for what it missed.
func TestResumeByHand(t *testing.T) {
	s := serve(t, setup{node: headrace.Config{Rules: []broker.Rule{{Prefix: "/topic/kept", History: broker.History{Messages: 2}}}}})
	publish := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if err := s.node.Template.Send(t.Context(), "/topic/kept/a", text); err != nil {
				t.Fatal(err)
			}
		}
	}
	resume := func(at frame) (c *client, recovered string) {
		t.Helper()
		c = s.connect()
		c.send("SUBSCRIBE\nid:1\ndestination:/topic/kept/a\nhr-offset:" + at.header["hr-offset"] + "\nhr-epoch:" + at.header["hr-epoch"] + "\n\n\x00")
		return c, c.wantMessage("1", "").header["hr-recovered"]
	}
	first := s.connect()
	first.subscribe("1", "/topic/kept/a")
	publish("1")
	seen := first.wantMessage("1", "1")
	first.ws.Close()

	publish("2", "3")
	again, recovered := resume(seen)
	if recovered != "true" {
		t.Errorf("recovered %q", recovered)
	}
	again.wantMessage("1", "2")
	again.wantMessage("1", "3")
	publish("4")
	again.wantMessage("1", "4")

	late, recovered := resume(seen)
	if recovered != "false" {
		t.Errorf("recovered %q what is not kept any more", recovered)
	}
	late.sync()
	publish("5")
	late.wantMessage("1", "5")
}
