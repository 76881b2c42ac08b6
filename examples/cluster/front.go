package main

import (
	"embed"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/headrace/headrace/examples/internal/web"
)

//go:embed index.html *.js *.css
var page embed.FS

// routes are those of the front: the page, the nodes, and the way to them.
func (c *cluster) routes() http.Handler {
	own := http.NewCrossOriginProtection() // no other page kills nodes
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", c.balance)
	mux.HandleFunc("GET /nodes", c.list)
	mux.Handle("POST /nodes/{name}/kill", own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.change(w, r, func(name string) error { c.kill(name); return nil })
	})))
	mux.Handle("POST /nodes/{name}/start", own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.change(w, r, c.start)
	})))
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", http.FileServerFS(page))
	return mux
}

// balance leads a client to a node that runs, as any balancer in front of real nodes
// does. A client that comes back is led to another one.
func (c *cluster) balance(w http.ResponseWriter, r *http.Request) {
	addr, ok := c.pick()
	if !ok {
		http.Error(w, "no node runs", http.StatusServiceUnavailable)
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: addr})
			p.Out.Host = p.In.Host // the node compares the origin with it
		},
		ErrorLog: log.New(io.Discard, "", 0), // of nodes that were killed
	}
	proxy.ServeHTTP(w, r)
}

func (c *cluster) list(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("content-type", "application/json")
	w.Header().Set("cache-control", "no-store")
	_ = json.NewEncoder(w).Encode(c.all()) // the page asks again
}

// change starts or kills a node.
func (c *cluster) change(w http.ResponseWriter, r *http.Request, do func(name string) error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	name := r.PathValue("name")
	if _, n := c.find(name); n == nil {
		http.Error(w, "there is no such node", http.StatusNotFound)
		return
	}
	if err := do(name); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
