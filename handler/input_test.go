package handler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// purse is valid unless it owes.
type purse struct{ Coins int }

var errOwes = errors.New("owes: secret of the bank")

func (p purse) Validate() error {
	if p.Coins < 0 {
		return errOwes
	}
	return nil
}

// gift says itself what is wrong with it.
type gift struct{ To string }

func (g *gift) Validate() error {
	if g.To == "" {
		return message.Errorf(message.CodeInvalid, "field To: want a name")
	}
	return nil
}

// wrong is an error of the kind that validators return.
type wrong struct{ field string }

func (w wrong) Error() string { return "secret of " + w.field }
func (w wrong) Field() string { return w.field }

// basket knows which of its fields is wrong.
type basket struct{ Apples, Pears int }

func (b basket) Validate() error {
	if b.Pears < 0 {
		return fmt.Errorf("basket: %w", wrong{"Pears"})
	}
	if b.Apples < 0 {
		return message.Errorf(message.CodeDenied, "Apples: want some").WithCause(wrong{"Apples"})
	}
	return nil
}

// row has a method of its own beside those of its elements.
type row []basket

func (r row) Validate() error {
	if len(r) == 0 {
		return errors.New("empty")
	}
	return nil
}

func TestValidate(t *testing.T) {
	var seen []string
	config := handler.Config{Validate: func(payload any) error {
		seen = append(seen, fmt.Sprintf("%T", payload))
		if p, ok := payload.(*purse); ok && p.Coins > 100 {
			return message.Errorf(message.CodeInvalid, "field Coins: want at most 100")
		}
		return nil
	}}
	for _, c := range []struct {
		name    string
		wire    func(r *handler.Router, pattern string)
		payload string
		want    string // what the client is told
		seen    string // by Config.Validate
	}{
		{"valid", told[purse], `{"Coins":1}`, "", "[*handler_test.purse]"},
		{"own method", told[purse], `{"Coins":-1}`, "payload is not valid for type purse", "[*handler_test.purse]"},
		{"config", told[purse], `{"Coins":101}`, "field Coins: want at most 100", "[*handler_test.purse]"},
		{"method of the pointer", told[gift], `{}`, "field To: want a name", "[*handler_test.gift]"},
		{"pointer", told[*gift], `{}`, "field To: want a name", "[*handler_test.gift]"},
		{"nil pointer", told[*gift], ``, "", "[]"},
		{"request", told[handler.Request[purse]], `{"Coins":101}`, "field Coins: want at most 100", "[*handler_test.purse]"},
		{"bytes", told[[]byte], `{}`, "", "[]"},
		{"raw", told[message.Raw], `{}`, "", "[]"},
		{"text", told[string], `{}`, "", "[*string]"},
		{"field", told[basket], `{"Pears":-1}`, `payload is not valid for type basket: field "Pears"`, "[*handler_test.basket]"},
		{"elements that are valid", told[[]purse], `[{},{}]`, "", "[*[]handler_test.purse]"},
		{"element", told[[]purse], `[{},{"Coins":-1},{}]`, `payload is not valid for type []purse: field "[1]"`, "[*[]handler_test.purse]"},
		{"element of a pointer", told[*[]purse], `[{"Coins":-1}]`, `payload is not valid for type []purse: field "[0]"`, "[*[]handler_test.purse]"},
		{"nothing with elements", told[*[]purse], ``, "", "[]"},
		{"element of an array", told[[2]purse], `[{},{"Coins":-1}]`, `payload is not valid for type array: field "[1]"`, "[*[2]handler_test.purse]"},
		{"element of a map", told[map[string]purse], `{"kim":{"Coins":-1}}`, `payload is not valid for type map: field "[kim]"`, "[*map[string]handler_test.purse]"},
		{"element by the method of its pointer", told[map[string]gift], `{"kim":{}}`, "[kim]: field To: want a name", "[*map[string]handler_test.gift]"},
		{"element that is a pointer", told[[]*gift], `[null,{}]`, "[1]: field To: want a name", "[*[]*handler_test.gift]"},
		{"field of an element", told[[]basket], `[{"Pears":-1}]`, `payload is not valid for type []basket: field "[0].Pears"`, "[*[]handler_test.basket]"},
		{"slice with a method", told[row], `[]`, "payload is not valid for type row", "[*handler_test.row]"},
		{"element of a slice with a method", told[row], `[{"Pears":-1}]`, `payload is not valid for type row: field "[0].Pears"`, "[*handler_test.row]"},
		{"elements of a request", told[handler.Request[[]purse]], `[{"Coins":-1}]`, `payload is not valid for type []purse: field "[0]"`, "[*[]handler_test.purse]"},
		{"config is given the whole", told[[]purse], `[{"Coins":101}]`, "", "[*[]handler_test.purse]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen = nil
			r, _ := newRouter(config)
			c.wire(r, "/x")
			err := send(r, "/app/x", c.payload)
			expect(t, "seen", fmt.Sprint(seen), c.seen)
			if c.want == "" {
				mustHandle(t, err)
				return
			}
			if e, ok := errors.AsType[*handler.InputError](err); !ok || e.Part != "payload" {
				t.Errorf("error %#v", err)
			}
			expect(t, "code", code(err), message.CodeInvalid)
			expect(t, "text", message.Public(err).Message, c.want)
		})
	}
	r, _ := newRouter(handler.Config{})
	told[purse](r, "/x")
	if err := send(r, "/app/x", `{"Coins":-1}`); !errors.Is(err, errOwes) {
		t.Errorf("%v has lost its cause", err)
	}
}

