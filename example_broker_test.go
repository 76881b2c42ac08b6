package headrace_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// One line makes queues of what is below /queue: each job goes to one of those who
// subscribed, and waits while there is none.
func Example_queue() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer node.Close()

	client := visit(node, "client", nil)
	client.send("/queue/jobs", "one")
	a, b := visit(node, "a", nil), visit(node, "b", nil)
	a.subscribe("/queue/jobs")
	b.subscribe("/queue/jobs")
	client.send("/queue/jobs", "two")
	client.send("/queue/jobs", "three")
	// Output:
	// a: /queue/jobs one
	// b: /queue/jobs two
	// a: /queue/jobs three
}

// A worker acknowledges what it has done. What it leaves undone goes to the next one.
func Example_acknowledge() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer node.Close()
	individually := message.Field{Name: message.HeaderAckMode, Value: "client-individual"}

	a := visit(node, "a", nil)
	a.subscribe("/queue/jobs", individually)
	for _, job := range []string{"one", "two"} {
		a.send("/queue/jobs", job)
	}
	a.settle(message.KindAck, <-a.came)
	a.leave()
	b := visit(node, "b", nil)
	b.subscribe("/queue/jobs", individually)
	job := <-b.came
	fmt.Println("delivery", job.Header.Get(message.HeaderDeliveries))
	b.settle(message.KindAck, job)
	// Output:
	// a: /queue/jobs one
	// a: /queue/jobs two
	// b: /queue/jobs two
	// delivery 2
}

// What is refused is delivered again after a while, and somewhere else when it was
// refused too often.
func Example_deadLetter() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{
		Prefix: "/queue",
		Mode:   broker.Queue,
		Acks:   broker.Acks{MaxDeliveries: 2, Backoff: time.Millisecond, DeadLetter: "/topic/dead"},
	}}})
	defer node.Close()

	worker, doctor := visit(node, "worker", nil), visit(node, "doctor", nil)
	worker.subscribe("/queue/jobs", message.Field{Name: message.HeaderAckMode, Value: "client"})
	doctor.subscribe("/topic/dead")
	worker.send("/queue/jobs", "impossible")
	worker.settle(message.KindNack, <-worker.came)
	worker.settle(message.KindNack, <-worker.came)
	fmt.Println("from", (<-doctor.came).Header.Get(message.HeaderDeadFrom))
	// Output:
	// worker: /queue/jobs impossible
	// worker: /queue/jobs impossible
	// doctor: /topic/dead impossible
	// from /queue/jobs
}

// What a client sends in a transaction is handled when it commits, or not at all.
func Example_transaction() {
	node := headrace.New(headrace.Config{})
	defer node.Close()

	client := visit(node, "client", nil)
	client.subscribe("/topic/accounts")
	tx := message.Field{Name: message.HeaderTransaction, Value: "t1"}
	client.try(message.Raw{Kind: message.KindBegin, Header: message.NewHeader(tx)})
	client.send("/topic/accounts", "debit", tx)
	client.send("/topic/accounts", "credit", tx)
	fmt.Println("nothing yet")
	client.try(message.Raw{Kind: message.KindCommit, Header: message.NewHeader(tx)})
	client.send("/topic/accounts", "debit", tx)
	// Output:
	// nothing yet
	// client: /topic/accounts debit
	// client: /topic/accounts credit
	// client: refused: the session has no transaction of this id
}

// A client that comes back is sent what it missed, or is told that this is not known any
// more.
func Example_history() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: 100}}}})
	defer node.Close()
	ctx := context.Background()

	client := visit(node, "client", nil)
	client.subscribe("/topic/prices")
	_ = node.Template.Send(ctx, "/topic/prices", "1.10")
	last := (<-client.came).Header
	client.leave()
	_ = node.Template.Send(ctx, "/topic/prices", "1.11")
	_ = node.Template.Send(ctx, "/topic/prices", "1.12")
	client = visit(node, "client again", nil)
	client.subscribe("/topic/prices",
		message.Field{Name: message.HeaderEpoch, Value: last.Get(message.HeaderEpoch)},
		message.Field{Name: message.HeaderOffset, Value: last.Get(message.HeaderOffset)})
	// Output:
	// client: /topic/prices 1.10
	// client again: /topic/prices recovered: true
	// client again: /topic/prices 1.11
	// client again: /topic/prices 1.12
}

