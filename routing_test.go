package headrace_test

import (
	"context"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message/destination"
)

func echo(_ context.Context, text string) (string, error) { return text, nil }

func TestRoutes(t *testing.T) {
	s := serve(t, setup{wire: func(n *headrace.Node) { handler.Handle(n.Router, "/echo", echo) }})
	c := s.connect()
	c.subscribe("reply", "/topic/echo")
	c.subscribe("topic", "/topic/news")
	c.subscribe("queue", "/queue/jobs")
	c.subscribe("own", "/user/queue/mine")

	for _, to := range []struct{ dest, subscription string }{
		{"/app/echo", "reply"}, {"/topic/news", "topic"}, {"/queue/jobs", "queue"},
	} {
		c.send(sendFrame(to.dest, "", "to "+to.dest))
		c.wantMessage(to.subscription, "to "+to.dest)
	}
	if err := s.node.Template.Send(t.Context(), "/topic/news", "from the program"); err != nil {
		t.Fatal(err)
	}
	c.wantMessage("topic", "from the program")
}

func TestUnroutable(t *testing.T) {
	s := serve(t, setup{})
	const unknown = "no handler for /topics/x; known prefixes: /app, /topic, /queue, /user"
	for _, tc := range []struct{ name, frame, want, receipt string }{
		{"send with receipt", sendFrame("/topics/x", "r7", "hello"), unknown, "r7"},
		{"send without receipt", sendFrame("/topics/x", "", "hello"), unknown, ""},
		{"subscribe", subscribeFrame("1", "/topics/x", "r8"), unknown, "r8"},
		{"pattern over all prefixes", subscribeFrame("1", "/**", "r9"), strings.Replace(unknown, "/topics/x", "/**", 1), "r9"},
		{"dot is no separator", sendFrame("/topic.x", "", ""), strings.Replace(unknown, "/topics/x", "/topic.x", 1), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.node.Stats().Unroutable
			c := s.connect()
			c.send(tc.frame)
			f := c.wantError(tc.want)
			if got := f.header["receipt-id"]; got != tc.receipt {
				t.Errorf("receipt-id %q, want %q", got, tc.receipt)
			}
			if got := f.header["code"]; got != "not-found" {
				t.Errorf("code %q, want not-found", got)
			}
			if got := s.node.Stats().Unroutable - before; got != 1 {
				t.Errorf("%d more are unroutable, want 1", got)
			}
		})
	}
}

// What only the router can know is not counted as unroutable.
func TestNoEndpoint(t *testing.T) {
	s := serve(t, setup{})
	for _, f := range []string{sendFrame("/app/nothing", "r", ""), subscribeFrame("1", "/app/nothing", "r")} {
		c := s.connect()
		c.send(f)
		got := c.wantError("no handler for /app/nothing")
		if got.header["receipt-id"] != "r" {
			t.Errorf("%v does not echo the receipt", got)
		}
	}
	if got := s.node.Stats().Unroutable; got != 0 {
		t.Errorf("Unroutable = %d, want 0", got)
	}
}

func TestUnroutableFromTheProgram(t *testing.T) {
	s := serve(t, setup{})
	err := s.node.Template.Send(t.Context(), "/elsewhere", "x")
	if err == nil || !strings.Contains(err.Error(), "no handler for /elsewhere") {
		t.Errorf("error %v", err)
	}
	long := "/" + strings.Repeat("x", 5000)
	if err := s.node.Template.Send(t.Context(), long, "x"); err == nil || len(err.Error()) > 400 {
		t.Errorf("the error of a long destination has %d characters", len(err.Error()))
	}
}

func TestCustomPrefixes(t *testing.T) {
	s := serve(t, setup{
		node: headrace.Config{AppPrefix: "/do/", BrokerPrefixes: []string{"/feed/", "/jobs"}, UserPrefix: "/me/"},
		wire: func(n *headrace.Node) {
			handler.Handle(n.Router, "/echo", echo)
			handler.Handle(n.Router, "/mine", echo, handler.SendToUser("/jobs/mine"))
		},
	})
	c := s.dial()
	id := c.login()
	c.subscribe("reply", "/feed/echo")
	c.subscribe("mine", "/me/jobs/mine")
	c.send(sendFrame("/do/echo", "", "one"))
	c.wantMessage("reply", "one")
	c.send(sendFrame("/do/mine", "", "two"))
	if f := c.wantMessage("mine", "two"); f.header["destination"] != "/me/jobs/mine" {
		t.Errorf("destination %q", f.header["destination"])
	}
	if err := s.node.Template.SendToUser(t.Context(), id, "/jobs/mine", "three"); err != nil {
		t.Fatal(err)
	}
	c.wantMessage("mine", "three")
	c.send(sendFrame("/app/echo", "", ""))
	c.wantError("no handler for /app/echo; known prefixes: /do, /feed, /jobs, /me")
}

func TestOverlappingPrefixes(t *testing.T) {
	for _, tc := range []struct {
		config headrace.Config
		want   string
	}{
		{headrace.Config{AppPrefix: "/topic"}, "/topic and /topic overlap"},
		{headrace.Config{AppPrefix: "/topic/app"}, "/topic/app and /topic overlap"},
		{headrace.Config{UserPrefix: "/app/user/"}, "/app/user and /app overlap"},
		{headrace.Config{BrokerPrefixes: []string{"/a", "/a/b"}}, "/a/b and /a overlap"},
		{headrace.Config{BrokerPrefixes: []string{"/a", "/a"}}, "/a and /a overlap"},
		{headrace.Config{AppPrefix: "/topic.app", Separator: destination.Dot}, "/topic.app and /topic overlap"},
		{headrace.Config{AppPrefix: "/"}, `the prefix "/" leaves nothing for the others`},
	} {
		t.Run(tc.want, func(t *testing.T) {
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, tc.want) {
					t.Errorf("panic %q, want %q", v, tc.want)
				}
			}()
			headrace.New(tc.config)
		})
	}
	headrace.New(headrace.Config{AppPrefix: "/topics", UserPrefix: "/top"}).Close() // share letters, not segments
}

func TestDotSeparator(t *testing.T) {
	s := serve(t, setup{
		node: headrace.Config{Separator: destination.Dot},
		wire: func(n *headrace.Node) {
			handler.Handle(n.Router, "red.{x}", func(_ context.Context, r handler.Request[string]) (string, error) {
				return r.PathValue("x") + " " + r.Payload, nil
			}, handler.SendTo("/topic/shades.{x}"))
		},
	})
	c := s.connect()
	c.subscribe("one", "/topic/shades.dark")
	c.subscribe("star", "/topic/*.light")
	c.subscribe("one segment", "/topic/*")
	c.send(sendFrame("/app/red.dark", "", "wine"))
	c.wantMessage("one", "dark wine")
	c.send(sendFrame("/app/red.light", "", "rose"))
	c.wantMessage("star", "light rose")
	c.send(sendFrame("/app.red.light", "r", "")) // which a policy takes for another one
	c.wantError("no handler for /app.red.light")
}
