package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// meter collects metrics when it is asked to.
type meter struct{ *sdkmetric.ManualReader }

func newMeter() (meter, telemetry.Config) {
	reader := sdkmetric.NewManualReader()
	return meter{reader}, telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
}

// series returns all time series, "name{attributes} unit" and the value: that of
// a sum or gauge, the count of a histogram.
func (r meter) series(t *testing.T) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]float64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			put := func(set attribute.Set, value float64) {
				var attrs []string
				for _, kv := range set.ToSlice() {
					key := string(kv.Key)
					key = strings.TrimPrefix(strings.TrimPrefix(key, "messaging."), "headrace.")
					if key != "system" && key != "operation.type" {
						attrs = append(attrs, key+"="+kv.Value.String())
					}
				}
				slices.Sort(attrs)
				found[fmt.Sprintf("%s{%s} %s", m.Name, strings.Join(attrs, ","), m.Unit)] = value
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Count))
					if !slices.Equal(p.Bounds, []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}) {
						t.Errorf("%s has the buckets %v", m.Name, p.Bounds)
					}
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return found
}

func (r meter) want(t *testing.T, want map[string]float64) {
	t.Helper()
	got := r.series(t)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	for name, value := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there, %v", name, value)
		}
	}
}

func outcome(err error) orderFunc {
	return func(context.Context, orderMessage) error { return err }
}

func TestMetricsOfMessages(t *testing.T) {
	r, c := newMeter()
	c.Template = telemetry.Destinations(destination.Slash, "/app/trade/{symbol}")
	send := func(outcome orderFunc, dest string) {
		_ = message.Chain(outcome, interceptor.Recover, telemetry.TraceSendWith[order](c), telemetry.TraceWith[order](c)).
			Handle(t.Context(), orderMessage{Destination: dest})
	}
	send(nothing, "/app/trade/IBM")
	send(nothing, "/app/trade/ACME")
	send(outcome(message.Errorf(message.CodeDenied, "no")), "/app/trade/IBM")
	send(outcome(message.ErrDropped), "/app/trade/IBM")
	send(func(context.Context, orderMessage) error { panic("boom") }, "/app/trade/IBM")
	send(outcome(message.NewPanicError("boom")), "/app/trade/IBM") // recovered behind Trace
	send(nothing, "/user/kim/queue/a")
	send(nothing, "/elsewhere/1")
	send(nothing, "/elsewhere/2")

	want := make(map[string]float64)
	for name, unit := range map[string]string{
		"messaging.client.sent.messages": "{message}", "messaging.client.operation.duration": "s",
		"messaging.process.duration": "s", "messaging.client.consumed.messages": "{message}",
	} {
		op := "send"
		if strings.Contains(name, "process") || strings.Contains(name, "consumed") {
			op = "process"
		}
		op = ",operation.name=" + op
		want[name+"{error.type=denied"+op+"} "+unit] = 1 // wherever to
		want[name+"{error.type=internal"+op+"} "+unit] = 2
		if name == "messaging.client.consumed.messages" || name == "messaging.client.operation.duration" {
			want[name+"{"+op[1:]+"} "+unit] = 6
			continue
		}
		want[name+"{destination.template=/app/trade/{symbol}"+op+"} "+unit] = 3 // what was dropped did not fail
		want[name+"{destination.template=/user/queue/*"+op+"} "+unit] = 1
		want[name+"{"+op[1:]+"} "+unit] = 2
	}
	want["headrace.messages.dropped{operation.name=process} {message}"] = 1 // by the one that is nearest to who dropped it
	want["headrace.handler.panics{operation.name=process} {panic}"] = 2
	r.want(t, want)
}

