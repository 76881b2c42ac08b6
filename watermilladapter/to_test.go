package watermilladapter_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// fakePublisher keeps what was published last.
type fakePublisher struct {
	topic   string
	message *wmessage.Message
	err     error
}

func (f *fakePublisher) Publish(topic string, messages ...*wmessage.Message) error {
	f.topic, f.message = topic, messages[0]
	return f.err
}

func (*fakePublisher) Close() error { return nil }

type ctxKey struct{}

func TestToTranslatesTheMessage(t *testing.T) {
	var pub fakePublisher
	h := watermilladapter.To(&pub, nil)
	ctx := context.WithValue(t.Context(), ctxKey{}, "mine")
	err := h.Handle(ctx, message.Raw{
		Destination: "/topic/a",
		Header: message.NewHeader(
			message.Field{Name: "a", Value: "1"}, message.Field{Name: "a", Value: "2"},
			message.Field{Name: message.HeaderMessageID, Value: "id-1"}, message.Field{Name: "b", Value: ""}),
		Payload: []byte("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if pub.topic != "/topic/a" || pub.message.UUID != "id-1" || string(pub.message.Payload) != "hello" {
		t.Errorf("published %+v to %q", pub.message, pub.topic)
	}
	if want := (wmessage.Metadata{"a": "1", "b": ""}); !maps.Equal(pub.message.Metadata, want) {
		t.Errorf("metadata %v", pub.message.Metadata)
	}
	if pub.message.Context().Value(ctxKey{}) != "mine" {
		t.Error("the publisher does not see the context")
	}
	if err := h.Handle(ctx, message.Raw{Destination: "/topic/a"}); err != nil || pub.message.UUID == "" {
		t.Errorf("%v, UUID %q", err, pub.message.UUID)
	}
}

func TestToAsksForTheTopic(t *testing.T) {
	var pub fakePublisher
	h := watermilladapter.To(&pub, func(m message.Raw) string { return m.Header.Get("topic") })
	m := message.Raw{Destination: "/a", Header: message.NewHeader(message.Field{Name: "topic", Value: "prices"})}
	if err := h.Handle(t.Context(), m); err != nil || pub.topic != "prices" {
		t.Errorf("%v, topic %q", err, pub.topic)
	}
	for name, bad := range map[string]message.Raw{"no topic": {}, "no data": {Kind: message.KindSubscribe, Header: m.Header}} {
		if err := h.Handle(t.Context(), bad); message.Public(err).Code != message.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToReachesStoredWhenPublished(t *testing.T) {
	cause := errors.New("broker is away")
	for name, tt := range map[string]struct{ err error }{"published": {nil}, "failed": {cause}} {
		t.Run(name, func(t *testing.T) {
			stored := false
			m := message.Raw{Destination: "/a", Done: message.NewCompletion(message.Stored, func(err error) { stored = err == nil })}
			err := watermilladapter.To(&fakePublisher{err: tt.err}, nil).Handle(t.Context(), m)
			if stored != (tt.err == nil) {
				t.Errorf("stored %v", stored)
			}
			if tt.err != nil && (!errors.Is(err, cause) || message.Public(err).Code != message.CodeUnavailable) {
				t.Errorf("outcome %v", err)
			}
		})
	}
}

func TestToNeedsAPublisher(t *testing.T) {
	mustPanic(t, func() { watermilladapter.To(nil, nil) })
}

func TestTraceGoesOnBehindTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := tracetest.NewInMemoryExporter()
		traced := telemetry.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))}
		pubsub := engine(t)
		process := message.Chain(rawFunc(accept), telemetry.TraceWith[[]byte](traced))
		from(t, pubsub, process.Handle, watermilladapter.FromConfig{})

		send := message.Chain(watermilladapter.To(pubsub, nil), telemetry.TraceSendWith[[]byte](traced))
		if err := send.Handle(t.Context(), message.Raw{Destination: "orders"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		spans := make(map[string]tracetest.SpanStub)
		for _, s := range exporter.GetSpans() {
			spans[s.Name] = s
		}
		parent, child := spans["send orders"].SpanContext, spans["process orders"].Parent
		if !parent.IsValid() || child.TraceID() != parent.TraceID() || child.SpanID() != parent.SpanID() {
			t.Errorf("sent in %v, processed below %v", parent, child)
		}
	})
}
