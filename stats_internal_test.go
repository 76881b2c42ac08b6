package headrace

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// idle is an adapter without clients.
type idle struct{ shutdown time.Duration }

func (a idle) Shutdown(context.Context) error { time.Sleep(a.shutdown); return nil }
func (idle) Close()                           {}

// counting is one that counts.
type counting struct {
	idle
	stats transport.AdapterStats
}

func (a counting) Stats() transport.AdapterStats { return a.stats }

// journal notes when stats were logged.
type journal struct {
	slog.Handler // for the rest of the interface
	began        time.Time
	mu           sync.Mutex
	at           []time.Duration
}

func (*journal) Enabled(context.Context, slog.Level) bool { return true }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "stats" && r.Level == slog.LevelInfo {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.at = append(j.at, time.Since(j.began))
	}
	return nil
}

// TestLogStats: Serve logs as often as it is told to, the first time early, while
// it drains as well, and not after it has returned.
func TestLogStats(t *testing.T) {
	const min = time.Minute
	for name, tc := range map[string]struct {
		every, serve, drain time.Duration
		want                []time.Duration
	}{
		"half an hour":       {30 * min, 91*min + time.Second, 0, []time.Duration{min, 31 * min, 61 * min, 91 * min}},
		"less than a minute": {10 * time.Second, 25 * time.Second, 0, []time.Duration{10 * time.Second, 20 * time.Second}},
		"while it drains":    {10 * time.Second, 25 * time.Second, 6 * time.Second, []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second}},
		"shorter than that":  {30 * min, min - 1, 0, nil},
		"never":              {0, 100 * min, 0, nil},
		"negative":           {-1, 100 * min, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &journal{Handler: slog.DiscardHandler, began: time.Now()}
				node := New(Config{LogStats: tc.every, Logger: slog.New(log)})
				p := &pipe{conns: make(chan net.Conn)}
				p.done, p.stop = context.WithCancel(context.Background())
				ctx, end := context.WithTimeout(context.Background(), tc.serve)
				defer end()
				if err := node.serve(ctx, p, &http.Server{}, []Adapter{idle{tc.drain}}); err != nil {
					t.Error(err)
				}
				if took := time.Since(log.began); took != tc.serve+tc.drain {
					t.Errorf("served for %v", took)
				}
				synctest.Wait()
				if !slices.Equal(log.at, tc.want) {
					t.Errorf("logged at %v, want %v", log.at, tc.want)
				}
				node.Close()
			})
		})
	}
}

// TestStatsOfAdapters: Stats has those of the adapters that Serve was given, as
// far as they count.
func TestStatsOfAdapters(t *testing.T) {
	node := New(Config{})
	defer node.Close()
	if s := node.Stats(); s.Adapters != nil {
		t.Errorf("before Serve: %v", s.Adapters)
	}
	first := counting{stats: transport.AdapterStats{Name: "a", Transport: transport.Stats{Total: 1}}}
	second := counting{stats: transport.AdapterStats{Name: "b", Transport: transport.Stats{Total: 2}}}
	ctx, end := context.WithCancel(t.Context())
	server := &http.Server{Addr: "127.0.0.1:0", BaseContext: func(net.Listener) context.Context {
		end()
		return context.Background()
	}}
	if err := node.Serve(ctx, server, first, idle{}, second); err != nil {
		t.Error(err)
	}
	if s, want := node.Stats(), []transport.AdapterStats{first.stats, second.stats}; !reflect.DeepEqual(s.Adapters, want) {
		t.Errorf("adapters %+v, want %+v", s.Adapters, want)
	}
}

