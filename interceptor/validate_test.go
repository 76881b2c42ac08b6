package interceptor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

var errNoSymbol = errors.New("no symbol, secret 42")

type byValue struct{ symbol string }

func (p byValue) Validate() error { return wantSymbol(p.symbol) }

type byPointer struct{ symbol string }

func (p *byPointer) Validate() error { return wantSymbol(p.symbol) }

func wantSymbol(s string) error {
	if s == "" {
		return errNoSymbol
	}
	return nil
}

// validated says what Validate makes of a payload.
func validated[T any](i message.Interceptor[T], kind message.Kind, payload T) (err error, handled bool) {
	err = i(message.HandlerFunc[T](func(context.Context, message.Message[T]) error {
		handled = true
		return nil
	})).Handle(context.Background(), message.Message[T]{Kind: kind, Payload: payload})
	return err, handled
}

func TestValidate(t *testing.T) {
	type outcome struct {
		err     error
		handled bool
	}
	of := func(err error, handled bool) outcome { return outcome{err, handled} }
	ctxErr := func(ctx context.Context, o order) error { return wantSymbol(o.symbol) }
	for name, tt := range map[string]struct {
		got  outcome
		good bool
	}{
		"function":                    {of(validated(interceptor.Validate(ctxErr), 0, order{"ACME"})), true},
		"function refuses":            {of(validated(interceptor.Validate(ctxErr), 0, order{})), false},
		"method":                      {of(validated(interceptor.Validate[byValue](nil), 0, byValue{"ACME"})), true},
		"method refuses":              {of(validated(interceptor.Validate[byValue](nil), 0, byValue{})), false},
		"of pointer":                  {of(validated(interceptor.Validate[byPointer](nil), 0, byPointer{"ACME"})), true},
		"of pointer refuses":          {of(validated(interceptor.Validate[byPointer](nil), 0, byPointer{})), false},
		"pointer itself":              {of(validated(interceptor.Validate[*byPointer](nil), 0, &byPointer{})), false},
		"other kinds have no payload": {of(validated(interceptor.Validate[byValue](nil), message.KindDisconnect, byValue{})), true},
	} {
		if tt.got.handled != tt.good || (tt.got.err == nil) != tt.good {
			t.Errorf("%s: %v, handled %v", name, tt.got.err, tt.got.handled)
		}
		if !tt.good && (*message.Public(tt.got.err) != message.Error{Code: message.CodeInvalid, Message: "the payload is not valid"} || !errors.Is(tt.got.err, errNoSymbol)) {
			t.Errorf("%s: %v", name, tt.got.err)
		}
	}
}

func TestValidateKeepsAuthoredErrors(t *testing.T) {
	authored := message.Errorf(message.CodeConflict, "the market is closed")
	err, handled := validated(interceptor.Validate(func(context.Context, order) error { return authored }), 0, order{})
	if err != authored || handled {
		t.Errorf("%v, handled %v", err, handled)
	}
}

func TestValidateNeedsACheck(t *testing.T) {
	mustPanic(t, func() { interceptor.Validate[order](nil) })
	mustPanic(t, func() { interceptor.Validate[any](nil) })
}
