package headrace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// logLines has the lines of a JSON handler.
type logLines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *logLines) Write(p []byte) (int, error) {
	line := make(map[string]any)
	if err := json.Unmarshal(bytes.TrimSpace(p), &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	return len(p), nil
}

// saying returns the last line with a text, or nil.
func (l *logLines) saying(text string) (found map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if line["msg"] == text {
			found = line
		}
	}
	return found
}

// Whatever becomes of a message of a client: the line that tells of it has the ids of the
// trace and of the span in which it was handled.
func TestRefusalsAreLoggedWithTheirTrace(t *testing.T) {
	tests := map[string]struct{ dest, level, span string }{
		"an error":         {"/app/fails", "ERROR", "process /app/fails"},
		"a panic":          {"/app/panics", "ERROR", "process /app/panics"},
		"an error later":   {"/app/later", "ERROR", "process /app/later"},
		"a refusal":        {"/app/denied", "INFO", "process /app/denied"},
		"nobody's":         {"/elsewhere", "INFO", "process /elsewhere"},
		"before the queue": {"/app/vetoed", "ERROR", "send /app/vetoed"},
		"behind publish":   {"/topic/full", "ERROR", "publish /topic/full"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spans, lines := tracetest.NewInMemoryExporter(), new(logLines)
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
			defer provider.Shutdown(t.Context())
			config := telemetry.Config{TracerProvider: provider}
			stomp := withUsers()
			stomp.Logger = slog.New(telemetry.LogHandler(slog.NewJSONHandler(lines, nil)))
			broken := func(at string) message.RawInterceptor {
				return func(next message.RawHandler) message.RawHandler {
					return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
						if m.Destination == at {
							return errors.New("broken")
						}
						return next.Handle(ctx, m)
					})
				}
			}
			s := serve(t, setup{stomp: stomp, node: headrace.Config{
				Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](config)},
				Publishing: []message.RawInterceptor{telemetry.TracePublish(config), broken("/topic/full")},
			}, wire: func(n *headrace.Node) {
				n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](config), broken("/app/vetoed"))
				handler.Consume(n.Router, "/fails", func(context.Context, []byte) error { return errors.New("broken") })
				handler.Consume(n.Router, "/panics", func(context.Context, []byte) error { panic("broken") })
				handler.Consume(n.Router, "/denied", func(context.Context, []byte) error { return message.Errorf(message.CodeDenied, "no") })
				handler.Later(n.Router, "/later", func(context.Context, []byte) *handler.Future[string] {
					f := handler.NewFuture[string]()
					go f.Complete("", errors.New("broken"))
					return f
				})
			}})
			c := s.connectAs("kim")
			c.send("SEND\ndestination:" + tt.dest + "\ntraceparent:" + traceparent + "\n\nhello\x00")
			c.want("ERROR")
			s.idle()
			line := lines.saying("request refused")
			if line == nil {
				t.Fatal("nothing is logged")
			}
			var in string
			for _, s := range spans.GetSpans() {
				if s.SpanContext.SpanID().String() == line["span_id"] {
					in = s.Name
				}
			}
			if line["trace_id"] != traceID || line["level"] != tt.level || in != tt.span {
				t.Errorf("logged in %q, want %q: %v", in, tt.span, line)
			}
		})
	}
}

// So has the line about a session's last message, of which nobody is told.
func TestFailedDisconnectIsLoggedWithItsTrace(t *testing.T) {
	lines := new(logLines)
	provider := sdktrace.NewTracerProvider()
	defer provider.Shutdown(t.Context())
	node := headrace.New(headrace.Config{
		Logger: slog.New(telemetry.LogHandler(slog.NewJSONHandler(lines, nil))),
		Handling: []message.RawInterceptor{
			telemetry.TraceWith[[]byte](telemetry.Config{TracerProvider: provider}),
			at(func(m message.Raw) bool { return m.Kind == message.KindDisconnect }, explode),
		},
	})
	defer node.Close()
	m := message.Raw{Kind: message.KindConnect, Session: message.NewSession(new(inbox), message.SessionInfo{})}
	if err := handled(t, node, m); err != nil {
		t.Fatal(err)
	}
	m.Kind = message.KindDisconnect
	if err := node.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is over", func() bool { return node.Stats().Inbound.UnderWay == 0 })
	if line := lines.saying("message failed"); line == nil || line["trace_id"] == nil {
		t.Errorf("logged: %v", line)
	}
}
