package headrace_test

import (
	"strconv"
	"testing"

	"github.com/gorilla/websocket"
)

// The order of a session's messages is kept all the way to the user's own
// destination.
func TestOrderToAUser(t *testing.T) {
	const n = 1000
	s := serve(t, setup{stomp: withUsers()})
	c := s.connectAs("joe")
	c.subscribe("own", "/user/queue/numbers")
	go func() {
		for i := range n { // the reader notices when this fails
			c.ws.WriteMessage(websocket.TextMessage, []byte(sendFrame("/user/joe/queue/numbers", "", strconv.Itoa(i))))
		}
	}()
	for i := range n {
		c.wantMessage("own", strconv.Itoa(i))
	}
}
