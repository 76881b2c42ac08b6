package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// want is the trace of the Go client's order.
const want = `
client  order
west      connect
east      connect
east      subscribe /topic/orders
west      send /app/orders/{table}
west        process /app/orders/{table}
west          brew
west          send /topic/orders
west            publish /topic/orders
west            send /topic/orders (gochannel)
east            process /topic/orders (gochannel)
east              send /topic/orders
east                publish /topic/orders
east                  deliver /topic/orders
client          process /topic/orders
`

// TestRun: the Go client's order is one trace over both nodes, the collector gets all
// of it, and nothing is left behind when the program is stopped.
func TestRun(t *testing.T) {
	collected := collector{spans: map[string]int{}}
	server := httptest.NewServer(&collected)
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, printer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, "localhost:0", server.URL, printer)
		printer.Close()
	}()

	text := make([]byte, 16<<10)
	n, err := out.Read(text) // a trace is one write
	if err != nil {
		t.Fatal(err, <-ended)
	}
	out.Close() // whatever else is printed
	head, tree, _ := strings.Cut(strings.TrimSpace(string(text[:n])), "\n")
	match := regexp.MustCompile(`^trace ([0-9a-f]{32}), 15 spans, [0-9.]+ ms$`).FindStringSubmatch(head)
	if match == nil {
		t.Fatalf("the trace is headed %q", head)
	}
	times := regexp.MustCompile(`(?m)^ *[0-9.]+ +[0-9.]+ ms  `)
	if got := "\n" + times.ReplaceAllString(tree, "") + "\n"; got != want {
		t.Errorf("the trace is%s\nwant%s", got, want)
	}

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	const spans = "map[client:2 east:6 west:7]"
	if got := fmt.Sprint(collected.spans); got != spans || collected.id != match[1] {
		t.Errorf("the collector has %s in the trace %q, want %s in %q", got, collected.id, spans, match[1])
	}
}

// collector is what speaks OTLP at the other end.
type collector struct {
	mu    sync.Mutex
	spans map[string]int // by service
	id    string         // the trace, or the traces, that they belong to
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var sent tracepb.TracesData // as the request is written
	if err := proto.Unmarshal(body, &sent); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans[of.Resource.Attributes[0].Value.GetStringValue()]++
				if id := fmt.Sprintf("%x", span.TraceId); !strings.Contains(c.id, id) {
					c.id += id
				}
			}
		}
	}
}
