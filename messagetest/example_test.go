package messagetest_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// t is a test's.
var t testing.TB

// application is usually a node.
var application message.RawHandler

// A test is a client of the application, without a network.
func ExampleConnect() {
	kim := messagetest.Connect(t, application, messagetest.User("kim"))
	kim.Subscribe("/topic/greetings")
	kim.Send("/app/greet", "hello")
	if got := messagetest.Payload[string](t, kim.Next(t)); got != "hello, kim" {
		t.Errorf("got %q", got)
	}
	kim.Refute(t)
}

// Frozen goes on a channel, as any interceptor does.
func ExampleFrozen() {
	frozen := messagetest.Frozen(t)(application)
	_ = frozen.Handle(context.Background(), message.Raw{Destination: "/app/greet"})
}
