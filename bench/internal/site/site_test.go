package site_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// However many subscribers of one subscription id there are, a broadcast is
// encoded once for each framing.
func TestEncodesOnce(t *testing.T) {
	s, err := site.Start(site.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const each, messages, framings = 50, 20, 2
	var all []*load.Client
	for _, scheme := range []string{"ws", "wss", "tcp", "tls"} {
		clients, err := load.Subscribers(s.URL(scheme), each, "/topic/x", load.Options{})
		defer load.CloseAll(clients)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, clients...)
	}
	for range messages {
		if err := all[0].Publish("/topic/x", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		for range messages {
			if f, err := c.Frame(); err != nil || string(load.Body(f)) != "hello" {
				t.Fatalf("got %q, %v", f, err)
			}
		}
	}
	// A frame is kept for about a second, in which a slow machine may not be done with it.
	if got := s.Stats().Encodings; got < messages*framings || got > 2*messages*framings {
		t.Errorf("%d deliveries took %d encodings, want %d", len(all)*messages, got, messages*framings)
	}
}
