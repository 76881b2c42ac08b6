package client

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestRetryAfter(t *testing.T) {
	closed := func(code int, text string) error { return &websocket.CloseError{Code: code, Text: text} }
	for name, c := range map[string]struct {
		err  error
		want time.Duration
		told bool
	}{
		"told":              {closed(1012, "server is shutting down; retry-after=1250ms"), 1250 * time.Millisecond, true},
		"at once":           {closed(1012, "server is shutting down; retry-after=0ms"), 0, true},
		"by ERROR":          {fmt.Errorf("lost: %w", &ServerError{Message: "server is shutting down; retry-after=7ms"}), 7 * time.Millisecond, true},
		"another code":      {closed(1008, "no; retry-after=1ms"), 0, false},
		"nothing said":      {closed(1012, "server is shutting down"), 0, false},
		"nonsense":          {closed(1012, "x; retry-after=soon"), 0, false},
		"the past":          {closed(1012, "x; retry-after=-5ms"), 0, false},
		"another error":     {io.EOF, 0, false},
		"no error":          {nil, 0, false},
		"said by something": {errors.New("x; retry-after=1ms"), 0, false},
	} {
		if got, told := retryAfter(c.err); got != c.want && told || told != c.told {
			t.Errorf("%s: %v, %v", name, got, told)
		}
	}
}
