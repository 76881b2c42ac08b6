package kafka

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

// ahead is how many records wait for one subscription. When there is no room the reader
// waits, and with it all subscriptions to destinations of the topic.
const ahead = 1024

// readers are those of the topics that somebody listens to.
type readers struct {
	mu  sync.Mutex
	all map[string]*reader
}

// reader reads a topic for all subscriptions without a group.
type reader struct {
	topic   string
	started chan struct{} // closed when it reads, or cannot
	err     error         // why it cannot
	client  *kgo.Client
	done    sync.WaitGroup

	mu        sync.Mutex
	listeners map[string][]*listener // by key
	users     int
}

// listener is one subscription.
type listener struct {
	records chan *kgo.Record
	gone    chan struct{} // closed when it does not listen any more
}

// all listens to what is published from now on.
func (e *engine) all(ctx context.Context, from place) (func(*pubsub.Out), error) {
	l := &listener{records: make(chan *kgo.Record, ahead), gone: make(chan struct{})}
	r, err := e.join(ctx, from, l)
	if err != nil {
		return nil, err
	}
	return func(out *pubsub.Out) {
		defer e.leave(r, from.key, l)
		for {
			select {
			case record := <-l.records:
				if !out.One(fromRecord(record)) {
					return
				}
			case <-out.Context().Done():
				return
			}
		}
	}, nil
}

// join adds a listener to the reader of its topic. The first one starts that.
func (e *engine) join(ctx context.Context, from place, l *listener) (*reader, error) {
	e.readers.mu.Lock()
	r := e.readers.all[from.topic]
	first := r == nil
	if first {
		r = &reader{topic: from.topic, started: make(chan struct{}), listeners: make(map[string][]*listener)}
		e.readers.all[from.topic] = r
	}
	r.users++
	e.readers.mu.Unlock()
	r.add(from.key, l)
	if first {
		r.err = r.start(ctx, e)
		close(r.started)
	}
	err := context.Cause(ctx)
	select {
	case <-r.started:
		err = r.err
	case <-ctx.Done():
	}
	if err != nil {
		e.leave(r, from.key, l)
		return nil, err
	}
	return r, nil
}

// leave removes a listener. The last one ends the reader.
func (e *engine) leave(r *reader, key string, l *listener) {
	close(l.gone)
	r.remove(key, l)
	e.readers.mu.Lock()
	r.users--
	last := r.users == 0
	if (last || r.failed()) && e.readers.all[r.topic] == r {
		delete(e.readers.all, r.topic)
	}
	e.readers.mu.Unlock()
	if last && r.client != nil {
		r.client.Close()
		r.done.Wait()
	}
}

// failed reports whether the reader could not start.
func (r *reader) failed() bool {
	select {
	case <-r.started:
		return r.err != nil
	default:
		return false
	}
}

func (r *reader) add(key string, l *listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners[key] = append(r.listeners[key], l)
}

func (r *reader) remove(key string, l *listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []*listener // a new one: the old one may be gone through
	for _, o := range r.listeners[key] {
		if o != l {
			left = append(left, o)
		}
	}
	r.listeners[key] = left
	if len(left) == 0 {
		delete(r.listeners, key)
	}
}

func (r *reader) of(key string) []*listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.listeners[key]
	return all[:len(all):len(all)]
}

// start reads from where the topic ends now.
func (r *reader) start(ctx context.Context, e *engine) error {
	ends, err := e.admin.ListEndOffsets(ctx, r.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	from := make(map[int32]kgo.Offset)
	for _, o := range ends.Offsets()[r.topic] {
		from[o.Partition] = kgo.NewOffset().At(o.At)
	}
	client, err := kgo.NewClient(e.config.options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: from}),
		kgo.FetchMaxWait(fetchWait),
	)...)
	if err != nil {
		return err
	}
	r.client = client
	r.done.Go(func() { r.run(e) })
	return nil
}

// run hands records to those who listen, until the client is closed.
func (r *reader) run(e *engine) {
	for {
		fetches := r.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			e.config.logger().Warn("kafka: partition could not be read", "topic", topic, "partition", partition, "error", err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			for _, l := range r.of(string(record.Key)) {
				select {
				case l.records <- record:
				case <-l.gone:
				}
			}
		})
	}
}