// TestInputErrors: whatever is wrong with the input arrives, typed, at the error
// handlers and says what was wanted.
func TestInputErrors(t *testing.T) {
	strict := handler.Config{Codecs: codec.NewSet(codec.JSON{Strict: true}).Strict()}
	for _, c := range []struct {
		name        string
		config      handler.Config
		wire        func(r *handler.Router, pattern string)
		contentType string
		payload     string
		field, want string
		text        string
	}{
		{"field", handler.Config{}, told[trade], "", `{"Shares":"x"}`, "Shares", "int", `payload is not valid JSON for type trade: field "Shares": want int, got string`},
		{"nested field", handler.Config{}, told[struct{ T trade }], "", `{"T":{"Shares":"x"}}`, "T.Shares", "int", `payload is not valid JSON for type struct: field "T.Shares": want int, got string`},
		{"field that reads itself", handler.Config{}, told[struct{ T struct{ At time.Time } }], "", `{"T":{"At":"soon"}}`, "T.At", "time.Time", `payload is not valid JSON for type struct: field "T.At": want Time`},
		{"whole", handler.Config{}, told[trade], "", `x`, "", "handler_test.trade", `payload is not valid JSON for type trade: invalid character 'x' looking for beginning of value at byte 1`},
		{"empty", handler.Config{}, told[trade], "", ``, "", "handler_test.trade", `payload is empty, want JSON for type trade`},
		{"empty text", handler.Config{}, told[string], "", ``, "", "string", `payload is empty, want text for type string`},
		{"content type", handler.Config{}, told[trade], "image/png", `x`, "", "handler_test.trade", `payload for type trade: content type "image/png" is not supported`},
		{"no content type", strict, told[trade], "", `{}`, "", "handler_test.trade", `payload has no content type, want one for type trade`},
		{"unknown field", strict, told[trade], "application/json", `{"X":1}`, "X", "handler_test.trade", `payload is not valid JSON for type trade: unknown field "X"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(c.config)
			c.wire(r, "/x")
			handler.OnError(r, func(_ context.Context, e *handler.InputError) (string, error) {
				return e.Part + "|" + e.Field + "|" + e.Want + "|" + message.Public(e).Message, nil
			})
			m := message.Raw{Destination: "/app/x", Payload: []byte(c.payload)}
			if c.contentType != "" {
				m.Header = message.NewHeader(field(message.HeaderContentType, c.contentType))
			}
			mustHandle(t, r.Handle(t.Context(), m))
			expect(t, "answered", sent.lines(), "/topic/x payload|"+c.field+"|"+c.want+"|"+c.text)
		})
	}
}

// TestInvalidFields: a validation that knows its field has it in the error,
// wherever the payload holds it, and a code of its own.
func TestInvalidFields(t *testing.T) {
	for _, c := range []struct {
		name        string
		wire        func(r *handler.Router, pattern string)
		payload     string
		field, want string
		code        message.Code
	}{
		{"field", told[basket], `{"Pears":-1}`, "Pears", "handler_test.basket", message.CodeInvalid},
		{"authored", told[*basket], `{"Apples":-1}`, "Apples", "*handler_test.basket", message.CodeDenied},
		{"whole", told[purse], `{"Coins":-1}`, "", "handler_test.purse", message.CodeInvalid},
		{"element", told[[]purse], `[{"Coins":-1}]`, "[0]", "handler_test.purse", message.CodeInvalid},
		{"field of an element", told[map[int]basket], `{"7":{"Apples":-1}}`, "[7].Apples", "handler_test.basket", message.CodeDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRouter(handler.Config{})
			c.wire(r, "/x")
			err := send(r, "/app/x", c.payload)
			e, ok := errors.AsType[*handler.InputError](err)
			if !ok || e.Part != "payload" || e.Field != c.field || e.Want != c.want {
				t.Errorf("error %#v", err)
			}
			expect(t, "code", code(err), c.code)
		})
	}
}

// own reads its payload itself, as one type or the other.
type own struct{ coins int }

func (o *own) Bind(c *handler.Call) error {
	if c.PathValue("what") == "purses" {
		all, err := handler.Payload[[]purse](c)
		for _, p := range all {
			o.coins += p.Coins
		}
		return err
	}
	p, err := handler.Payload[*purse](c)
	if p != nil {
		o.coins = p.Coins
	}
	return err
}

func TestPayloadIsValidatedForBinders(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/{what}", func(_ context.Context, in own) (int, error) { return in.coins, nil }, handler.SendTo("/topic/coins"))
	mustHandle(t, send(r, "/app/purses", `[{"Coins":1},{"Coins":2}]`))
	mustHandle(t, send(r, "/app/purse", `{"Coins":4}`))
	expect(t, "sent", sent.lines(), "/topic/coins 3\n/topic/coins 4")
	expect(t, "elements", code(send(r, "/app/purses", `[{"Coins":1},{"Coins":-2}]`)), message.CodeInvalid)
	expect(t, "pointer", code(send(r, "/app/purse", `{"Coins":-4}`)), message.CodeInvalid)
}

func TestEmptyPayloadIsNilForAPointer(t *testing.T) {
	for _, contentType := range []string{"", "application/json", "text/plain"} {
		r, sent := newRouter(handler.Config{})
		handler.Handle(r, "/x", func(_ context.Context, in *trade) (bool, error) { return in == nil, nil })
		m := message.Raw{Destination: "/app/x", Header: message.NewHeader(field(message.HeaderContentType, contentType))}
		mustHandle(t, r.Handle(t.Context(), m))
		expect(t, contentType, sent.lines(), "/topic/x true")
	}
}

func TestBytesAreUntouched(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	payload := []byte("payload")
	mustHandle(t, r.Handle(t.Context(), message.Raw{Destination: "/app/x", Payload: payload}))
	if &sent.sent[0].Payload[0] != &payload[0] {
		t.Error("the payload was copied")
	}
}
