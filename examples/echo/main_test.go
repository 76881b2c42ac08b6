package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// start serves everything and returns a function that posts to it.
func start(t *testing.T) (url string, post func(path, body, want string) http.Header) {
	s := newServices("")
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.close()
		server.Close()
	})
	return server.URL, func(path, body, want string) http.Header {
		t.Helper()
		resp, err := http.Post(server.URL+path, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, _ := io.ReadAll(resp.Body); string(got) != want || resp.StatusCode >= 300 {
			t.Errorf("POST %s: %d %q, want %q", path, resp.StatusCode, got, want)
		}
		return resp.Header
	}
}

func TestEcho(t *testing.T) {
	_, post := start(t)
	for _, service := range []string{"/echo", "/disabled_websocket_echo", "/cookie_needed_echo"} {
		session := service + "/0/a"
		h := post(session+"/xhr", "", "o\n")
		if got, want := h.Get("Set-Cookie") != "", service == "/cookie_needed_echo"; got != want {
			t.Errorf("%s: cookies %v", service, got)
		}
		post(session+"/xhr_send", `["Hello"]`, "")
		post(session+"/xhr", "", `a["Hello"]`+"\n")
	}
}

func TestClose(t *testing.T) {
	_, post := start(t)
	post("/close/0/a/xhr", "", "o\n")
	post("/close/0/a/xhr", "", `c[3000,"Go away!"]`+"\n")
}

// TestStatus: what is there, and what the public test wants not to be there.
func TestStatus(t *testing.T) {
	url, _ := start(t)
	for path, want := range map[string]int{
		"/":                                      200,
		"/echo":                                  200,
		"/echo/":                                 200,
		"/echo//":                                404,
		"/echo/a":                                404,
		"/nothing":                               404,
		"/echo/websocket":                        400,
		"/disabled_websocket_echo/0/a/websocket": 404,
		"/ws":                                    400,
	} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// dial opens a WebSocket.
func dial(t *testing.T, url string) io.ReadWriteCloser {
	t.Helper()
	r, _ := http.NewRequest("GET", url, nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"x3JJHMbDL1EzLkh9GBhXDw=="},
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(url, resp, err)
	}
	ws := resp.Body.(io.ReadWriteCloser)
	t.Cleanup(func() { ws.Close() })
	return ws
}

// TestWebSocket speaks it by hand: frames of clients are masked, here with
// zeros.
func TestWebSocket(t *testing.T) {
	url, _ := start(t)
	for _, path := range []string{"/ws", "/echo/websocket"} {
		ws := dial(t, url+path)
		for _, m := range []string{"Hello", "again"} {
			io.WriteString(ws, "\x81\x85\x00\x00\x00\x00"+m)
			got := make([]byte, 7)
			if _, err := io.ReadFull(ws, got); err != nil || string(got) != "\x81\x05"+m {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		}
	}
}

// TestRun: it stops when it is asked to, though clients are there.
func TestRun(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, "") }()
	url := "http://" + listener.Addr().String()
	stream, err := http.Post(url+"/echo/0/a/xhr_streaming", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	began := bufio.NewReader(stream.Body)
	for line := ""; line != "o\n"; {
		if line, err = began.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	ws := dial(t, url+"/ws")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, ws) // ends, or the test does not
	io.Copy(io.Discard, began)
}
