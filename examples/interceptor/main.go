// Interceptor has interceptors wherever they can be mounted: they keep tenants apart,
// keep an old destination alive, drop rehearsals, measure and recover. Two clients
// without a network play; the program prints what happens to them, and ends.
//
//	go run ./examples/interceptor
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// Order is what clients send.
type Order struct {
	Symbol string `json:"symbol"`
	Shares int    `json:"shares"`
}

func main() {
	measured := &meter{sums: make(map[string]*sum)}
	if err := run(context.Background(), os.Stdout, measured); err != nil {
		log.Fatal(err)
	}
	fmt.Print("\n", measured)
}

func run(ctx context.Context, out io.Writer, measured *meter) error {
	// Gate: the last on the way out, once for each delivery.
	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{withinTenant}})

	// Channels, on the goroutine of who sends: what clients send; what the program
	// publishes, once each; what clients are sent, once for each of them.
	node.Inbound.Intercept(measure[[]byte](measured, "Inbound"), withinTenant)
	node.BrokerChannel.Intercept(measure[[]byte](measured, "BrokerChannel"))
	node.Outbound.Intercept(measure[[]byte](measured, "Outbound"))

	// The router, a group and a route, on a worker, in the order of the session.
	node.Router.Use(renamed)
	orders := node.Router.Group("/{tenant}/orders")
	orders.Use(measure[[]byte](measured, "orders"))
	ledger := channel.NewExecutorChannel(channel.Config[Order]{Name: "ledger"})
	handler.Consume(orders, "/buy", func(ctx context.Context, r handler.Request[Order]) error {
		return ledger.Handle(ctx, message.WithPayload(r.Raw, r.Payload))
	}, handler.Interceptors(noRehearsals))

	// A subscriber, on a worker of its channel. Recover stands behind measure, which
	// so sees the error that Recover made of a panic.
	ledger.Subscribe(book(node.Template), measure[Order](measured, "ledger"), interceptor.Recover)

	play(node, out)
	if err := ledger.Shutdown(ctx); err != nil {
		return err
	}
	return node.Shutdown(ctx)
}

// book returns the end of an order: its tenant's clients are told.
func book(template *handler.Template) message.Handler[Order] {
	return message.HandlerFunc[Order](func(ctx context.Context, m message.Message[Order]) error {
		if m.Payload.Shares > 999 {
			panic("the ledger has three columns")
		}
		text := fmt.Sprintf("%d %s for %s", m.Payload.Shares, m.Payload.Symbol, tenantOf(ctx))
		return template.Send(ctx, "/topic/"+tenantOf(ctx)+"/orders", text)
	})
}

// renamed changes a message: clients of last year still send to /app/{tenant}/buy.
func renamed(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if rest, old := strings.CutSuffix(m.Destination, "/buy"); old && !strings.HasSuffix(rest, "/orders") {
			m.Destination = rest + "/orders/buy" // m is a copy: nobody else sees it
		}
		return next.Handle(ctx, m)
	})
}

// errRehearsal says who drops a message; telemetry counts by it.
var errRehearsal = message.Drop("noRehearsals")

// noRehearsals drops a message on purpose: its sender is told, nobody logs a failure.
func noRehearsals(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Header.Get("rehearsal") == "true" {
			return errRehearsal
		}
		return next.Handle(ctx, m)
	})
}

// play is what two clients of two tenants do.
func play(node *headrace.Node, out io.Writer) {
	kim, zoe := connect(node, "kim", "acme", out), connect(node, "zoe", "zenith", out)
	rehearsal := message.NewHeader(message.Field{Name: "rehearsal", Value: "true"})

	kim.subscribe("/topic/acme/orders")
	zoe.subscribe("/topic/zenith/orders")
	zoe.subscribe("/topic/acme/orders")
	zoe.subscribe("/topic/*/orders")

	kim.send("/app/acme/orders/buy", `{"symbol":"MILL","shares":7}`, message.Header{})
	zoe.send("/app/acme/orders/buy", `{"symbol":"MILL","shares":1}`, message.Header{})
	zoe.send("/app/zenith/buy", `{"symbol":"DAM","shares":3}`, message.Header{})
	kim.send("/app/acme/orders/buy", `{"symbol":"MILL","shares":8}`, rehearsal)
	kim.send("/app/acme/orders/buy", `{"symbol":"MILL","shares":1000}`, message.Header{})

	fmt.Fprintln(out, "kim changes to zenith")
	kim.session.SetAttribute("tenant", "zenith")
	if err := node.Template.Send(context.Background(), "/topic/acme/orders", "closing bell"); err != nil {
		fmt.Fprintln(out, err)
	}
}
