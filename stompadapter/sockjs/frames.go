package sockjs

import (
	"strconv"

	"github.com/headrace/headrace/transport"
)

// The frames of SockJS that say always the same.
var (
	openFrame      = []byte("o")
	heartbeatFrame = []byte("h")
	stillOpen      = appendClose(nil, 2010, "Another connection still open")
	interrupted    = appendClose(nil, 1002, "Connection interrupted")
)

// framingHTTP is one string of the array that a response carries: what waits
// together goes out in one array.
var framingHTTP = transport.NewFraming(appendString)

// framingWebSocket is an array of one string in a WebSocket message.
var framingWebSocket = transport.NewFraming(func(wire, payload []byte) []byte {
	return transport.FramingWebSocket.Append(wire, append(appendString([]byte("a["), payload), ']'))
})

// appendArray appends the frame with these strings of framingHTTP.
func appendArray(dst []byte, elements [][]byte) []byte {
	dst = append(dst, "a["...)
	for i, s := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, s...)
	}
	return append(dst, ']')
}

func appendClose(dst []byte, code int, text string) []byte {
	dst = strconv.AppendInt(append(dst, "c["...), int64(code), 10)
	return append(appendString(append(dst, ','), []byte(text)), ']')
}

// goodbye returns the close frame for why a connection ends.
func goodbye(reason error) []byte {
	code, text := transport.CloseCode(reason)
	return appendClose(nil, code, text)
}
