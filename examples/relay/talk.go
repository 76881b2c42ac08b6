package main

import (
	"context"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// Words are what somebody says to one.
type Words struct {
	Text string `json:"text"`
}

// Validate is called before the handlers are.
func (w Words) Validate() error {
	if strings.TrimSpace(w.Text) == "" || utf8.RuneCountInString(w.Text) > 250 {
		return message.Errorf(message.CodeInvalid, "a text has 1 to 250 characters")
	}
	return nil
}

// Line is what one is told, and who said it.
type Line struct {
	From string `json:"from"`
	To   string `json:"to,omitempty"`
	Text string `json:"text"`
}

// talk has the endpoint of the application. What clients send to /topic/say and
// /queue/jobs goes to RabbitMQ as it is, over their own connections.
type talk struct{ template *handler.Template }

func (t talk) routes(r *handler.Router) {
	handler.Handle(r, "/tell/{user}", t.tell, handler.SendToSession("/queue/told"))
}

// tell sends to a user, by the queues that his sessions have at RabbitMQ, and answers the
// session by its own.
func (t talk) tell(ctx context.Context, r handler.Request[Words]) (Line, error) {
	if r.User() == nil {
		return Line{}, message.Errorf(message.CodeDenied, "who has no name may watch")
	}
	escaped, err := handler.Var[string](r, "user")
	if err != nil {
		return Line{}, err
	}
	to, err := url.PathUnescape(escaped)
	if err != nil {
		return Line{}, message.Errorf(message.CodeInvalid, "%q is no name", escaped)
	}
	l := Line{From: r.User().Name(), To: to, Text: r.Payload.Text}
	return l, t.template.SendToUser(ctx, to, "/queue/told", l)
}