// Whatever an interceptor drops is counted by its name, whichever kind it is of and
// whether anything else of it is measured.
func TestDropsAreCountedByName(t *testing.T) {
	quota, sleeping := message.Drop("quota"), fmt.Errorf("not now: %w", message.Drop("sleeping"))
	for name, mount := range map[string]func(telemetry.Config) message.RawInterceptor{
		"send": telemetry.TraceSendWith[[]byte], "process": telemetry.TraceWith[[]byte], "publish": telemetry.TracePublish,
	} {
		for _, recorded := range []bool{false, true} {
			r, c := newMeter()
			spans := newRecorder()
			if recorded {
				c.TracerProvider = spans.config.TracerProvider
			}
			c.Template = telemetry.Destinations(destination.Slash, "/app/trade/{symbol}")
			send := func(kind message.Kind, outcome error) {
				h := mount(c)(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return outcome }))
				if err := h.Handle(t.Context(), message.Raw{Kind: kind, Destination: "/app/trade/IBM"}); !errors.Is(err, outcome) {
					t.Errorf("outcome %v", err)
				}
			}
			for _, err := range []error{quota, quota, sleeping, message.ErrDropped, io.EOF, nil} {
				send(message.KindData, err)
			}
			want := map[string]float64{}
			if name != "publish" { // which is about data alone
				send(message.KindSubscribe, quota)
				send(message.KindSubscribe, nil)
				send(message.KindSubscribe, io.EOF)
				want["interceptor=quota,operation.name=subscribe"] = 1
			}
			for by, n := range map[string]float64{"interceptor=quota,": 2, "interceptor=sleeping,": 1, "": 1} {
				want[by+"operation.name="+name] = n
			}
			got := r.series(t)
			for attrs, n := range want {
				if got["headrace.messages.dropped{"+attrs+"} {message}"] != n {
					t.Errorf("%s, recorded %v: no %v of %s in %v", name, recorded, n, attrs, got)
				}
			}
			series := 0
			for key := range got {
				if strings.HasPrefix(key, "headrace.messages.dropped") {
					series++
				}
			}
			if series != len(want) {
				t.Errorf("%s, recorded %v: %d series of drops, want %d", name, recorded, series, len(want))
			}
			if recorded && attributes(spans.GetSpans()[0])["headrace.interceptor"] != "quota" {
				t.Errorf("%s: the span says %v", name, attributes(spans.GetSpans()[0]))
			}
		}
	}
}

// failing fails in every way that there is: of each 7 messages to a destination one, with
// one code after the other, a panic, and drops of several names.
func failing() message.RawHandler {
	outcomes := []error{nil, message.Drop("quota"), message.Drop("sleeping"), message.ErrDropped, errors.New("broken")}
	for _, code := range []message.Code{message.CodeInvalid, message.CodeUnauthenticated, message.CodeDenied, message.CodeNotFound, message.CodeConflict,
		message.CodeTooLarge, message.CodeFull, message.CodeTimeout, message.CodeUnavailable} {
		outcomes = append(outcomes, message.Errorf(code, "no"))
	}
	calls := make(map[string]int)
	return message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		place := strings.Split(m.Destination, "user")[0]
		calls[place]++
		n := calls[place]
		if n%7 > 0 || m.Kind != message.KindData {
			return nil
		}
		err := outcomes[n/7%len(outcomes)]
		if err == nil {
			panic("boom")
		}
		return err
	})
}

