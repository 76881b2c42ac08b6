package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
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
	Symbol symbol `json:"symbol"`
	order
	Price cents `json:"price"`
}

func (x *exchange) routes(r *handler.Router) {
	// A subscription gets the stocks, and then every price that is not in them yet.
	handler.OnSubscribe(r, "/stocks", x.stocks, handler.Live("/topic/price.*", handler.Newer(unseen)))

	traders := r.Group("", handler.SendToUser("/queue/position-updates"))
	traders.Use(interceptor.Around(named))
	handler.OnSubscribe(traders, "/positions", x.positions, handler.Live("/user/queue/position-updates", handler.Newer(newer)))
	handler.Handle(traders, "/trade/{symbol}", x.trade)

	handler.OnError(r, rejected, handler.SendToSession("/queue/errors"))
	handler.OnError(r, malformed, handler.SendToSession("/queue/errors"))
}

// named lets nobody pass who has no name.
func named(ctx context.Context, m message.Raw, next message.RawHandler) error {
	if m.Session.User() == nil {
		return reject("", "Choose a name to trade.")
	}
	return next.Handle(ctx, m)
}

func (x *exchange) stocks(context.Context, struct{}) ([]stock, error) {
	return x.market.snapshot(), nil
}

func (x *exchange) positions(_ context.Context, req handler.Request[struct{}]) (statement, error) {
	return x.accounts.statement(req.User().Name()), nil
}

func (x *exchange) trade(ctx context.Context, req handler.Request[order]) (statement, error) {
	of, err := handler.Var[symbol](req, "symbol")
	if err != nil {
		return statement{}, err
	}
	price, ok := x.market.price(of)
	if !ok {
		return statement{}, reject("symbol", "%s is not traded here.", of)
	}
	user := req.User().Name()
	owned, err := x.accounts.trade(user, of, req.Payload, price)
	if err != nil {
		return statement{}, err
	}
	news := trade{User: user, Symbol: of, order: req.Payload, Price: price}
	if err := x.template.Send(ctx, "/topic/trades", news); err != nil { // the trade stands all the same
		slog.Error("trade not published", "symbol", of, "error", err)
	}
	return owned, nil
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
		x.tick(ctx)
	}
}

// tick moves the prices once and tells everybody.
func (x *exchange) tick(ctx context.Context) {
	x.market.tick(func(q quote) {
		if err := x.template.Send(ctx, "/topic/price."+string(q.Symbol), q); err != nil {
			slog.Error("price not published", "symbol", q.Symbol, "error", err)
		}
	})
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
