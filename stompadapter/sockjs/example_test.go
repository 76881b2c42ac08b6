package sockjs_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/headrace/headrace/stompadapter/sockjs"
)

func ExampleNew() {
	shout := sockjs.New(sockjs.Config{}, func(s *sockjs.Session) {
		for {
			m, err := s.Receive(s.Context())
			if err != nil {
				return
			}
			s.Send(strings.ToUpper(m))
		}
	})
	defer shout.Close()
	mux := http.NewServeMux()
	mux.Handle("/shout/", shout)
	server := httptest.NewServer(mux)
	defer server.Close()

	// What a client does whose proxy lets no WebSocket through:
	post := func(end, body string) {
		resp, err := http.Post(server.URL+"/shout/000/some-id/"+end, "text/plain", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		fmt.Println(strings.TrimSpace(resp.Status + " " + string(answer)))
	}
	post("xhr", "")
	post("xhr_send", `["hello"]`)
	post("xhr", "")
	// Output:
	// 200 OK o
	// 204 No Content
	// 200 OK a["HELLO"]
}
