package handler_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func TestTemplateDefaults(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{Destination: "/topic/all", ContentType: "application/json"})
	mustHandle(t, tm.Send(t.Context(), "", "hi"))
	mustHandle(t, tm.Send(t.Context(), "/topic/x", "hi", field("content-type", "text/plain")))
	mustHandle(t, tm.Publish(t.Context(), message.Raw{Payload: []byte("raw")}))
	mustHandle(t, tm.Publish(t.Context(), message.Raw{Destination: "/topic/x", Payload: []byte("raw")}))
	expect(t, "sent", sent.lines(), "/topic/all \"hi\"\n/topic/x hi\n/topic/all raw\n/topic/x raw")
	none := handler.NewTemplate(sent, handler.TemplateConfig{})
	expect(t, "no destination", code(none.Publish(t.Context(), message.Raw{})), message.CodeInvalid)
	expect(t, "content type that no codec has", code(handler.NewTemplate(sent, handler.TemplateConfig{ContentType: "image/png"}).Send(t.Context(), "/topic/x", trade{})), message.CodeInvalid)
}

func TestTemplatePostProcess(t *testing.T) {
	sent := new(broker)
	type tenant struct{}
	tm := handler.NewTemplate(sent, handler.TemplateConfig{PostProcess: func(ctx context.Context, m message.Raw) message.Raw {
		m.Header = m.Header.With("tenant", fmt.Sprint(ctx.Value(tenant{})))
		m.Payload = append([]byte("seen: "), m.Payload...)
		return m
	}})
	ctx := context.WithValue(t.Context(), tenant{}, "acme")
	mustHandle(t, tm.Send(ctx, "/topic/x", trade{"A", 1}))
	mustHandle(t, tm.SendToUser(ctx, "kim", "/queue/x", "hi"))
	mustHandle(t, tm.Publish(ctx, message.Raw{Destination: "/topic/y"}))
	for _, m := range sent.sent {
		expect(t, "header", m.Header.Get("tenant"), "acme")
	}
	expect(t, "sent", sent.lines(), "/topic/x seen: {\"Symbol\":\"A\",\"Shares\":1}\n/user/kim/queue/x seen: hi\n/topic/y seen: ")
}

// asking returns a template whose requests are given to answer, on a goroutine.
func asking(c handler.TemplateConfig, answer func(t *handler.Template, question message.Raw)) *handler.Template {
	var tm *handler.Template
	tm = handler.NewTemplate(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		go answer(tm, m)
		return nil
	}), c)
	return tm
}

func TestTemplateRequest(t *testing.T) {
	tm := asking(handler.TemplateConfig{ReplyTo: "/app/answers"}, func(tm *handler.Template, m message.Raw) {
		id := field(message.HeaderCorrelationID, m.Header.Get(message.HeaderCorrelationID))
		answer := message.Raw{Header: message.NewHeader(id), Payload: []byte(m.Header.Get(message.HeaderReplyTo) + " " + string(m.Payload))}
		_ = tm.Answer(context.Background(), message.Raw{Header: message.NewHeader(field(message.HeaderCorrelationID, "guess"))})
		mustHandle(t, tm.Answer(context.Background(), answer))
		expect(t, "a second answer", code(tm.Answer(context.Background(), answer)), message.CodeNotFound)
	})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			got, err := tm.Request(context.Background(), "/topic/questions", fmt.Sprint(i))
			if err != nil || string(got.Payload) != fmt.Sprint("/app/answers ", i) {
				t.Errorf("answer %q, %v", got.Payload, err)
			}
		})
	}
	all.Wait()
	got, err := tm.Request(t.Context(), "/topic/questions", "x", field(message.HeaderReplyTo, "/app/mine"))
	if err != nil || string(got.Payload) != "/app/mine x" {
		t.Errorf("answer %q, %v", got.Payload, err)
	}
}

func TestTemplateRequestThroughARouter(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	tm := asking(handler.TemplateConfig{ReplyTo: "/app/answers"}, func(_ *handler.Template, m message.Raw) {
		id := field(message.HeaderCorrelationID, m.Header.Get(message.HeaderCorrelationID))
		mustHandle(t, r.Handle(context.Background(), message.Raw{Destination: m.Header.Get(message.HeaderReplyTo), Header: message.NewHeader(id), Payload: []byte("42")}))
	})
	handler.Consume(r, "/answers", tm.Answer)
	got, err := tm.Request(t.Context(), "/topic/questions", "x")
	if err != nil || string(got.Payload) != "42" {
		t.Errorf("answer %q, %v", got.Payload, err)
	}
}

func TestTemplateRequestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan message.Raw, 1)
		tm := asking(handler.TemplateConfig{}, func(_ *handler.Template, m message.Raw) { asked <- m })
		to := field(message.HeaderReplyTo, "/app/answers")
		_, err := tm.Request(t.Context(), "/topic/x", "hi")
		expect(t, "nowhere to reply to", code(err), message.CodeInvalid)
		_, err = tm.Request(t.Context(), "", "hi", to)
		expect(t, "no destination", code(err), message.CodeInvalid)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = tm.Request(ctx, "/topic/x", "hi", to); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no answer: %v", err)
		}
		late := <-asked
		expect(t, "late", code(tm.Answer(t.Context(), late)), message.CodeNotFound)
		broken := handler.NewTemplate(&broker{err: errBoom}, handler.TemplateConfig{ReplyTo: "/app/answers"})
		_, err = broken.Request(t.Context(), "/topic/x", "hi")
		expect(t, "of the broker", err, errBoom)
	})
}

// TestTemplateRequestKeepsWhatWasAnswered: an answer that was taken is returned,
// though the context ends at the same time.
func TestTemplateRequestKeepsWhatWasAnswered(t *testing.T) {
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var tm *handler.Template
		tm = handler.NewTemplate(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			mustHandle(t, tm.Answer(ctx, m))
			cancel()
			return nil
		}), handler.TemplateConfig{ReplyTo: "/app/answers"})
		if got, err := tm.Request(ctx, "/topic/questions", "x"); err != nil || string(got.Payload) != "x" {
			t.Fatalf("answer %q, %v", got.Payload, err)
		}
	}
}
