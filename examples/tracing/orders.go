package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/handler"
)

// Order is what a client sends to /app/orders/{table}.
type Order struct {
	Drink string `json:"drink"`
}

// Served is what everybody learns who subscribed to /topic/orders.
type Served struct {
	Table string `json:"table"`
	Drink string `json:"drink"`
}

// orders is the application. It has a span of its own, which ctx makes a part of
// the trace.
type orders struct{ tracer trace.Tracer }

func (o orders) routes(r *handler.Router) {
	handler.Handle(r, "/orders/{table}", o.serve, handler.SendTo("/topic/orders"))
}

func (o orders) serve(ctx context.Context, req handler.Request[Order]) (Served, error) {
	o.brew(ctx)
	return Served{Table: req.PathValue("table"), Drink: req.Payload.Drink}, nil
}

func (o orders) brew(ctx context.Context) {
	_, span := o.tracer.Start(ctx, "brew")
	defer span.End()
	time.Sleep(2 * time.Millisecond)
}
