package messagetest

import (
	"maps"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// Broker checks that a broker keeps the contract of its kind: sessions are
// answered, what is published reaches every subscription once and unchanged,
// completions tell the truth, one session's trouble is not another's, nothing is
// left behind; and that it has the features that it declares, while it refuses
// what belongs to the others.
//
// new makes a broker that sends what it delivers to outbound. Each check makes one
// of its own, and closes it. Checks use destinations that no other check has, below
// prefixes that mean the same for every broker:
//
//   - /topic: topics;
//   - /queue: competing queues, with [broker.Features.Queues]. They keep 10,000
//     small messages where they keep any, and refused deliveries come again after
//     tens of milliseconds;
//   - /topic/dead: where dead letters of /queue go, after 10 to 50 deliveries;
//   - /history: topics that keep the last 500 messages, with
//     [broker.Features.History];
//   - /retain: topics that keep the last message, with [broker.Features.Retain].
//
// From 10 to 64 deliveries to a subscription may be unsettled. With
// [broker.Features.Nodes], brokers that are open at the same time are nodes of one;
// with [broker.Features.Durable], one that is made later has what was stored by one
// that was closed. Both may be true of all that new makes.
//
// The suite waits ten seconds for what must happen. That nothing is left behind is
// found out by counting goroutines, so no test that calls t.Parallel may run beside
// it.
func Broker(t *testing.T, features broker.Features, new func(t *testing.T, outbound message.RawHandler) broker.Broker) {
	for name, check := range brokerChecks(features) {
		t.Run(name, func(t *testing.T) {
			s := newTrial(t, features, func(outbound message.RawHandler) broker.Broker { return new(t, outbound) })
			check(s)
		})
	}
}

// brokerChecks are those that a broker of these features has to pass.
func brokerChecks(f broker.Features) map[string]func(*trial) {
	checks := map[string]func(*trial){
		"Features":               declares,
		"Connect":                connects,
		"MessageIDs":             messageIDs,
		"PublishSubscribe":       publishSubscribe,
		"ConcurrentPublishers":   concurrentPublishers,
		"ConcurrentTopics":       concurrentTopics,
		"SubscribeWhilePublish":  subscribeWhilePublish,
		"Unsubscribe":            unsubscribes,
		"Disconnect":             disconnects,
		"ManySubscriptions":      manySubscriptions,
		"Contents":               contents,
		"Receipts":               receipts,
		"ReceiptOfSubscription":  receiptOfSubscription,
		"Refusals":               refusals,
		"Isolation":              isolation,
		"Close":                  closes,
		"CloseWhilePublish":      closeWhilePublish,
		"UndeclaredIsNotIgnored": undeclared,
	}
	for _, group := range []struct {
		asked  bool
		checks map[string]func(*trial)
	}{
		{f.Patterns, map[string]func(*trial){"Patterns": patterns}},
		{f.Queues, map[string]func(*trial){
			"QueueIsFair":             queueIsFair,
			"QueueOfManyConsumers":    queueOfManyConsumers,
			"QueueAfterAConsumerLeft": queueAfterAConsumerLeft,
		}},
		{f.Queues && f.Backlog, map[string]func(*trial){"Backlog": backlog}},
		{f.Acks, map[string]func(*trial){
			"Acks":        acks,
			"Nacks":       nacks,
			"UnknownAcks": unknownAcks,
		}},
		{f.Acks && f.Queues, map[string]func(*trial){
			"Prefetch":          prefetch,
			"FailingDeliveries": failingDeliveries,
		}},
		{f.Acks && f.Queues && f.Backlog, map[string]func(*trial){
			"LostConsumer":     lostConsumer,
			"ForeignAcks":      foreignAcks,
			"FailingConsumers": failingConsumers,
		}},
		{f.Acks && f.Queues && f.Backlog && f.Ordered, map[string]func(*trial){
			"CumulativeAcks":  cumulativeAcks,
			"CumulativeNacks": cumulativeNacks,
		}},
		{f.DeadLetters && f.Queues, map[string]func(*trial){"DeadLetters": deadLetters}},
		{f.History, map[string]func(*trial){
			"HistoryOfManyPublishers": historyOfManyPublishers,
			"Resume":                  resumes,
			"ResumeTwice":             resumeTwice,
			"ResumeWithoutGap":        resumeWithoutGap,
			"ResumeIsImpossible":      resumeIsImpossible,
			"ResumeWhilePublish":      resumeWhilePublish,
		}},
		{f.Retain, map[string]func(*trial){"Retain": retains}},
		{f.Selectors, map[string]func(*trial){"Selectors": selects}},
		{f.Durable && f.Backlog, map[string]func(*trial){"Durable": survives}},
		{f.Nodes, map[string]func(*trial){"NodesTopic": nodesTopic}},
		{f.Nodes && f.Queues, map[string]func(*trial){"NodesQueue": nodesQueue}},
	} {
		if group.asked {
			maps.Copy(checks, group.checks)
		}
	}
	return checks
}
