package broker_test

import (
	"testing"

	"github.com/headrace/headrace/broker"
)

func TestEventKindString(t *testing.T) {
	for kind, want := range map[broker.EventKind]string{
		broker.Connect:      "connect",
		broker.Connected:    "connected",
		broker.Subscribe:    "subscribe",
		broker.Subscribed:   "subscribed",
		broker.Unsubscribed: "unsubscribed",
		broker.Disconnected: "disconnected",
		broker.Available:    "available",
		broker.Unavailable:  "unavailable",
		0:                   "unknown",
		99:                  "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}
