package broker_test

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// screen is a session of the examples: it shows what it is sent.
type screen struct {
	*message.Session
	name string
	came chan message.Header
}

// open connects a screen to a broker.
func open(b message.RawHandler, name string, user message.Principal) *screen {
	s := &screen{name: name, came: make(chan message.Header, 100)}
	s.Session = message.NewSession(s, message.SessionInfo{Principal: user})
	s.do(b, message.Raw{Kind: message.KindConnect})
	return s
}

func (s *screen) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		fmt.Println(s.name, m.Subscription, m.Destination, string(m.Payload)+m.Header.Get(message.HeaderRecovered))
		s.came <- m.Header
	}
	return nil
}

func (s *screen) Close(error) {}

func (s *screen) do(b message.RawHandler, m message.Raw) {
	m.Session = s.Session
	if err := b.Handle(context.Background(), m); err != nil {
		fmt.Println(s.name, "is refused:", message.Public(err).Message)
	}
}

func (s *screen) subscribe(b message.RawHandler, id, dest string, header ...message.Field) {
	s.do(b, message.Raw{Kind: message.KindSubscribe, Subscription: id, Destination: dest, Header: message.NewHeader(header...)})
}

// send publishes for the program.
func send(b message.RawHandler, dest, text string) {
	if err := b.Handle(context.Background(), message.Raw{Destination: dest, Payload: []byte(text)}); err != nil {
		fmt.Println("the program is refused:", message.Public(err).Message)
	}
}

// toSessions is the way out, usually a channel with interceptors.
var toSessions = outbound

// Every subscription that matches gets a message of its own.
func ExampleMemory() {
	b := broker.NewMemory(toSessions, broker.Config{})
	defer b.Close()

	kim := open(b, "kim", nil)
	kim.subscribe(b, "1", "/topic/prices/gold")
	kim.subscribe(b, "2", "/topic/prices/*")
	send(b, "/topic/prices/gold", "2,650")
	send(b, "/topic/prices/silver", "31")
	kim.do(b, message.Raw{Kind: message.KindUnsubscribe, Subscription: "2"})
	send(b, "/topic/prices/silver", "32")
	fmt.Println(b.Stats().Delivered, "deliveries")
	// Unordered output:
	// kim 1 /topic/prices/gold 2,650
	// kim 2 /topic/prices/gold 2,650
	// kim 2 /topic/prices/silver 31
	// 3 deliveries
}

// Consumers of a queue share what is sent there. It waits for them, up to a bound.
func ExampleRule_queue() {
	b := broker.NewMemory(toSessions, broker.Config{Rules: []broker.Rule{{
		Prefix:  "/queue",
		Mode:    broker.Queue,
		Backlog: broker.Backlog{Messages: 3},
	}}})
	defer b.Close()

	for _, job := range []string{"one", "two", "three", "four"} {
		send(b, "/queue/jobs", job)
	}
	open(b, "kim", nil).subscribe(b, "1", "/queue/jobs")
	open(b, "lee", nil).subscribe(b, "1", "/queue/jobs")
	send(b, "/queue/jobs", "five")
	send(b, "/queue/jobs", "six")
	// Output:
	// the program is refused: the backlog of the destination is full
	// kim 1 /queue/jobs one
	// kim 1 /queue/jobs two
	// kim 1 /queue/jobs three
	// lee 1 /queue/jobs five
	// kim 1 /queue/jobs six
}

// A delivery is acknowledged, or refused and made again after a while; what is refused too
// often is a dead letter.
func ExampleAcks() {
	b := broker.NewMemory(toSessions, broker.Config{Rules: []broker.Rule{{
		Prefix: "/queue",
		Mode:   broker.Queue,
		Acks:   broker.Acks{MaxDeliveries: 2, Backoff: time.Millisecond, DeadLetter: "/topic/dead"},
	}}})
	defer b.Close()
	settle := func(s *screen, k message.Kind) {
		delivery := <-s.came
		s.do(b, message.Raw{Kind: k, Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: delivery.Get(message.HeaderAck)})})
	}

	kim, doctor := open(b, "kim", nil), open(b, "doctor", nil)
	kim.subscribe(b, "1", "/queue/jobs", message.Field{Name: message.HeaderAckMode, Value: "client-individual"})
	doctor.subscribe(b, "1", "/topic/dead")
	send(b, "/queue/jobs", "easy")
	settle(kim, message.KindAck)
	send(b, "/queue/jobs", "hard")
	settle(kim, message.KindNack)
	settle(kim, message.KindNack)
	fmt.Println("from", (<-doctor.came).Get(message.HeaderDeadFrom))
	// Output:
	// kim 1 /queue/jobs easy
	// kim 1 /queue/jobs hard
	// kim 1 /queue/jobs hard
	// doctor 1 /topic/dead hard
	// from /queue/jobs
}

// A subscription says up to where its client has all messages, and is sent the rest.
func ExampleHistory() {
	b := broker.NewMemory(toSessions, broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 2}}}})
	defer b.Close()

	kim := open(b, "kim", nil)
	kim.subscribe(b, "1", "/topic/a")
	send(b, "/topic/a", "one")
	last := <-kim.came
	kim.do(b, message.Raw{Kind: message.KindDisconnect})
	resume := []message.Field{
		{Name: message.HeaderEpoch, Value: last.Get(message.HeaderEpoch)},
		{Name: message.HeaderOffset, Value: last.Get(message.HeaderOffset)},
	}
	send(b, "/topic/a", "two")
	send(b, "/topic/a", "three")
	open(b, "in time", nil).subscribe(b, "1", "/topic/a", resume...)
	send(b, "/topic/a", "four")
	open(b, "too late", nil).subscribe(b, "1", "/topic/a", resume...)
	// Output:
	// kim 1 /topic/a one
	// in time 1 /topic/a true
	// in time 1 /topic/a two
	// in time 1 /topic/a three
	// in time 1 /topic/a four
	// too late 1 /topic/a false
}

// A user is reached by his name, in all his sessions, and a session by its id.
func ExampleUsers() {
	u := broker.NewUsers(toSessions, broker.UsersConfig{})
	defer u.Stop()

	phone, desktop := open(u, "phone", message.User("kim")), open(u, "desktop", message.User("kim"))
	phone.subscribe(u, "1", "/user/queue/mail")
	desktop.subscribe(u, "1", "/user/queue/mail")
	send(u, "/user/kim/queue/mail", "for all")
	send(u, "/user/"+phone.ID()+"/queue/mail", "for one")
	// Output:
	// phone 1 /user/queue/mail for all
	// desktop 1 /user/queue/mail for all
	// phone 1 /user/queue/mail for one
}

// Users knows the sessions that connected, and what it is told of their subscriptions.
func ExampleUsers_Observe() {
	var u *broker.Users
	events := message.HandlerFunc[broker.Event](func(ctx context.Context, m message.Message[broker.Event]) error {
		fmt.Println(m.Payload.Kind, m.Payload.Subscription)
		return u.Observe(ctx, m)
	})
	u = broker.NewUsers(toSessions, broker.UsersConfig{Events: events})
	defer u.Stop()

	kim := open(u, "kim", message.User("kim"))
	kim.subscribe(u, "s1", "/user/queue/mail")
	for s := range u.Subscriptions(destination.MustParse("/user/**", destination.Slash)) {
		fmt.Println(s.User, "has", s.ID, s.Destination)
	}
	// Output:
	// subscribe s1
	// subscribed s1
	// kim has s1 /user/queue/mail
}
