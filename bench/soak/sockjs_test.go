package soak

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// talk is what a SockJS client sends, and what comes of it.
var talk = []struct{ send, want string }{
	{`["CONNECT\naccept-version:1.2\nhost:h\n\n\u0000"]`, "CONNECTED"},
	{`["SUBSCRIBE\nid:0\ndestination:/queue/own\nreceipt:r\n\n\u0000"]`, "RECEIPT"},
	{`["SEND\ndestination:/queue/own\n\nhello\u0000"]`, "hello"},
	{`["DISCONNECT\nreceipt:bye\n\n\u0000"]`, "c["}, // the close frame, after the receipt
}

var sockSessions atomic.Int64

// sockURL returns the URL of a new SockJS session.
func sockURL(s *site.Site) string {
	return strings.TrimSuffix(s.URL("ws"), "/ws") + fmt.Sprintf("/sockjs/000/s%d", sockSessions.Add(1))
}

func sockWebSocketCycle(s *site.Site) error {
	c, err := load.Dial(sockURL(s)+"/websocket", load.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Expect("o")
	for _, t := range talk {
		err = cmp.Or(err, c.Send(t.send))
		if err == nil {
			err = c.Expect(t.want)
		}
	}
	return err
}

func sockPollingCycle(s *site.Site) error {
	url := "http" + strings.TrimPrefix(sockURL(s), "ws")
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	post := func(to, body string) (string, error) {
		r, err := client.Post(url+to, "text/plain", strings.NewReader(body))
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode >= 300 {
			err = fmt.Errorf("%s answers %s", to, r.Status)
		}
		return string(text), err
	}
	if _, err := post("/xhr", ""); err != nil {
		return err
	}
	for _, t := range talk {
		if _, err := post("/xhr_send", t.send); err != nil {
			return err
		}
		for came := ""; !strings.Contains(came, t.want); {
			more, err := post("/xhr", "")
			if err != nil {
				return fmt.Errorf("%w, want %q", err, t.want)
			}
			came += more
		}
	}
	return nil
}
