package sockjs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/stompadapter/sockjs"
)

// TestStress has more clients than sessions: they get into each other's way on
// purpose, and leave when they like. The race detector looks on.
func TestStress(t *testing.T) {
	const clients, ids, rounds = 64, 12, 15
	f := start(t, sockjs.Config{MountConfig: sockjs.MountConfig{
		JSONP: true, Heartbeat: 5 * time.Millisecond, DisconnectDelay: 20 * time.Millisecond, StreamBytes: 4 << 10,
	}}, echo)
	requests := []struct{ method, path, body string }{
		{"POST", "xhr", ""},
		{"POST", "xhr_streaming", ""},
		{"GET", "eventsource", ""},
		{"GET", "jsonp?c=f", ""},
		{"POST", "xhr_send", `["Hello"]`},
	}
	network := &http.Transport{MaxIdleConnsPerHost: clients}
	defer network.CloseIdleConnections()
	var working sync.WaitGroup
	for client := range clients {
		working.Go(func() {
			for round := range rounds {
				rq := requests[(client+round)%len(requests)]
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+(client*7+round)%20)*time.Millisecond)
				url := fmt.Sprintf("%s/000/%d/%s", f.base, (client*5+round)%ids, rq.path)
				resp, err := network.RoundTrip(newRequest(t, ctx, rq.method, url, rq.body, "Sec-Fetch-Site", "same-origin"))
				if err == nil { // or it was aborted
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotFound {
						t.Errorf("%s: %s", rq.path, resp.Status)
					}
				}
				cancel()
			}
		})
	}
	working.Wait()
}
