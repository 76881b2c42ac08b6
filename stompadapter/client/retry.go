package client

import (
	"errors"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// retryAfter returns when a server that shut down asked the client to come back, in
// the text of the close frame or of an ERROR frame: "...; retry-after=1250ms".
func retryAfter(err error) (d time.Duration, told bool) {
	var text string
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code == websocket.CloseServiceRestart {
		text = e.Text
	} else if e, ok := errors.AsType[*ServerError](err); ok {
		text = e.Message
	}
	_, hint, ok := strings.Cut(text, "; retry-after=")
	if !ok {
		return 0, false
	}
	d, err = time.ParseDuration(hint)
	return d, err == nil && d >= 0
}
