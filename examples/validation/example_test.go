package validation_test

import (
	"context"
	"fmt"

	"github.com/go-playground/validator/v10"

	"github.com/headrace/headrace/examples/validation"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type order struct {
	Symbol string `json:"symbol" validate:"required,uppercase"`
	Shares int    `json:"shares" validate:"min=1,max=500"`
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
	for _, payload := range []string{`{"symbol": "MILL", "shares": 3}`, `{"symbol": "mill", "shares": 501}`} {
		err := router.Handle(context.Background(), message.Raw{Destination: "/app/trade", Payload: []byte(payload)})
		if err != nil {
			fmt.Println(message.Public(err).Message)
		}
	}
	// Output:
	// /topic/trade 3 of MILL
	// symbol: uppercase, shares: max 500
}
