package handler_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func field(name, value string) message.Field { return message.Field{Name: name, Value: value} }

func TestTemplateSend(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload any
		header  []message.Field
		want    string
		ctype   string
	}{
		{"text", "hi", nil, "hi", "text/plain;charset=utf-8"},
		{"bytes", []byte("hi"), nil, "hi", "application/octet-stream"},
		{"struct", trade{"A", 1}, nil, `{"Symbol":"A","Shares":1}`, "application/json"},
		{"number", 7, nil, "7", "application/json"},
		{"text as JSON", "hi", []message.Field{field("content-type", "application/json")}, `"hi"`, "application/json"},
		{"bytes as they are named", []byte("<a/>"), []message.Field{field("content-type", "application/xml")}, "<a/>", "application/xml"},
		{"header", "hi", []message.Field{field("a", "1"), field("b", "2"), field("a", "3")}, "hi", "text/plain;charset=utf-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := new(broker)
			tm := handler.NewTemplate(sent, handler.TemplateConfig{})
			mustHandle(t, tm.Send(t.Context(), "/topic/x", c.payload, c.header...))
			m := sent.sent[0]
			if m.Kind != message.KindData || m.Session != nil || m.Done != nil {
				t.Errorf("message: %+v", m)
			}
			expect(t, "content type", m.Header.Get(message.HeaderContentType), c.ctype)
			for _, f := range c.header[:min(2, len(c.header))] {
				expect(t, f.Name, m.Header.Get(f.Name), f.Value)
			}
			expect(t, "sent", sent.lines(), "/topic/x "+c.want)
		})
	}
}

func TestTemplateLeavesTheHeaderOfItsCaller(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{})
	fields := make([]message.Field, 1, 8)
	fields[0] = field("a", "1")
	mustHandle(t, tm.Send(t.Context(), "/topic/x", "hi", fields...))
	fields[0].Value = "changed"
	expect(t, "header", sent.sent[0].Header.Get("a"), "1")
}

func TestTemplateSendToUser(t *testing.T) {
	for _, c := range []struct{ prefix, user, dest, want string }{
		{"", "kim", "/queue/x", "/user/kim/queue/x"},
		{"", "kim", "queue/x", "/user/kim/queue/x"},
		{"", "https://joe.openid.example.org/", "/queue/x", "/user/https:%2F%2Fjoe.openid.example.org%2F/queue/x"},
		{"", "a%2Fb", "/queue/x", "/user/a%252Fb/queue/x"},
		{"/prefix", "joe", "/queue/x", "/prefix/joe/queue/x"},
		{"/prefix/", "joe", "/queue/x", "/prefix/joe/queue/x"},
	} {
		sent := new(broker)
		tm := handler.NewTemplate(sent, handler.TemplateConfig{UserPrefix: c.prefix})
		mustHandle(t, tm.SendToUser(t.Context(), c.user, c.dest, "hi"))
		expect(t, c.user, sent.lines(), c.want+" hi")
	}
}

func TestTemplateErrors(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{})
	expect(t, "no destination", code(tm.Send(t.Context(), "", "hi")), message.CodeInvalid)
	expect(t, "no user", code(tm.SendToUser(t.Context(), "", "/queue/x", "hi")), message.CodeInvalid)
	expect(t, "no codec", code(tm.Send(t.Context(), "/topic/x", trade{}, field("content-type", "application/xml"))), message.CodeInvalid)
	expect(t, "cannot be written", code(tm.Send(t.Context(), "/topic/x", make(chan int))), message.CodeInternal)
	expect(t, "sent", sent.lines(), "")
	sent.err = errBoom
	expect(t, "of the broker", tm.Send(t.Context(), "/topic/x", "hi"), errBoom)
}

func TestTemplateFromManyGoroutines(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				mustHandle(t, tm.SendToUser(context.Background(), fmt.Sprint(i), "/queue/x", trade{Shares: i}, field("n", fmt.Sprint(i))))
			}
		})
	}
	wg.Wait()
	for _, m := range sent.sent {
		n := m.Header.Get("n")
		if m.Destination != "/user/"+n+"/queue/x" || string(m.Payload) != `{"Symbol":"","Shares":`+n+`}` {
			t.Fatalf("mixed up: %s %s", m.Destination, m.Payload)
		}
	}
	expect(t, "sent", len(sent.sent), 800)
}