// TestStatsOfRelays: Stats has those of the relays, as far as they count.
func TestStatsOfRelays(t *testing.T) {
	counts := broker.RelayStats{Name: "a", Available: true, Sent: 1}
	relays := make([]Relay, 2)
	for i, prefix := range []string{"/queue", "/exchange"} {
		relays[i] = Relay{Prefixes: []string{prefix}, New: func(outbound message.RawHandler, _ message.Handler[broker.Event]) broker.Broker {
			b := broker.NewMemory(outbound, broker.Config{})
			if prefix == "/queue" {
				return b // its Stats are others
			}
			return countingRelay{b, counts}
		}}
	}
	node := New(Config{Relays: relays})
	defer node.Close()
	if s, want := node.Stats(), []broker.RelayStats{counts}; !reflect.DeepEqual(s.Relays, want) {
		t.Errorf("relays %+v, want %+v", s.Relays, want)
	}
}

// countingRelay is a relay that counts.
type countingRelay struct {
	broker.Broker
	stats broker.RelayStats
}

func (r countingRelay) Stats() broker.RelayStats { return r.stats }

// TestStatsLogHasAll: every number of Stats is in the line, each under a name of
// its own.
func TestStatsLogHasAll(t *testing.T) {
	var s Stats
	s.Relays = make([]broker.RelayStats, 2)
	s.Adapters = make([]transport.AdapterStats, 3)
	for i := range s.Adapters {
		s.Adapters[i].Transport.Closed = map[string]uint64{"client": 0, "heartbeat": 0}
		s.Adapters[i].Transport.Received = map[string]uint64{"send": 0}
		s.Adapters[i].Transport.Sent = map[string]uint64{"message": 0}
	}
	numbers := map[int]string{} // and where they are
	fill(reflect.ValueOf(&s).Elem(), "Stats", numbers)
	s.Adapters[0].Name, s.Adapters[1].Name, s.Adapters[2].Name = "stomp", "json", "stomp"
	s.Relays[0].Name, s.Relays[1].Name = "rabbitmq", "rabbitmq"

	var line bytes.Buffer
	slog.New(slog.NewJSONHandler(&line, nil)).LogAttrs(t.Context(), slog.LevelInfo, "stats", s.attrs()...)
	text := line.String()
	var groups map[string]any
	if err := json.Unmarshal(line.Bytes(), &groups); err != nil {
		t.Fatal(err)
	}
	logged := map[int]bool{}
	collect(groups, logged)
	for n, path := range numbers {
		if !logged[n] {
			t.Errorf("%s is not in %s", path, text)
		}
	}
	for _, want := range []string{`"inbound":{`, `"router":{`, `"broker":{`, `"users":{`, `"relays":{"rabbitmq":{"available":false`, `"rabbitmq1":{`, `"adapters":{"stomp":{`, `"json":{`, `"stomp2":{`, `"closed":{`, `"client":`, `"heartbeat":`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// fill gives every number in v another value, and notes which is where.
func fill(v reflect.Value, path string, numbers map[int]string) {
	next := 1000 + len(numbers)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, numbers)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), path, numbers)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem()
			fill(element, path, numbers)
			v.SetMapIndex(key, element)
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(next))
		numbers[next] = path
	case reflect.Uint64:
		v.SetUint(uint64(next))
		numbers[next] = path
	case reflect.String, reflect.Bool: // a name, or whether something is there
	default:
		panic(path + " is neither a number nor holds some")
	}
}

// collect notes the numbers that are in v.
func collect(v any, numbers map[int]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, element := range v {
			collect(element, numbers)
		}
	case float64:
		numbers[int(v)] = true
	}
}

// TestStatsOfUnorderedOutbound: what a Gate behind workers refuses is counted.
func TestStatsOfUnorderedOutbound(t *testing.T) {
	refuse := func(message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(context.Context, message.Raw) error {
			return message.Errorf(message.CodeDenied, "no")
		})
	}
	node := New(Config{UnorderedOutbound: true, Gate: []message.RawInterceptor{refuse}, Logger: slog.New(slog.DiscardHandler)})
	if err := node.Outbound.Handle(t.Context(), message.Raw{Session: message.NewSession(nil, message.SessionInfo{})}); err != nil {
		t.Error(err)
	}
	if err := node.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if s := node.Stats().Outbound; s.Failed != 1 {
		t.Errorf("outbound %+v", s)
	}
}
