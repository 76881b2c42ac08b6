package broker_test

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// What a session sends in a transaction is handled when it commits.
func ExampleTransactions() {
	inbound := new(channel.DirectChannel[[]byte])
	tx := broker.NewTransactions(broker.TransactionsConfig{})
	inbound.Subscribe(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s %s\n", m.Kind, m.Payload)
		return nil
	}), tx.Intercept)

	kim := newClient("kim").Session
	send := func(k message.Kind, transaction, payload string) {
		m := message.Raw{Kind: k, Session: kim, Payload: []byte(payload)}
		if transaction != "" {
			m.Header = message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: transaction})
		}
		if err := inbound.Handle(context.Background(), m); err != nil {
			fmt.Println(err)
		}
	}
	send(message.KindConnect, "", "kim")
	send(message.KindBegin, "t1", "")
	send(message.KindData, "t1", "debit")
	send(message.KindData, "t1", "credit")
	send(message.KindData, "", "weather")
	fmt.Println(tx.Stats().Messages, "are held")
	send(message.KindCommit, "t1", "")
	send(message.KindCommit, "t1", "")
	// Output:
	// connect kim
	// data weather
	// 2 are held
	// data debit
	// data credit
	// not-found: the session has no transaction of this id
}
