package telemetry

import (
	"context"
	"iter"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// Readings are where [Observe] finds what the parts of a program count themselves.
// Its functions are called when metrics are collected, on the goroutine that does.
type Readings struct {
	// Channels returns what channels count. Nil means none.
	Channels func() []channel.Stats
	// Subscriptions yields the destination of each subscription that there is. Nil
	// means that they are not counted.
	Subscriptions iter.Seq[string]
	// Adapters returns what adapters count. Nil means none.
	Adapters func() []AdapterReading
	// Relays returns what relays to other brokers count. Nil means none.
	Relays func() []RelayReading
}

// AdapterReading is what an adapter counts.
type AdapterReading struct {
	// Name says what the adapter speaks.
	Name string
	// Received and Sent are how many frames came and how many were written, by what
	// the protocol calls them. Names are few, as they are in those of
	// transport.Stats.
	Received, Sent map[string]uint64
	// Dropped is how many messages were left out because too much waited.
	Dropped uint64
	// Waiting is how many bytes wait for clients.
	Waiting int
}

// RelayReading is what a relay counts.
type RelayReading struct {
	// Name says which broker it leads to.
	Name string
	// Connections is how many connections to it are open.
	Connections int
	// Available says whether it is there.
	Available bool
}

// Observe makes metrics of readings until stop is called: depth, rejected and
// dropped messages of channels; subscriptions, by what [Config.Template] shows of
// their destinations; frames of adapters, by direction and command, waiting bytes
// and dropped messages; connections of relays, and whether their brokers are there.
// Observe and stop return the errors of the meter provider.
func Observe(c Config, r Readings) (stop func() error, err error) {
	m := observing{Meter: c.meter(), tracing: newTracing(c)}
	read := []func(metric.Observer){}
	if r.Channels != nil {
		read = append(read, m.channels(r.Channels))
	}
	if r.Subscriptions != nil {
		read = append(read, m.subscriptions(r.Subscriptions))
	}
	if r.Adapters != nil {
		read = append(read, m.adapters(r.Adapters))
	}
	if r.Relays != nil {
		read = append(read, m.relays(r.Relays))
	}
	registration, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, f := range read {
			f(o)
		}
		return nil
	}, m.all...)
	if err != nil {
		return nil, err
	}
	return registration.Unregister, nil
}

// observing makes instruments and remembers them.
type observing struct {
	metric.Meter
	tracing *tracing
	all     []metric.Observable
}

func (m *observing) counter(name, unit, text string) metric.Int64ObservableCounter {
	i, err := m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	report(err)
	m.all = append(m.all, i)
	return i
}

func (m *observing) sum(name, unit, text string) metric.Int64ObservableUpDownCounter {
	i, err := m.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	report(err)
	m.all = append(m.all, i)
	return i
}

func (m *observing) channels(stats func() []channel.Stats) func(metric.Observer) {
	depth, err := m.Int64ObservableGauge(queueDepth, metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages that wait or are handled."))
	report(err)
	m.all = append(m.all, depth)
	rejected := m.counter(channelRejected, "{message}", "Number of messages that a channel did not accept.")
	dropped := m.counter(channelDropped, "{message}", "Number of messages that a channel accepted and dropped.")
	return func(o metric.Observer) {
		for _, s := range stats() {
			name := metric.WithAttributes(channelKey.String(s.Name))
			o.ObserveInt64(depth, s.UnderWay, name)
			o.ObserveInt64(rejected, int64(s.Rejected), name)
			o.ObserveInt64(dropped, int64(s.Dropped), name)
		}
	}
}

func (m *observing) subscriptions(destinations iter.Seq[string]) func(metric.Observer) {
	active := m.sum(subscriptionsActive, "{subscription}", "Number of subscriptions.")
	t, op := m.tracing, handling(message.KindSubscribe)
	return func(o metric.Observer) {
		counts := make(map[string]int64)
		attrs := make(map[string][]attribute.KeyValue)
		for dest := range destinations {
			shown := t.shape(op, dest).metered
			name := shown.Value.AsString()
			counts[name]++
			if shown.Valid() {
				attrs[name] = []attribute.KeyValue{shown}
			}
		}
		for name, n := range counts {
			o.ObserveInt64(active, n, metric.WithAttributes(attrs[name]...))
		}
	}
}

func (m *observing) adapters(readings func() []AdapterReading) func(metric.Observer) {
	frames := m.counter(framesPassed, "{frame}", "Number of frames that came or were written.")
	waiting := m.sum(bufferBytes, "By", "Bytes that wait for clients.")
	dropped := m.counter(outboundDropped, "{message}", "Number of messages that were left out because too much waited.")
	return func(o metric.Observer) {
		for _, a := range readings() {
			name := adapterKey.String(a.Name)
			for command, n := range a.Received {
				o.ObserveInt64(frames, int64(n), metric.WithAttributes(name, semconv.NetworkIODirectionReceive, commandKey.String(command)))
			}
			for command, n := range a.Sent {
				o.ObserveInt64(frames, int64(n), metric.WithAttributes(name, semconv.NetworkIODirectionTransmit, commandKey.String(command)))
			}
			o.ObserveInt64(waiting, int64(a.Waiting), metric.WithAttributes(name))
			o.ObserveInt64(dropped, int64(a.Dropped), metric.WithAttributes(name, reasonKey.String("buffer_limit")))
		}
	}
}

func (m *observing) relays(readings func() []RelayReading) func(metric.Observer) {
	connections := m.sum(relayConnections, "{connection}", "Number of connections to a broker.")
	available, err := m.Int64ObservableGauge(relayAvailable, metric.WithUnit("1"), metric.WithDescription("1 while a broker is there, else 0."))
	report(err)
	m.all = append(m.all, available)
	return func(o metric.Observer) {
		for _, r := range readings() {
			name, there := metric.WithAttributes(brokerKey.String(r.Name)), int64(0)
			if r.Available {
				there = 1
			}
			o.ObserveInt64(connections, int64(r.Connections), name)
			o.ObserveInt64(available, there, name)
		}
	}
}