// The last message of a topic is there for who subscribes later.
func Example_retain() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/topic/weather", Retain: true}}})
	defer node.Close()

	_ = node.Template.Send(context.Background(), "/topic/weather/bern", "rain")
	_ = node.Template.Send(context.Background(), "/topic/weather/bern", "sun")
	visit(node, "client", nil).subscribe("/topic/weather/bern")
	// Output: client: /topic/weather/bern sun
}

// What sessions do is told on a channel. One that takes its time belongs behind an
// executor channel.
func Example_events() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	channel.SubscribeFunc(node.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		if e := m.Payload; e.Session != nil {
			fmt.Printf("%s: %s %q\n", e.Session.User().Name(), e.Kind, e.Destination)
		}
		return nil
	})

	kim := visit(node, "kim", message.User("kim"))
	kim.subscribe("/topic/news")
	kim.leave()
	// Output:
	// kim: connect ""
	// kim: connected ""
	// kim: subscribe "/topic/news"
	// kim: subscribed "/topic/news"
	// kim: disconnected ""
}

// Who is there, what they subscribed to, and how one is sent away.
func Example_users() {
	node := headrace.New(headrace.Config{})
	defer node.Close()

	kim := visit(node, "kim", message.User("kim"))
	kim.subscribe("/topic/prices/gold")
	visit(node, "lee", message.User("lee")).subscribe("/topic/news")
	for s := range node.Users.Subscriptions(destination.MustParse("/topic/prices/*", destination.Slash)) {
		fmt.Println(s.User, "reads", s.Destination)
	}
	user, _ := node.Users.User("kim")
	for _, s := range user.Sessions {
		node.Users.Close(s.ID, message.Errorf(message.CodeDenied, "the market is closed"))
	}
	// Output:
	// kim reads /topic/prices/gold
	// kim: closed: the market is closed
}

// The config says how far a message must get before its sender is told: here as soon as it
// is taken, or when a worker has acknowledged it.
func Example_receipts() {
	node := headrace.New(headrace.Config{
		Receipts: message.Accepted, // of the router; else message.Handled
		Rules:    []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Receipts: message.Handled}},
	})
	defer node.Close()
	begin, end := make(chan bool), make(chan bool)
	handler.Consume(node.Router, "/report", func(context.Context, string) error {
		<-begin
		fmt.Println("handled")
		close(end)
		return nil
	})

	client, worker := visit(node, "client", nil), visit(node, "worker", nil)
	client.send("/app/report", "the year")
	fmt.Println("told that it is taken")
	close(begin)
	<-end

	worker.subscribe("/queue/jobs", message.Field{Name: message.HeaderAckMode, Value: "client"})
	go func() { worker.settle(message.KindAck, <-worker.came) }()
	client.send("/queue/jobs", "job")
	fmt.Println("told that it is done")
	// Output:
	// told that it is taken
	// handled
	// worker: /queue/jobs job
	// told that it is done
}

// Whatever way a message takes to a client, the gate decides about it last.
func Example_gate() {
	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Header.Get("for") == "staff" && m.Session.User().Name() != "kim" {
				return message.ErrDropped
			}
			return next.Handle(ctx, m)
		})
	}}})
	defer node.Close()

	kim, guest := visit(node, "kim", message.User("kim")), visit(node, "guest", message.User("guest"))
	kim.subscribe("/topic/news")
	guest.subscribe("/topic/news")
	kim.send("/topic/news", "the cake is a lie", message.Field{Name: "for", Value: "staff"})
	// Output: kim: /topic/news the cake is a lie
}

// The statistics of a server are logged as often as one likes.
func Example_logStats() {
	ctx, stop := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(writer(func(line string) {
		if strings.Contains(line, "msg=stats") && ctx.Err() == nil { // the first alone
			fmt.Println(regexp.MustCompile(`msg=stats|broker\.(sessions|subscriptions|published)=\d+`).FindAllString(line, -1))
			stop()
		}
	}), nil))
	node := headrace.New(headrace.Config{Logger: log, LogStats: 10 * time.Millisecond}) // 30 min in earnest

	visit(node, "client", nil).subscribe("/topic/news")
	_ = node.Serve(ctx, &http.Server{Addr: "127.0.0.1:0"})
	// Output: [msg=stats broker.sessions=1 broker.subscriptions=1 broker.published=0]
}

// writer is a function that is written to.
type writer func(line string)

func (w writer) Write(line []byte) (int, error) {
	w(string(line))
	return len(line), nil
}
