package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// exchange is what clients talk to.
type exchange struct {
	market   *market
	accounts *accounts
	template *handler.Template
}

// trade is what everybody learns of a trade.
type trade struct {
	User   string `json:"user"`
	Symbol string `json:"symbol"`
	order
	Price cents `json:"price"`
}

func (x *exchange) routes(r *handler.Router) {
	handler.Handle(r, "/stocks", x.stocks, handler.SendToSession("/queue/stocks"))
	handler.Handle(r, "/positions", x.positions, handler.SendToSession("/queue/position-updates"))
	handler.Handle(r, "/trade/{symbol}", x.trade, handler.SendToUser("/queue/position-updates"))
	handler.OnError(r, rejected, handler.SendToSession("/queue/errors"))
	handler.OnError(r, malformed, handler.SendToSession("/queue/errors"))
}

func (x *exchange) stocks(context.Context, struct{}) ([]stock, error) {
	return x.market.snapshot(), nil
}

func (x *exchange) positions(_ context.Context, req handler.Request[struct{}]) (statement, error) {
	if req.User() == nil {
		return statement{}, handler.ErrNoReply
	}
	return x.accounts.statement(req.User().Name()), nil
}

func (x *exchange) trade(ctx context.Context, req handler.Request[order]) (statement, error) {
	if req.User() == nil {
		return statement{}, reject("", "Choose a name to trade.")
	}
	user, symbol := req.User().Name(), req.PathValue("symbol")
	price, ok := x.market.price(symbol)
	if !ok {
		return statement{}, reject("symbol", "%s is not traded here.", symbol)
	}
	owned, err := x.accounts.trade(user, symbol, req.Payload, price)
	if err != nil {
		return statement{}, err
	}
	return owned, x.template.Send(ctx, "/topic/trades", trade{User: user, Symbol: symbol, order: req.Payload, Price: price})
}

// rejected answers an order that cannot be carried out.
func rejected(_ context.Context, r *rejection) (*rejection, error) { return r, nil }

// malformed answers what is no order at all.
func malformed(_ context.Context, e *message.Error) (*rejection, error) {
	return &rejection{Reason: e.Message}, nil
}

// run moves the prices until ctx ends.
func (x *exchange) run(ctx context.Context, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		for _, q := range x.market.tick() {
			if err := x.template.Send(ctx, "/topic/price."+q.Symbol, q); err != nil {
				slog.Error("price not published", "symbol", q.Symbol, "error", err)
			}
		}
	}
}

// announce shows the text of an HTTP request to everybody.
func (x *exchange) announce(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	if err != nil {
		http.Error(w, "the text is too long", http.StatusRequestEntityTooLarge)
		return
	}
	if err := x.template.Send(r.Context(), "/topic/news", string(text)); err != nil {
		http.Error(w, message.Public(err).Message, http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
