package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/sockjs"
)

// site has an endpoint of each kind.
type site struct {
	webSocket, sockJS, json, events http.Handler
}

// newSite is told the path of SockJS where the router does not tell it.
func newSite(t *testing.T, prefix string) site {
	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{SockJS: sockjs.MountConfig{Prefix: prefix}})
	plain := jsonadapter.New(node.Inbound, jsonadapter.Config{})
	events := sseadapter.New(node.Inbound, sseadapter.Config{})
	t.Cleanup(func() {
		stomp.Close()
		plain.Close()
		events.Close()
		node.Close()
	})
	return site{stomp.WebSocket(), stomp.SockJS(), plain.WebSocket(), events.Events()}
}

// mounts are the ways in which routers lead to a site.
var mounts = []struct {
	name   string
	base   string // of the site
	prefix string // of SockJS, for routers that do not set http.Request.Pattern
	mount  func(site) http.Handler
}{
	{"ServeMux", "", "", func(s site) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/ws", s.webSocket)
		mux.Handle("/portfolio/", s.sockJS)
		mux.Handle("/json", s.json)
		mux.Handle("/events", s.events)
		return mux
	}},
	{"methods and hosts", "/of/mill", "", func(s site) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET 127.0.0.1/of/{tenant}/ws", s.webSocket)
		mux.Handle("GET 127.0.0.1/of/{tenant}/portfolio/", s.sockJS)
		mux.Handle("POST 127.0.0.1/of/{tenant}/portfolio/{rest...}", s.sockJS)
		mux.Handle("GET 127.0.0.1/of/{tenant}/json", s.json)
		mux.Handle("GET 127.0.0.1/of/{tenant}/events", s.events)
		mux.Handle("POST 127.0.0.1/of/{tenant}/events", s.events)
		return mux
	}},
	{"StripPrefix", "/api", "", func(s site) http.Handler {
		inner := http.NewServeMux()
		inner.Handle("/ws", s.webSocket)
		inner.Handle("/portfolio/", http.StripPrefix("/portfolio", s.sockJS))
		inner.Handle("/json", s.json)
		inner.Handle("/events", s.events)
		mux := http.NewServeMux()
		mux.Handle("/api/", http.StripPrefix("/api", inner))
		return mux
	}},
	{"chi", "/api", "", func(s site) http.Handler {
		r := chi.NewRouter()
		r.Use(middleware.Recoverer, wrapResponse)
		r.Route("/api", func(r chi.Router) {
			r.Get("/ws", s.webSocket.ServeHTTP)
			r.Handle("/portfolio/*", s.sockJS)
			r.Get("/json", s.json.ServeHTTP)
			r.Handle("/events", s.events)
		})
		return r
	}},
	{"chi's Mount", "/api/v1", "", func(s site) http.Handler {
		inner := chi.NewRouter()
		inner.Mount("/ws", s.webSocket)
		inner.Mount("/portfolio", s.sockJS)
		inner.Mount("/json", s.json)
		inner.Mount("/events", s.events)
		r := chi.NewRouter()
		r.Use(wrapResponse, wrapResponse)
		r.Mount("/api/{version}", inner)
		return r
	}},
	{"gin", "/api", "/api/portfolio", func(s site) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		g := gin.New()
		g.Use(gin.Recovery())
		api := g.Group("/api")
		api.GET("/ws", gin.WrapH(s.webSocket))
		api.Any("/portfolio/*any", gin.WrapH(s.sockJS))
		api.GET("/json", gin.WrapH(s.json))
		api.Any("/events", gin.WrapH(s.events))
		return g
	}},
}

// wrapResponse is middleware that looks at what the handlers behind it answer.
func wrapResponse(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(middleware.NewWrapResponseWriter(w, r.ProtoMajor), r)
	})
}

// TestMounts lets clients of all kinds meet on a site, however it is mounted.
func TestMounts(t *testing.T) {
	var args []string
	for _, m := range mounts {
		server := httptest.NewServer(m.mount(newSite(t, m.prefix)))
		t.Cleanup(server.CloseClientConnections)
		args = append(args, m.name+"="+server.URL+m.base)
	}
	node(t, "mounted.js", args...).wait(t, unheard(t))
}

// TestMountGreets: what is at the base itself answers there too.
func TestMountGreets(t *testing.T) {
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			server := httptest.NewServer(m.mount(newSite(t, m.prefix)))
			t.Cleanup(server.Close)
			for path, want := range map[string]string{"/portfolio/": "Welcome to SockJS!", "/portfolio/info": `"websocket":true`} {
				if status, body := answer(t, server.URL+m.base+path); status != http.StatusOK || !strings.Contains(body, want) {
					t.Errorf("%s: %d %q, want %s", path, status, body, want)
				}
			}
		})
	}
}

// squeezed is a response of middleware that does not let anybody behind it.
type squeezed struct{ out http.ResponseWriter }

func (s squeezed) Header() http.Header         { return s.out.Header() }
func (s squeezed) WriteHeader(status int)      { s.out.WriteHeader(status) }
func (s squeezed) Write(p []byte) (int, error) { return s.out.Write(p) }

// TestWrapperInTheWay: what cannot be upgraded says which type keeps it from
// that.
func TestWrapperInTheWay(t *testing.T) {
	s := newSite(t, "")
	mux := http.NewServeMux()
	mux.Handle("/ws", s.webSocket)
	mux.Handle("/portfolio/", s.sockJS)
	mux.Handle("/json", s.json)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapResponse(mux).ServeHTTP(squeezed{w}, r)
	}))
	t.Cleanup(server.Close)
	for _, path := range []string{"/ws", "/json", "/portfolio/websocket", "/portfolio/0/a/websocket"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"x3JJHMbDL1EzLkh9GBhXDw=="},
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(path, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf("%T", squeezed{}); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %q, want a word of %s", path, resp.StatusCode, body, want)
		}
	}
}
