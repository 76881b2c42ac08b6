package headrace

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/headrace/headrace/message"
)

// Doors returns what strangers, or more users than one might think, can do:
// Config.Doors, what the rest of Config opens, and what the adapters say that have a
// method Doors() message.Doors. What interceptors refuse cannot be seen: where there is
// none in Config.Gate, or Config.Doors is nil, so that nobody has said what they leave
// open, all that they might refuse is. [Node.Serve] logs the report at its start, each
// door in a line of the level Info; a program that never wants another one open holds
// it in a test.
func (n *Node) Doors(adapters ...Adapter) message.Doors {
	const at = "headrace.Config"
	c := &n.split.config
	everything := "clients may send to and receive from " + n.split.prefixes() + " whatever no interceptor refuses"
	doors := c.Doors.Open().
		If(len(c.Gate) == 0, at+".Gate", everything).
		If(len(c.Gate) > 0 && c.Doors == nil, at+".Doors", everything).
		If(c.MaxSubscriptions < 0, at+".MaxSubscriptions", "a session may have any number of subscriptions").
		If(c.MaxPatternCost < 0, at+".MaxPatternCost", "clients may subscribe to patterns of any cost").
		If(c.MaxDestination < 0, at+".MaxDestination", "destinations may be of any length").
		If(c.MaxStored < 0, at+".MaxStored", "any amount of memory may wait at the broker")
	for _, a := range adapters {
		if open, ok := a.(interface{ Doors() message.Doors }); ok {
			doors = append(doors, open.Doors().Open()...)
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
