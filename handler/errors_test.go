package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

type tradeError struct{ symbol string }

func (e *tradeError) Error() string { return "cannot trade " + e.symbol }

type temporary struct{}

func (temporary) Error() string { return "temporary" }
func (temporary) Busy() bool    { return true }

// failing returns a router whose endpoint "/x" fails with err.
func failing(c handler.Config, err error) (*handler.Router, *broker) {
	r, sent := newRouter(c)
	handler.Handle(r, "/x", func(context.Context, string) (string, error) { return "", err })
	return r, sent
}

// naming answers the errors of type E with the name of the handler.
func naming[E error](r *handler.Router, name string) {
	handler.OnError(r, func(_ context.Context, e E) (string, error) { return name + ": " + e.Error(), nil })
}

func TestErrorWithoutHandlerIsReturnedAsItIs(t *testing.T) {
	r, sent := failing(handler.Config{}, errBoom)
	naming[*tradeError](r, "trade")
	expect(t, "error", send(r, "/app/x", "-"), errBoom)
	expect(t, "sent", sent.lines(), "")
}

func TestErrorHandlerByType(t *testing.T) {
	trade := &tradeError{"ACME"}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"itself", trade, "trade: cannot trade ACME"},
		{"wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", trade)), "trade: cannot trade ACME"},
		{"joined", errors.Join(errBoom, trade), "trade: cannot trade ACME"},
		{"cause of an authored one", message.Errorf(message.CodeDenied, "no").WithCause(trade), "trade: cannot trade ACME"},
		{"interface", fmt.Errorf("a: %w", temporary{}), "busy: temporary"},
		{"the rest", errBoom, "any: " + errBoom.Error()},
		{"first of two", errors.Join(message.Errorf(message.CodeDenied, "no"), trade), "trade: cannot trade ACME"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := failing(handler.Config{}, c.err)
			naming[interface {
				error
				Busy() bool
			}](r, "busy")
			naming[error](r, "any") // catches all, and yet the concrete types come before it
			naming[*tradeError](r, "trade")
			naming[*message.Error](r, "authored")
			mustHandle(t, send(r, "/app/x", "-"))
			expect(t, "sent", sent.lines(), "/topic/x "+c.want)
		})
	}
}

func TestErrorHandlerReplyOptions(t *testing.T) {
	r, sent := failing(handler.Config{}, &tradeError{"ACME"})
	handler.OnError(r, func(_ context.Context, e *tradeError) (map[string]string, error) {
		return map[string]string{"symbol": e.symbol}, nil
	}, handler.SendTo("/topic/errors"), handler.SendToSession("/queue/errors"))
	kim := session("kim")
	mustHandle(t, sendAs(kim, r, "/app/x", "-"))
	const problem = ` {"symbol":"ACME"}`
	expect(t, "sent", sent.lines(), "/user/"+kim.ID()+"/queue/errors"+problem+"\n/topic/errors"+problem)
}

func TestErrorHandlerNoReply(t *testing.T) {
	r, sent := failing(handler.Config{}, errBoom)
	handler.OnError(r, func(context.Context, error) (string, error) { return "", handler.ErrNoReply })
	mustHandle(t, send(r, "/app/x", "-"))
	expect(t, "sent", sent.lines(), "")
}

func TestErrorHandlerSeesInputInterceptorsAndRouting(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	refuse := func(message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(context.Context, message.Raw) error {
			return message.Errorf(message.CodeDenied, "not for you")
		})
	}
	told[trade](r, "/input")
	handler.Handle(r, "/denied", echo("denied"), handler.Interceptors(refuse))
	handler.OnError(r, func(_ context.Context, e *message.Error) (string, error) { return string(e.Code), nil }, handler.SendTo("/topic/errors"))
	for dest, want := range map[string]message.Code{
		"/app/input":   message.CodeInvalid,
		"/app/denied":  message.CodeDenied,
		"/app/nowhere": message.CodeNotFound,
	} {
		mustHandle(t, send(r, dest, "{"))
		expect(t, dest, sent.lines(), "/topic/errors "+string(want))
	}
	for _, dest := range []string{"/other", "/apple/x"} {
		expect(t, "not the router's", code(send(r, dest, "-")), message.CodeNotFound)
		expect(t, "sent", sent.lines(), "")
	}
}

func TestPanicIsAnErrorOfItsMessage(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(_ context.Context, in string) (string, error) {
		if in == "error" {
			panic(&tradeError{"ACME"})
		}
		panic(in)
	})
	err := send(r, "/app/x", "secret")
	p, ok := errors.AsType[*message.PanicError](err)
	if !ok || p.Value != "secret" || !strings.Contains(string(p.Stack), "errors_test.go") {
		t.Fatalf("error %#v has not the panic and its stack", err)
	}
	expect(t, "the client learns", message.Public(err).Message, "internal error")
}

func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	r, sent := newRouter(handler.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	handler.Handle(r, "/x", func(_ context.Context, in string) (string, error) { panic(in) })
	naming[*message.PanicError](r, "panic")
	mustHandle(t, send(r, "/app/x", "oops"))
	expect(t, "sent", sent.lines(), "/topic/x panic: panic: oops")
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "errors_test.go") {
		t.Errorf("the log has no stack: %s", log.String())
	}
}

