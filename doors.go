package headrace

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
)

// Doors returns what strangers, or more users than one might think, can do:
// Config.Doors, what the rest of Config opens, and what the adapters say that have a
// method Doors() message.Doors. Of interceptors it knows Config.Gate alone, by whether
// there is one. [Node.Serve] logs them at its start, each in a line of the level Info;
// a program that never wants another one open holds them in a test.
func (n *Node) Doors(adapters ...Adapter) message.Doors {
	const at = "headrace.Config"
	c := &n.split.config
	clients := append(slices.Clone(c.BrokerPrefixes), c.UserPrefix)
	doors := slices.Clone(c.Doors).
		If(len(c.Gate) == 0, at+".Gate", "clients may send to and receive from "+strings.Join(clients, ", ")+" whatever no interceptor refuses").
		If(c.MaxSubscriptions < 0, at+".MaxSubscriptions", "a session may have any number of subscriptions").
		If(c.MaxPatternCost < 0, at+".MaxPatternCost", "clients may subscribe to patterns of any cost").
		If(c.MaxDestination < 0, at+".MaxDestination", "destinations may be of any length").
		If(c.MaxStored < 0, at+".MaxStored", "any amount of memory may wait at the broker")
	for _, a := range adapters {
		if open, ok := a.(interface{ Doors() message.Doors }); ok {
			doors = append(doors, open.Doors()...)
		}
	}
	return doors
}

// logDoors logs the report at the start of Serve.
func (n *Node) logDoors(ctx context.Context, adapters []Adapter) {
	logger := cmp.Or(n.split.config.Logger, slog.Default())
	for _, door := range n.Doors(adapters...) {
		logger.LogAttrs(ctx, slog.LevelInfo, "open door", slog.String("what", door.What), slog.String("where", door.Where))
	}
}
