package stompadapter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// What makes it STOMP is nobody's to set.
func TestNewPanicsOverItsOwn(t *testing.T) {
	for name, c := range map[string]stompadapter.Config{
		"subprotocols": {WebSocket: transport.WebSocketConfig{Subprotocols: []string{"mqtt"}}},
		"framing":      {WebSocket: transport.WebSocketConfig{Framing: transport.FramingStream}},
		"goodbye":      {WebSocket: transport.WebSocketConfig{Goodbye: func(error) []byte { return nil }}},
		"tcp":          {TCP: transport.StreamConfig{Framing: transport.FramingWebSocket}},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "the adapter's") {
					t.Errorf("%s: panicked with %q", name, said)
				}
			}()
			stompadapter.New(new(inbound), c).Close()
		}()
	}
}