func TestErrorHandlerThatFails(t *testing.T) {
	other := errors.New("other")
	for _, c := range []struct {
		name string
		f    func(context.Context, error) (string, error)
		want []error
	}{
		{"passes it on", func(_ context.Context, e error) (string, error) { return "", e }, []error{errBoom}},
		{"wraps it", func(_ context.Context, e error) (string, error) { return "", fmt.Errorf("%w: %w", other, e) }, []error{errBoom, other}},
		{"fails otherwise", func(context.Context, error) (string, error) { return "", other }, []error{errBoom, other}},
		{"panics", func(context.Context, error) (string, error) { panic(other) }, []error{errBoom, other}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := failing(handler.Config{}, errBoom)
			handler.OnError(r, c.f)
			err := send(r, "/app/x", "-")
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("%v has lost %v", err, want)
				}
			}
			expect(t, "told once", strings.Count(fmt.Sprint(err), errBoom.Error()), 1)
			expect(t, "sent", sent.lines(), "")
		})
	}
}

// TestAnsweredErrorIsLoggedOnce, at the level that says whose it is.
func TestAnsweredErrorIsLoggedOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		level string
	}{
		{"failure", errBoom, "WARN"},
		{"failure that has a handler of its own", &tradeError{errBoom.Error()}, "DEBUG"},
		{"failure in words for the client", message.Errorf(message.CodeInternal, "no").WithCause(errBoom), "WARN"},
		{"authored", message.Errorf(message.CodeDenied, "no").WithCause(errBoom), "DEBUG"},
		{"panic", message.NewPanicError(errBoom), "ERROR"},
		{"panic with an authored error", message.NewPanicError(message.Errorf(message.CodeDenied, "no").WithCause(errBoom)), "ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			logger, buf := debugLog()
			r, _ := failing(handler.Config{Logger: logger}, c.err)
			naming[error](r, "any")
			naming[*tradeError](r, "trade")
			mustHandle(t, send(r, "/app/x", "payload"))
			log := buf.String()
			expect(t, "lines", strings.Count(log, "\n"), 1)
			for _, part := range []string{"level=" + c.level, "destination=/app/x", errBoom.Error()} {
				if !strings.Contains(log, part) {
					t.Errorf("log has no %q: %s", part, log)
				}
			}
			if strings.Contains(log, "payload") {
				t.Errorf("the log has the payload: %s", log)
			}
		})
	}
}

func debugLog() (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})), &buf
}

// TestLogOfInputIsShort: what is wrong with an input is logged at Debug, and
// quotes a part of it at most.
func TestLogOfInputIsShort(t *testing.T) {
	long := strings.Repeat("9", 10_000)
	for _, c := range []struct {
		name, payload string
		wire          func(r *handler.Router, pattern string)
	}{
		{"number", long, told[int]},
		{"unknown field", `{"` + long + `":1}`, told[trade]},
		{"text", `"` + long + `"`, told[time.Time]},
	} {
		t.Run(c.name, func(t *testing.T) {
			logger, log := debugLog()
			r, _ := newRouter(handler.Config{Logger: logger, Codecs: codec.NewSet(codec.JSON{Strict: true})})
			c.wire(r, "/x")
			handler.OnError(r, func(context.Context, *handler.InputError) (string, error) { return "", handler.ErrNoReply })
			mustHandle(t, send(r, "/app/x", c.payload))
			if !strings.Contains(log.String(), "level=DEBUG") || log.Len() > 1000 {
				t.Errorf("logged: %s", log)
			}
		})
	}
}

func TestErrorHandlersFromManyGoroutines(t *testing.T) {
	for range 200 {
		r, sent := newRouter(handler.Config{})
		handler.Handle(r, "/x", func(ctx context.Context, _ string) (string, error) { return "", ctx.Value(formKey{}).(error) })
		fail := func(err error) error {
			return r.Handle(context.WithValue(context.Background(), formKey{}, err), message.Raw{Destination: "/app/x", Payload: []byte("x")})
		}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for _, f := range []func(){
			func() { naming[*tradeError](r, "trade") },
			func() { naming[*message.Error](r, "authored") },
			func() { naming[temporary](r, "temporary") },
			func() { naming[error](r, "any") },
			func() { _ = fail(errBoom) },
		} {
			wg.Go(func() {
				<-start
				f()
			})
		}
		close(start)
		wg.Wait()
		sent.lines()
		for name, err := range map[string]error{
			"trade": &tradeError{"ACME"}, "authored": message.Errorf(message.CodeDenied, "no"), "temporary": temporary{}, "any": errBoom,
		} {
			mustHandle(t, fail(err))
			expect(t, name, sent.lines(), "/topic/x "+name+": "+err.Error())
		}
	}
}

// TestRouterAsksForTheDefaultLoggerWhenItNeedsOne: programs set it after they
// wired their routes.
func TestRouterAsksForTheDefaultLoggerWhenItNeedsOne(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Consume(r, "/x", func(context.Context, string) error { panic("boom") })
	handler.OnError(r, func(context.Context, error) (string, error) { return "", handler.ErrNoReply })
	logger, log := stageLog()
	old := slog.Default()
	slog.SetDefault(logger)
	defer slog.SetDefault(old)
	mustHandle(t, send(r, "/app/x", "-"))
	if !strings.Contains(log.String(), "error handler answered") {
		t.Errorf("the default logger was told %q", log)
	}
}

// TestErrorsBehindAnotherGoroutine: an interceptor that hands the message on
// parts the endpoint from the router; its error goes to the message's Done.
func TestErrorsBehindAnotherGoroutine(t *testing.T) {
	executor := channel.NewExecutor(channel.Config[[]byte]{})
	r, sent := failing(handler.Config{}, errBoom)
	handler.OnError(r, func(context.Context, error) (string, error) { return "answered", nil })
	r.Use(interceptor.Ordered[[]byte](executor, nil))
	m, done := stageMessage([]byte("x"))
	m.Destination = "/app/x"
	mustHandle(t, stageSend(t.Context(), r, m))
	if err := executor.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	done.want(t, errBoom)
	expect(t, "sent", sent.lines(), "")
}
