package telemetry_test

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// The names, kinds and attributes are those of the semantic conventions, as far as
// they have some.
func TestConventions(t *testing.T) {
	known := telemetry.Destinations(destination.Slash, "/app/trade/{symbol}", "/app/orders", "/topic/**", "/topic/price.*")
	type attrs map[string]string
	tests := map[string]struct {
		mount func(telemetry.Config) message.RawInterceptor
		kind  message.Kind
		dest  string
		// what is wanted
		name string
		span trace.SpanKind
		op   string // type
		dst  attrs  // beyond system and operation
	}{
		"send":                   {telemetry.TraceSendWith[[]byte], message.KindData, "/app/orders", "send /app/orders", trace.SpanKindProducer, "send", attrs{"name": "/app/orders"}},
		"send, a template":       {telemetry.TraceSendWith[[]byte], message.KindData, "/topic/price.IBM", "send /topic/price.*", trace.SpanKindProducer, "send", attrs{"template": "/topic/price.*"}},
		"send, unknown":          {telemetry.TraceSendWith[[]byte], message.KindData, "/elsewhere", "send", trace.SpanKindProducer, "send", nil},
		"process":                {telemetry.TraceWith[[]byte], message.KindData, "/app/trade/IBM", "process /app/trade/{symbol}", trace.SpanKindConsumer, "process", attrs{"template": "/app/trade/{symbol}"}},
		"process, a user's":      {telemetry.TraceWith[[]byte], message.KindData, "/user/kim/queue/a", "process /user/queue/*", trace.SpanKindConsumer, "process", attrs{"template": "/user/queue/*", "temporary": "true", "anonymous": "true"}},
		"publish":                {telemetry.TracePublish, message.KindData, "/topic/a/b", "publish /topic/**", trace.SpanKindInternal, "", attrs{"template": "/topic/**"}},
		"relay":                  {telemetry.TraceRelay, message.KindData, "/topic/a/b", "relay /topic/**", trace.SpanKindClient, "send", attrs{"template": "/topic/**"}},
		"connect":                {telemetry.TraceWith[[]byte], message.KindConnect, "", "connect", trace.SpanKindServer, "", nil},
		"subscribe":              {telemetry.TraceWith[[]byte], message.KindSubscribe, "/topic/price.*", "subscribe /topic/price.*", trace.SpanKindInternal, "", attrs{"name": "/topic/price.*"}},
		"subscribe, user's":      {telemetry.TraceWith[[]byte], message.KindSubscribe, "/user/queue/a", "subscribe /user/queue/*", trace.SpanKindInternal, "", attrs{"template": "/user/queue/*", "temporary": "true", "anonymous": "true"}},
		"unsubscribe":            {telemetry.TraceWith[[]byte], message.KindUnsubscribe, "", "unsubscribe", trace.SpanKindInternal, "", nil},
		"ack":                    {telemetry.TraceWith[[]byte], message.KindAck, "", "ack", trace.SpanKindClient, "settle", nil},
		"nack":                   {telemetry.TraceWith[[]byte], message.KindNack, "", "nack", trace.SpanKindClient, "settle", nil},
		"disconnect":             {telemetry.TraceWith[[]byte], message.KindDisconnect, "", "disconnect", trace.SpanKindInternal, "", nil},
		"a kind nobody knows of": {telemetry.TraceWith[[]byte], 200, "", "process", trace.SpanKindConsumer, "process", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			r.config.Template = known
			through(t, tt.mount(r.config), t.Context(), message.Raw{Kind: tt.kind, Destination: tt.dest})
			s := r.span(t, tt.name)
			want := map[string]string{"messaging.system": "headrace", "messaging.operation.name": firstWord(tt.name)}
			if tt.op != "" {
				want["messaging.operation.type"] = tt.op
			}
			if s.Name[:3] == "pub" {
				want["headrace.fanout.count"] = "0"
			}
			for key, value := range tt.dst {
				want["messaging.destination."+key] = value
			}
			if got := attributes(s); s.SpanKind != tt.span || !maps.Equal(got, want) {
				t.Errorf("kind %v, want %v; attributes %v, want %v", s.SpanKind, tt.span, got, want)
			}
		})
	}
}

func firstWord(name string) string {
	for i, c := range name {
		if c == ' ' {
			return name[:i]
		}
	}
	return name
}

// What the config adds is there for samplers too; what shows users and sizes is
// asked for.
func TestConfiguredAttributes(t *testing.T) {
	r := newRecorder()
	m := message.Raw{Destination: "prices", Payload: []byte("123"), Session: sessionOf("kim")}
	through(t, telemetry.TraceSendWith[[]byte](r.config), t.Context(), m)
	plain := attributes(r.span(t, "send prices"))
	if plain["enduser.id"] != "" || plain["messaging.message.body.size"] != "" {
		t.Errorf("attributes nobody asked for: %v", plain)
	}
	r.Reset()
	r.config.System, r.config.EndUser, r.config.BodySize = "kafka", true, true
	r.config.Attributes = []attribute.KeyValue{attribute.String("server.address", "broker.example")}
	through(t, telemetry.TraceSendWith[[]byte](r.config), t.Context(), m)
	got := attributes(r.span(t, "send prices"))
	for key, want := range map[string]string{
		"messaging.system": "kafka", "server.address": "broker.example", "enduser.id": "kim", "messaging.message.body.size": "3",
	} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}

func TestDestinationsPanicsOverAMalformedPattern(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wiring mistake must panic")
		}
	}()
	telemetry.Destinations(destination.Slash, "/a/{")
}

// However many destinations clients make up, a mount remembers few.
func TestUnknownDestinationsAreForgotten(t *testing.T) {
	h := telemetry.TraceWith[order](telemetry.Config{TracerProvider: noop.NewTracerProvider()})(orderFunc(nothing))
	send := func(from, to int) {
		for i := from; i < to; i++ {
			if err := h.Handle(t.Context(), orderMessage{Destination: fmt.Sprint("/", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 1000)
	before := heap()
	send(1000, 50_000)
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d bytes more for destinations that were seen once", grown)
	}
	runtime.KeepAlive(h)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestErrorTypes(t *testing.T) {
	for want, err := range map[string]error{
		"denied":   message.Errorf(message.CodeDenied, "no"),
		"full":     errors.Join(errors.New("a"), message.Errorf(message.CodeFull, "no room")),
		"internal": errors.New("broken"),
	} {
		r := newRecorder()
		_ = telemetry.TraceWith[order](r.config)(outcome(err)).Handle(t.Context(), orderMessage{})
		if got := attributes(r.span(t, "process"))["error.type"]; got != want {
			t.Errorf("error.type %q, want %q", got, want)
		}
	}
}
