package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

const (
	// fetchWait is how long a server waits until it has something to say.
	fetchWait = 250 * time.Millisecond
	// session is after which time without a sign a member of a group is out of it.
	session = 10 * time.Second
	// commit is how often the group is told what is done: what is not told yet comes
	// again after a crash.
	commit = 200 * time.Millisecond
	// handOver is how long a partition that goes to another member waits for what is
	// under way, which comes again there otherwise.
	handOver = 3 * time.Second
)

// member is one of a group of Kafka, which takes the messages of one key.
type member struct {
	*engine
	from   place
	client *kgo.Client

	mu         sync.Mutex
	partitions map[int32]*partition
}

// group takes part in a group, which begins with what the topic has.
func (e *engine) group(from place, group string) (func(*pubsub.Out), error) {
	m := &member{engine: e, from: from, partitions: make(map[int32]*partition)}
	var err error
	m.client, err = kgo.NewClient(e.config.options(
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(from.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(fetchWait),
		kgo.SessionTimeout(session),
		kgo.HeartbeatInterval(session/10),
		kgo.BlockRebalanceOnPoll(),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commit),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.lost),
	)...)
	return m.run, err
}

func (m *member) run(out *pubsub.Out) {
	defer m.leave()
	defer out.Settled()
	for {
		fetches := m.client.PollRecords(out.Context(), m.config.InFlight)
		if out.Context().Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			m.config.logger().Warn("kafka: partition could not be read", "topic", topic, "partition", partition, "error", err)
		})
		ours := m.partitionsOf(fetches)
		m.client.AllowRebalance() // from here on they may be revoked
		fetches.EachRecord(func(record *kgo.Record) {
			p := ours[record.Partition]
			if string(record.Key) != m.from.key {
				p.skip(m.client, record)
			} else if e := p.begin(record); e != nil {
				out.Give(fromRecord(record), m.held(p, e))
			}
		})
	}
}

// leave tells the group what is done, and that this member goes, if it listens.
func (m *member) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), handOver)
	defer cancel()
	m.client.AllowRebalance()
	_ = m.client.LeaveGroupContext(ctx) // it may be away
	m.client.CloseAllowingRebalance()
}

func (m *member) held(p *partition, e *entry) pubsub.Held {
	nothing := func(context.Context) error { return nil }
	return pubsub.Held{
		Ack:   func(context.Context) error { p.end(m.client, e, true); return nil },
		Nack:  func(context.Context) error { p.end(m.client, e, false); return nil }, // it is not done, so it comes again
		Again: true,
		Keep:  nothing,
		Every: time.Hour,
	}
}

func (m *member) partitionsOf(fetches kgo.Fetches) map[int32]*partition {
	all := make(map[int32]*partition)
	fetches.EachPartition(func(p kgo.FetchTopicPartition) { all[p.Partition] = m.of(p.Partition) })
	return all
}

func (m *member) of(n int32) *partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[n]
	if p == nil {
		p = &partition{}
		m.partitions[n] = p
	}
	return p
}

// revoked waits a little for what is under way in partitions that others get, and tells
// the group what is done.
func (m *member) revoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	deadline := time.After(handOver)
	for _, n := range gone[m.from.topic] {
		select {
		case <-m.of(n).stop():
		case <-deadline:
			deadline = closed
		}
	}
	ctx, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		m.config.logger().Warn("kafka: what is done could not be told: messages may come again", "topic", m.from.topic, "error", err)
	}
	m.lost(ctx, client, gone)
}

var closed = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

// lost forgets partitions: what is done with them tells nobody.
func (m *member) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range gone[m.from.topic] {
		if p := m.partitions[n]; p != nil {
			p.stop()
			delete(m.partitions, n)
		}
	}
}
