package handler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// slow wires an endpoint whose futures the test completes, by payload.
func slow(r *handler.Router, opts ...handler.Option) map[string]*handler.Future[string] {
	all := map[string]*handler.Future[string]{}
	handler.Later(r, "/slow", func(_ context.Context, in string) *handler.Future[string] {
		all[in] = handler.NewFuture[string]()
		return all[in]
	}, opts...)
	return all
}

func TestLaterRepliesWhenTheFutureIsComplete(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	futures := slow(r, handler.SendToUser("/queue/x"), handler.SendTo("/topic/x"))
	m, done := stageMessage([]byte("a"))
	m.Destination, m.Session = "/app/slow", session("kim")
	m.Done.Release(r.Handle(t.Context(), m))
	expect(t, "sent at once", sent.lines(), "")
	done.wantOpen(t)
	expect(t, "first", futures["a"].Complete("A", nil), true)
	expect(t, "second", futures["a"].Complete("B", errBoom), false)
	expect(t, "sent", sent.lines(), "/user/kim/queue/x A\n/topic/x A")
	done.want(t, nil)
}

// An interceptor that ends the ctx behind the endpoint, as a time limit does, does not end
// it for what is sent later: engines refuse what comes with a ctx that has ended.
func TestLaterOutlastsTheCallsContext(t *testing.T) {
	var sent []string
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		sent = append(sent, string(m.Payload))
		return ctx.Err()
	}), handler.Config{})
	r.Use(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return next.Handle(ctx, m)
		})
	})
	handler.OnErrorIs(r, errBoom, func(context.Context, error) (string, error) { return "sorry", nil })
	futures := slow(r)
	for in, failed := range map[string]error{"a": nil, "b": errBoom} {
		m, done := stageMessage([]byte(in))
		m.Destination = "/app/slow"
		m.Done.Release(r.Handle(t.Context(), m))
		futures[in].Complete("A", failed)
		done.want(t, nil)
	}
	slices.Sort(sent)
	expect(t, "sent", strings.Join(sent, " "), "A sorry")
}

func TestLaterErrorsGoToTheNearestErrorHandler(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
		left error
	}{
		{"of the route", &tradeError{"ACME"}, "/topic/slow route", nil},
		{"of the group", message.Errorf(message.CodeDenied, "no"), "/topic/slow group: denied: no", nil},
		{"nothing to say", handler.ErrNoReply, "", nil},
		{"nobody's", errBoom, "", errBoom},
	} {
		for _, early := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				r, sent := newRouter(handler.Config{})
				f := handler.NewFuture[string]()
				if early {
					f.Complete("", c.err)
				}
				g := r.Group("")
				handler.Later(g, "/slow", func(context.Context, string) *handler.Future[string] { return f },
					handler.Catch(func(context.Context, *tradeError) (string, error) { return "route", nil }))
				naming[*message.Error](g, "group")
				m, done := stageMessage([]byte("a"))
				m.Destination = "/app/slow"
				m.Done.Release(r.Handle(t.Context(), m))
				f.Complete("", c.err)
				expect(t, "sent", sent.lines(), c.want)
				done.want(t, c.left)
			})
		}
	}
}

func TestLaterWithoutAFuture(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Later(r, "/nil", func(context.Context, string) *handler.Future[string] { return nil })
	handler.Later(r, "/panic", func(context.Context, string) *handler.Future[string] { panic("oops") })
	for _, dest := range []string{"/app/nil", "/app/panic"} {
		m, done := stageMessage([]byte("a"))
		m.Destination = dest
		err := r.Handle(t.Context(), m)
		expect(t, dest, code(err), message.CodeInternal)
		m.Done.Release(err)
		done.want(t, err)
	}
}

// TestLaterWithoutADoneIsLogged: nobody else would hear of the failure.
func TestLaterWithoutADoneIsLogged(t *testing.T) {
	logger, log := stageLog()
	r, _ := newRouter(handler.Config{Logger: logger})
	futures := slow(r)
	mustHandle(t, send(r, "/app/slow", "a"))
	futures["a"].Complete("", errBoom)
	expect(t, "log lines with the cause", strings.Count(log.String(), errBoom.Error()), 1)
}

func TestLaterPanicOfTheReplyIsTheMessagesOwn(t *testing.T) {
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { panic("broker") }), handler.Config{})
	futures := slow(r)
	m, done := stageMessage([]byte("a"))
	m.Destination = "/app/slow"
	m.Done.Release(r.Handle(t.Context(), m))
	futures["a"].Complete("A", nil)
	if times, err := done.get(); times != 1 || !isPanic(err) {
		t.Errorf("completed %d times with %v", times, err)
	}
	handler.OnError(r, func(context.Context, *message.PanicError) (string, error) { return "", handler.ErrNoReply })
	m, done = stageMessage([]byte("b"))
	m.Destination = "/app/slow"
	m.Done.Release(r.Handle(t.Context(), m))
	futures["b"].Complete("B", nil)
	done.want(t, nil)
}

// TestLaterOrder: messages of one session reach their endpoints in order, and do
// not wait for the future of an earlier one; its reply comes when it is complete,
// and the worker is free meanwhile.
func TestLaterOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbound := channel.NewExecutorChannel(channel.Config[[]byte]{Workers: 1, MaxWorkers: 1})
		r, sent := newRouter(handler.Config{})
		futures := slow(r)
		handler.Handle(r, "/quick", echo("quick"))
		inbound.Subscribe(r)
		kim := session("kim")
		for _, m := range [][2]string{{"/app/slow", "a"}, {"/app/quick", "1"}, {"/app/slow", "b"}, {"/app/quick", "2"}} {
			mustHandle(t, inbound.Handle(t.Context(), message.Raw{Destination: m[0], Session: kim, Payload: []byte(m[1])}))
		}
		synctest.Wait()
		expect(t, "before", sent.lines(), "/topic/quick quick:1\n/topic/quick quick:2")
		futures["b"].Complete("B", nil)
		futures["a"].Complete("A", nil)
		expect(t, "in the order of their completion", sent.lines(), "/topic/slow B\n/topic/slow A")
		mustHandle(t, inbound.Shutdown(t.Context()))
	})
}

func TestFutureFromManyGoroutines(t *testing.T) {
	for range 100 {
		r, sent := newRouter(handler.Config{})
		f := handler.NewFuture[string]()
		handler.Later(r, "/x", func(context.Context, string) *handler.Future[string] { return f })
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { mustHandle(t, send(r, "/app/x", "hi")) })
			all.Go(func() { f.Complete("done", nil) })
		}
		all.Wait()
		expect(t, "replies", strings.Count(sent.lines(), "/topic/x done"), 4)
	}
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*message.PanicError](err)
	return ok
}