// 10,000 users of two adapters, who send to 50 destinations and to others that they make up, and
// are sent to, leave at most 200 time series, whatever fails and is dropped at each of them.
func TestCardinality(t *testing.T) {
	r, c := newMeter()
	var patterns []string
	for i := range 50 {
		patterns = append(patterns, fmt.Sprintf("/app/place%d/{id}", i))
	}
	c.Template = telemetry.Destinations(destination.Slash, patterns...)
	c.Channel = "inbound"
	in := message.Chain(failing(), interceptor.Recover,
		telemetry.Sessions(c), telemetry.TraceSendWith[[]byte](c), telemetry.TraceWith[[]byte](c), telemetry.TracePublish(c), telemetry.TraceDelivery(c))
	subscriptions := []string{}
	stop, err := telemetry.Observe(c, telemetry.Readings{
		Channels:      func() []channel.Stats { return []channel.Stats{{Name: "inbound"}} },
		Subscriptions: func(yield func(string) bool) { slices.Values(subscriptions)(yield) },
		Adapters: func() []telemetry.AdapterReading {
			received := map[string]uint64{"data": 1, "another connect": 1}
			for kind := message.KindConnect; kind < message.KindError; kind++ {
				received[kind.String()]++
			}
			delete(received, "connected")
			sent := map[string]uint64{"connected": 1, "message": 1, "receipt": 1, "error": 1}
			return []telemetry.AdapterReading{{Name: "a", Received: received, Sent: sent}, {Name: "b", Received: received, Sent: sent}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for user := range 10_000 {
		name := "user" + strconv.Itoa(user)
		s := sessionOf(name)
		for _, m := range []message.Raw{
			{Kind: message.KindConnect},
			{Kind: message.KindSubscribe, Subscription: name, Destination: "/user/queue/" + name},
			{Destination: fmt.Sprintf("/app/place%d/%s", user%50, name)},
			{Destination: "/user/" + name + "/queue/a"},
			{Destination: "/made/up/" + name},
			{Kind: message.KindDisconnect},
		} {
			m.Session = s
			_ = in.Handle(t.Context(), m)
		}
		subscriptions = append(subscriptions, "/user/queue/"+name, "/topic/"+name)
	}
	got := r.series(t)
	if len(got) > 200 {
		t.Errorf("%d time series", len(got))
	}
	failures := 0
	for name := range got {
		if strings.HasPrefix(name, "messaging.process.duration") && strings.Contains(name, "error.type") {
			failures++
		}
		if strings.Contains(name, "user1") {
			t.Errorf("%s names a user", name)
		}
	}
	if failures != 10 || got["headrace.handler.panics{operation.name=process} {panic}"] == 0 || got["headrace.messages.dropped{interceptor=sleeping,operation.name=publish} {message}"] == 0 {
		t.Errorf("%d codes, panics or drops are missing", failures)
	}
}

// Without a Template metrics show no destination but that of users, which is one.
func TestCardinalityWithoutATemplate(t *testing.T) {
	r, c := newMeter()
	in := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil })),
		telemetry.TraceSendWith[[]byte](c), telemetry.TraceWith[[]byte](c))
	for i := range 100 {
		for _, dest := range []string{"/app/made/up/%d", "/user/kim/queue/%d"} {
			if err := in.Handle(t.Context(), message.Raw{Destination: fmt.Sprintf(dest, i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range r.series(t) {
		if strings.Contains(name, "/app") {
			t.Errorf("%s shows a destination", name)
		}
	}
}

// How long a message waited in a channel is measured once, by the first who
// handles it.
func TestQueueWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newMeter()
		spans := newRecorder()
		c.TracerProvider, c.Channel = spans.config.TracerProvider, "orders"
		orders := channel.NewExecutorChannel(channel.Config[order]{Name: "orders"})
		orders.Intercept(telemetry.TraceSendWith[order](c))
		channel.SubscribeFunc(orders, func(context.Context, orderMessage) error {
			time.Sleep(time.Second)
			return nil
		}, telemetry.TraceWith[order](c), telemetry.TraceWith[order](c))
		for range 3 { // of one key: one after the other
			if err := orders.Handle(t.Context(), orderMessage{Destination: "/orders"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := orders.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.series(t)["headrace.channel.queue.wait{channel=orders} s"]; got != 3 {
			t.Errorf("%v messages waited, want 3", got)
		}
		var waits []string
		for _, s := range spans.GetSpans() {
			if got := attributes(s); got["headrace.queue.wait_ms"] != "" {
				waits = append(waits, got["headrace.channel"]+" "+got["headrace.queue.wait_ms"])
			}
		}
		if !slices.Equal(waits, []string{"orders 0", "orders 1000", "orders 2000"}) {
			t.Errorf("spans say %q", waits)
		}
	})
}

func TestSessions(t *testing.T) {
	r, c := newMeter()
	h := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return errors.New("refused") })),
		telemetry.Sessions(c))
	begin := func(over string) *message.Session {
		s := message.NewSession(sink{}, message.SessionInfo{Transport: over})
		_ = h.Handle(t.Context(), message.Raw{Kind: message.KindConnect, Session: s})
		return s
	}
	begin("websocket")
	begin("tcp")
	_ = h.Handle(t.Context(), message.Raw{Kind: message.KindConnect}) // of the application
	want := map[string]float64{
		"headrace.sessions.active{transport=websocket} {session}": 1,
		"headrace.sessions.active{transport=tcp} {session}":       1,
	}
	because := func(code message.Code) error { return message.Errorf(code, "why") }
	for reason, whys := range map[string][]error{
		"client":     {nil},
		"heartbeat":  {because(message.CodeTimeout)},
		"limit":      {because(message.CodeFull)},
		"protocol":   {because(message.CodeInvalid), because(message.CodeTooLarge), because(message.CodeConflict), because(message.CodeNotFound)},
		"auth":       {because(message.CodeDenied), because(message.CodeUnauthenticated)},
		"transport":  {because(message.CodeUnavailable)},
		"internal":   {errors.New("x")},
		"send_limit": {message.Errorf(message.CodeFull, "f").WithCause(word{"send_limit"})},
		"drain":      {word{"drain"}},
	} {
		for _, why := range whys {
			s := begin("websocket")
			s.Close(why)
			_ = h.Handle(t.Context(), message.Raw{Kind: message.KindDisconnect, Session: s})
		}
		want["headrace.sessions.closed{reason="+reason+",transport=websocket} {session}"] = float64(len(whys))
	}
	r.want(t, want)
}

// word is an error that says why a session ended.
type word struct{ reason string }

func (w word) Error() string     { return w.reason }
func (w word) EndReason() string { return w.reason }

type sink struct{}

func (sink) Deliver(context.Context, message.Raw) error { return nil }
func (sink) Close(error)                                {}

func TestObserve(t *testing.T) {
	r, c := newMeter()
	c.Template = telemetry.Destinations(destination.Slash, "/topic/news", "/topic/price.*")
	stop, err := telemetry.Observe(c, telemetry.Readings{
		Channels: func() []channel.Stats {
			return []channel.Stats{{Name: "inbound", UnderWay: 3, Rejected: 4, Dropped: 5}, {Name: "orders", UnderWay: 1}}
		},
		Subscriptions: iter.Seq[string](slices.Values([]string{"/topic/news", "/topic/news", "/topic/price.IBM", "/user/queue/a", "/x", "/y"})),
		Adapters: func() []telemetry.AdapterReading {
			return []telemetry.AdapterReading{{
				Name:     "json",
				Received: map[string]uint64{"send": 5, "connect": 1},
				Sent:     map[string]uint64{"message": 7},
				Dropped:  8, Waiting: 9,
			}}
		},
		Relays: func() []telemetry.RelayReading {
			return []telemetry.RelayReading{{Name: "rabbitmq", Connections: 10, Available: true}, {Name: "activemq"}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"headrace.channel.queue.depth{channel=inbound} {message}":                             3,
		"headrace.channel.rejected{channel=inbound} {message}":                                4,
		"headrace.channel.dropped{channel=inbound} {message}":                                 5,
		"headrace.channel.queue.depth{channel=orders} {message}":                              1,
		"headrace.channel.rejected{channel=orders} {message}":                                 0,
		"headrace.channel.dropped{channel=orders} {message}":                                  0,
		"headrace.subscriptions.active{destination.name=/topic/news} {subscription}":          2,
		"headrace.subscriptions.active{destination.template=/topic/price.*} {subscription}":   1,
		"headrace.subscriptions.active{destination.template=/user/queue/*} {subscription}":    1,
		"headrace.subscriptions.active{} {subscription}":                                      2,
		"headrace.frames{adapter=json,command=send,network.io.direction=receive} {frame}":     5,
		"headrace.frames{adapter=json,command=connect,network.io.direction=receive} {frame}":  1,
		"headrace.frames{adapter=json,command=message,network.io.direction=transmit} {frame}": 7,
		"headrace.outbound.dropped.messages{adapter=json,reason=buffer_limit} {message}":      8,
		"headrace.outbound.buffer.bytes{adapter=json} By":                                     9,
		"headrace.relay.connections{broker=rabbitmq} {connection}":                            10,
		"headrace.relay.available{broker=rabbitmq} 1":                                         1,
		"headrace.relay.connections{broker=activemq} {connection}":                            0,
		"headrace.relay.available{broker=activemq} 1":                                         0,
	}
	r.want(t, want)
	if err := stop(); err != nil {
		t.Error(err)
	}
	r.want(t, nil)
}

func TestObserveNothing(t *testing.T) {
	r, c := newMeter()
	stop, err := telemetry.Observe(c, telemetry.Readings{})
	if err != nil {
		t.Fatal(err)
	}
	r.want(t, nil)
	if err := stop(); err != nil {
		t.Error(err)
	}
}
