package validation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-playground/validator/v10"

	"github.com/headrace/headrace/examples/validation"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type order struct {
	Symbol string `json:"symbol" validate:"required,uppercase"`
	Shares int    `json:"shares" validate:"min=1,max=500"`
	Legs   []leg  `json:"legs" validate:"dive"`
}

type leg struct {
	Limit float64 `json:"limit" validate:"gt=0"`
}

// An endpoint is given valid orders only. headrace.Config has the same field for
// the router of a node.
func Example() {
	toBroker := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s %s\n", m.Destination, m.Payload)
		return nil
	})
	router := handler.NewRouter(toBroker, handler.Config{Validate: validation.Check(validator.New())})
	handler.Handle(router, "/trade", func(_ context.Context, o order) (string, error) {
		return fmt.Sprintf("%d of %s", o.Shares, o.Symbol), nil
	})
	for _, payload := range []string{
		`{"symbol": "MILL", "shares": 3}`,
		`{"symbol": "mill", "shares": 501}`,
		`{"symbol": "MILL", "shares": 3, "legs": [{"limit": 2}, {"limit": -1}]}`,
	} {
		err := router.Handle(context.Background(), message.Raw{Destination: "/app/trade", Payload: []byte(payload)})
		if wrong, ok := errors.AsType[*handler.InputError](err); ok {
			fmt.Printf("%s (field %s)\n", message.Public(err).Message, wrong.Field)
		}
	}
	// Output:
	// /topic/trade 3 of MILL
	// symbol: uppercase, shares: max 500 (field symbol)
	// legs[1].limit: gt 0 (field legs[1].limit)
}
