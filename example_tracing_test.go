package headrace_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Every hop of a node is seen by OpenTelemetry, and what its parts count becomes
// metrics.
func Example_tracing() {
	config := telemetry.Config{ // the global providers
		Template: telemetry.Destinations(destination.Slash, "/app/trade/{symbol}", "/topic/trades.{symbol}"),
	}
	node := headrace.New(headrace.Config{
		Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](config)},       // what clients send, of every kind
		Publishing: []message.RawInterceptor{telemetry.TracePublish(config)},            // what is published, by clients too
		Gate:       []message.RawInterceptor{telemetry.TraceDelivery(config)},           // what reaches a session
		Logger:     slog.New(telemetry.LogHandler(slog.NewTextHandler(os.Stderr, nil))), // lines have trace ids
	})
	defer node.Close()
	inbound := config
	inbound.Channel = "inbound" // how long messages wait there is measured
	node.Inbound.Intercept(telemetry.Sessions(config), telemetry.TraceSendWith[[]byte](inbound))
	node.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](config)) // what the program sends

	stop, err := telemetry.Observe(config, telemetry.Readings{
		Channels: func() []channel.Stats { return []channel.Stats{node.Inbound.Stats()} },
		Subscriptions: func(yield func(string) bool) {
			for s := range node.Users.Sessions() {
				if s.Session == nil { // of another node, which tells it itself
					continue
				}
				for _, sub := range s.Subscriptions {
					if !yield(sub.Destination) {
						return
					}
				}
			}
		},
		Adapters: func() (all []telemetry.AdapterReading) {
			for _, a := range node.Stats().Adapters { // that Serve was given
				all = append(all, telemetry.AdapterReading{
					Name: a.Name, Received: a.Transport.Received, Sent: a.Transport.Sent,
					Dropped: a.Transport.Dropped, Waiting: a.Transport.QueuedBytes,
				})
			}
			return all
		},
		Relays: func() (all []telemetry.RelayReading) {
			for _, r := range node.Stats().Relays {
				all = append(all, telemetry.RelayReading{Name: r.Name, Connections: r.Open, Available: r.Available})
			}
			return all
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stopped:", stop())
	// Output:
	// stopped: <nil>
}
