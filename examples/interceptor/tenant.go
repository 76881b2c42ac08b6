package main

import (
	"context"
	"strings"

	"github.com/headrace/headrace/message"
)

// withinTenant keeps clients to the destinations of their own tenant, the second
// segment: those of acme may use /app/acme/** and /topic/acme/**, and nothing of
// zenith's. On Inbound it looks at what they send and subscribe to, as the Gate at
// what they are delivered. What is behind it finds the tenant in its context.
func withinTenant(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Session == nil || m.Kind != message.KindData && m.Kind != message.KindSubscribe {
			return next.Handle(ctx, m) // of the program, or about no destination
		}
		tenant, _ := m.Session.Attribute("tenant")
		if tenant == nil || !belongs(m.Destination, tenant.(string)) {
			return message.Errorf(message.CodeDenied, "%.200s is not of your tenant", m.Destination)
		}
		return next.Handle(context.WithValue(ctx, tenantKey{}, tenant), m)
	})
}

// belongs compares as text, so the pattern "/topic/*/trades" is no tenant's.
func belongs(destination, tenant string) bool {
	segments := strings.Split(destination, "/") // "", "topic", "acme", ...
	return len(segments) > 3 && segments[2] == tenant
}

type tenantKey struct{}

// tenantOf returns the tenant in whose name a message is handled.
func tenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
