package headrace_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/messagetest"
)

// TestConfigReachesTheParts: what a Config says of the router and the broker is
// theirs.
func TestConfigReachesTheParts(t *testing.T) {
	node := headrace.New(headrace.Config{
		Codecs:           codec.NewSet(codec.JSON{Strict: true}),
		Validate:         func(any) error { return message.Errorf(message.CodeInvalid, "too few shares") },
		MaxSubscriptions: 1,
		MaxPatternCost:   1,
		MaxDestination:   20,
	})
	defer node.Close()
	handler.Consume(node.Router, "/trade", func(context.Context, trade) error { return nil })
	kim := messagetest.Connect(t, node)
	for what, c := range map[string]struct {
		do   func() error
		want string
	}{
		"strict codecs":   {func() error { return kim.TrySend("/app/trade", `{"Shares": 3, "Price": 1}`) }, "Price"},
		"validation":      {func() error { return kim.TrySend("/app/trade", `{"Shares": 3}`) }, "too few shares"},
		"destinations":    {func() error { return kim.TrySend("/topic/"+strings.Repeat("x", 20), "") }, "20 bytes"},
		"costly patterns": {func() error { _, err := kim.TrySubscribe("/topic/**/x"); return err }, "1 is allowed"},
		"subscriptions": {func() error {
			_, err := kim.TrySubscribe("/topic/a")
			_, err2 := kim.TrySubscribe("/topic/b")
			return errors.Join(err, err2)
		}, "1 subscriptions already"},
		"subscriptions of the user": {func() error {
			_, err := kim.TrySubscribe("/user/queue/a")
			_, err2 := kim.TrySubscribe("/user/queue/b")
			return errors.Join(err, err2)
		}, "1 subscriptions already"},
	} {
		if err := c.do(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// TestRequestThroughANode: the program asks a client and gets the answer, without
// any wiring.
func TestRequestThroughANode(t *testing.T) {
	for name, config := range map[string]headrace.Config{
		"as it comes": {},
		"dots":        {Separator: destination.Dot, AppPrefix: "/program."},
	} {
		t.Run(name, func(t *testing.T) {
			node := headrace.New(config)
			defer node.Close()
			kim := messagetest.Connect(t, node, messagetest.User("kim"))
			kim.Subscribe("/user/queue/questions")
			type outcome struct {
				answer message.Raw
				err    error
			}
			asked := make(chan outcome, 1)
			go func() {
				answer, err := node.Template.Request(t.Context(), "/user/kim/queue/questions", "how many?")
				asked <- outcome{answer, err}
			}()
			question := kim.Next(t)
			id := message.Field{Name: message.HeaderCorrelationID, Value: question.Header.Get(message.HeaderCorrelationID)}
			kim.Send(question.Header.Get(message.HeaderReplyTo), "three", id)
			if got := receive(t, "the answer", asked); got.err != nil || string(got.answer.Payload) != "three" {
				t.Errorf("got %q, %v", got.answer.Payload, got.err)
			}
			err := kim.TrySend(question.Header.Get(message.HeaderReplyTo), "four", id)
			if err == nil || message.Public(err).Code != message.CodeNotFound {
				t.Errorf("the second answer: %v", err)
			}
		})
	}
}
