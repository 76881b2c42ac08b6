package main

import (
	"context"
	"strings"

	"github.com/headrace/headrace/message"
)

// withinTenant keeps clients to what is their own tenant's: those of acme may use
// /app/acme/** and /topic/acme/**, and nothing else. On Inbound it looks at what they
// send and subscribe to, as the Gate at what they are delivered. What is behind it finds
// the tenant in its context.
func withinTenant(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Session == nil || m.Kind != message.KindData && m.Kind != message.KindSubscribe {
			return next.Handle(ctx, m) // of the program, or about no destination
		}
		attribute, _ := m.Session.Attribute("tenant")
		tenant, _ := attribute.(string)
		if tenant == "" || !belongs(m.Destination, tenant) {
			return message.Errorf(message.CodeDenied, "%.200s is not of your tenant", m.Destination)
		}
		return next.Handle(context.WithValue(ctx, tenantKey{}, tenant), m)
	})
}

// belongs compares as text, so the pattern "/topic/*/orders" is no tenant's.
func belongs(destination, tenant string) bool {
	return strings.HasPrefix(destination, "/app/"+tenant+"/") || strings.HasPrefix(destination, "/topic/"+tenant+"/")
}

type tenantKey struct{}

// tenantOf returns the tenant in whose name a message is handled.
func tenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
