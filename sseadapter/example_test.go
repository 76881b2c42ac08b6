package sseadapter_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
)

// A client listens to a topic and sends to it with nothing but HTTP.
func Example() {
	adapter := sseadapter.New(newHall(), sseadapter.Config{})
	defer adapter.Close()
	server := httptest.NewServer(adapter.Events())
	defer server.Close()

	events, err := http.Get(server.URL + "?destination=/topic/flour")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer events.Body.Close()
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if _, rest, ok := strings.Cut(data, `"token":"`); ok {
			token, _, _ := strings.Cut(rest, `"`)
			http.Post(server.URL+"?destination=/topic/flour&session="+url.QueryEscape(token), "text/plain", strings.NewReader("50 kg"))
			continue
		}
		fmt.Println(data[:strings.Index(data, `,"header"`)], data[strings.Index(data, `"payload"`):])
		break
	}
	// Output:
	// {"id":"1","destination":"/topic/flour" "payload":"50 kg"}
}

var _ message.RawHandler = (*hall)(nil)
