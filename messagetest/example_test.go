package messagetest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// exampleT stands for the *testing.T of a test.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()          {}
func (t *exampleT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(format string, args ...any) {
	fmt.Printf("the test fails: "+format+"\n", args...)
}

func (t *exampleT) end() {
	for _, f := range t.cleanups {
		f()
	}
}

// newApplication stands for a node: it greets, and the broker has the rest.
func newApplication() (inbound message.RawHandler, outbound *channel.DirectChannel[[]byte]) {
	outbound = new(channel.DirectChannel[[]byte])
	channel.SubscribeFunc(outbound, func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	memory := broker.NewMemory(outbound, broker.Config{})
	router := handler.NewRouter(memory, handler.Config{})
	handler.Handle(router, "/greet", func(_ context.Context, r handler.Request[string]) (string, error) {
		return r.Payload + ", " + r.User().Name(), nil
	}, handler.SendTo("/topic/greetings"))
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Destination == "/app/greet" {
			return router.Handle(ctx, m)
		}
		return memory.Handle(ctx, m)
	}), outbound
}

// A test is a client of the application, without a network. Send returns when
// the message is handled, so nothing has to be waited for.
func ExampleConnect() {
	t := new(exampleT) // a test has its own
	defer t.end()
	application, _ := newApplication()

	kim := messagetest.Connect(t, application, messagetest.User("kim"))
	kim.Subscribe("/topic/greetings")
	kim.Send("/app/greet", "hello")
	fmt.Println(messagetest.Payload[string](t, kim.Next(t)))
	kim.Refute(t) // nothing else has come
	// Output: hello, kim
}

// Record notes what goes through a channel, here all that clients are sent.
func ExampleRecord() {
	t := new(exampleT)
	defer t.end()
	application, outbound := newApplication()
	sent := messagetest.Record(t, outbound)

	kim := messagetest.Connect(t, application, messagetest.User("kim"))
	kim.Subscribe("/topic/greetings")
	kim.Send("/app/greet", "hello")
	for _, m := range sent.All() {
		fmt.Printf("%s %q %q\n", m.Kind, m.Destination, m.Payload)
	}
	// Output:
	// connected "" ""
	// data "/topic/greetings" "hello, kim"
}

// Frozen goes on a channel, as any interceptor does, and finds who changes what
// was sent.
func ExampleFrozen() {
	t := new(exampleT)
	defer t.end()
	shout := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		m.Payload[0] = 'H' // the sender has it too, and so may others
		return nil
	})

	frozen := messagetest.Frozen(t)(shout)
	_ = frozen.Handle(context.Background(), message.Raw{Destination: "/app/greet", Payload: []byte("hello")})
	// Output:
	// the test fails: the payload of a message to "/app/greet" was changed after it was sent: "hello" became "Hello"
}
