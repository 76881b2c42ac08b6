package handler_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type (
	level   uint8
	symbol  string
	amount  int64
	ratio   float32
	enabled bool
)

// converting asks for a value of the header and of the path.
func converting[T any](req handler.Request[[]byte]) (any, any, error) {
	fromHeader, err := handler.HeaderValue[T](req, "v")
	fromPath, errPath := handler.Var[T](req, "v")
	return fromHeader, fromPath, errors.Join(err, errPath)
}

type converter = func(handler.Request[[]byte]) (any, any, error)

// request returns what an endpoint is given for a destination and a header.
func request(t *testing.T, pattern, dest string, header ...message.Field) handler.Request[[]byte] {
	t.Helper()
	r, _ := newRouter(handler.Config{})
	var got handler.Request[[]byte]
	handler.Consume(r, pattern, func(_ context.Context, req handler.Request[[]byte]) error {
		got = req
		return nil
	})
	mustHandle(t, r.Handle(t.Context(), message.Raw{Destination: dest, Header: message.NewHeader(header...)}))
	return got
}

func TestValues(t *testing.T) {
	seven := 7
	for _, c := range []struct {
		name    string
		convert converter
		text    string
		want    any
	}{
		{"string", converting[string], "a", "a"},
		{"int", converting[int], "-12", -12},
		{"int8", converting[int8], "-128", int8(-128)},
		{"int16", converting[int16], "-32768", int16(-32768)},
		{"int32", converting[int32], "-2147483648", int32(-2147483648)},
		{"int64", converting[int64], "-9223372036854775808", int64(-9223372036854775808)},
		{"uint", converting[uint], "12", uint(12)},
		{"uint8", converting[uint8], "255", uint8(255)},
		{"uint16", converting[uint16], "65535", uint16(65535)},
		{"uint32", converting[uint32], "4294967295", uint32(4294967295)},
		{"uint64", converting[uint64], "18446744073709551615", uint64(18446744073709551615)},
		{"float32", converting[float32], "0.5", float32(0.5)},
		{"float64", converting[float64], "1.5", 1.5},
		{"type made of a number", converting[level], "3", level(3)},
		{"type made of a string", converting[symbol], "ACME", symbol("ACME")},
		{"type made of a signed number", converting[amount], "-3", amount(-3)},
		{"type made of a float", converting[ratio], "0.5", ratio(0.5)},
		{"type made of a bool", converting[enabled], "true", enabled(true)},
		{"bool", converting[bool], "true", true},
		{"duration", converting[time.Duration], "1m30s", 90 * time.Second},
		{"time", converting[time.Time], "2026-01-02T03:04:05Z", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"text unmarshaler", converting[netip.Addr], "1.2.3.4", netip.MustParseAddr("1.2.3.4")},
		{"pointer", converting[*int], "7", &seven},
		{"pointer to a type made of a number", converting[*level], "3", new(level(3))},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, path, err := c.convert(request(t, "/x/{v}", "/app/x/"+c.text, field("v", c.text)))
			if err != nil || !reflect.DeepEqual(header, c.want) || !reflect.DeepEqual(path, c.want) {
				t.Errorf("got %#v and %#v, %v; want %#v", header, path, err, c.want)
			}
		})
	}
}

func TestValueErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		convert converter
		text    string
		want    string // and, where it differs, what the client is told
		told    string
	}{
		{"number", converting[int], "many", "int", ""},
		{"too large", converting[uint8], "256", "uint8", ""},
		{"too large for 8 bits", converting[int8], "128", "int8", ""},
		{"too large for 16 bits", converting[int16], "32768", "int16", ""},
		{"too large for 32 bits", converting[int32], "2147483648", "int32", ""},
		{"too large for 64 bits", converting[int64], "9223372036854775808", "int64", ""},
		{"too large for 16 bits without a sign", converting[uint16], "65536", "uint16", ""},
		{"too large for 32 bits without a sign", converting[uint32], "4294967296", "uint32", ""},
		{"too large a float", converting[float32], "1e39", "float32", ""},
		{"negative", converting[level], "-1", "handler_test.level", "level"},
		{"float", converting[float64], "x", "float64", ""},
		{"bool", converting[bool], "maybe", "bool", ""},
		{"duration", converting[time.Duration], "90", "time.Duration", "Duration"},
		{"time", converting[time.Time], "soon", "time.Time", "Time"},
		{"text unmarshaler", converting[netip.Addr], "here", "netip.Addr", "Addr"},
		{"pointer", converting[*int], "x", "int", ""},
		{"pointer to a type made of a number", converting[*level], "x", "handler_test.level", "level"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := c.convert(request(t, "/x/{v}", "/app/x/"+c.text, field("v", c.text)))
			e, ok := errors.AsType[*handler.InputError](err)
			if !ok || e.Part != "header" || e.Field != "v" || e.Want != c.want {
				t.Fatalf("error %#v", err)
			}
			expect(t, "code", code(err), message.CodeInvalid)
			expect(t, "text", message.Public(err).Message, `header "v": want `+cmp.Or(c.told, c.want)+`, got "`+c.text+`"`)
		})
	}
	req := request(t, "/x/{v}", "/app/x/1")
	_, err := handler.HeaderValue[bool](req, "urgent")
	expect(t, "missing", message.Public(err).Message, `header "urgent" is missing, want bool`)
	_, err = handler.Var[struct{}](req, "v")
	expect(t, "a type that text never is, is the program's fault", code(err), message.CodeInternal)
	if v, err := handler.HeaderValue[*bool](req, "urgent"); v != nil || err != nil {
		t.Errorf("optional: %v, %v", v, err)
	}
}

// TestVarThatThePatternHasNot: the client cannot help it. The log learns which
// route it is.
func TestVarThatThePatternHasNot(t *testing.T) {
	req := request(t, "/x/{v}", "/app/x/1")
	for name, get := range map[string]func() error{
		"value":   func() error { _, err := handler.Var[int](req, "w"); return err },
		"pointer": func() error { _, err := handler.Var[*int](req.Call, "w"); return err },
	} {
		err := get()
		if _, ok := errors.AsType[*handler.InputError](err); ok {
			t.Errorf("%s: %#v blames the input", name, err)
		}
		expect(t, name, *message.Public(err), message.Error{Code: message.CodeInternal, Message: "internal error"})
		expect(t, name, err.Error(), fmt.Sprintf(`handler: no variable "w" in pattern "/x/{v}" at %s`, req.Route().Source))
	}
	r, sent := newRouter(handler.Config{})
	handler.OnError(r, func(ctx context.Context, _ error) (string, error) {
		_, err := handler.Var[int](handler.FailedCall(ctx), "w")
		return err.Error(), nil
	}, handler.SendTo("/topic/errors"))
	mustHandle(t, send(r, "/app/nowhere", "-"))
	expect(t, "no route", sent.lines(), `/topic/errors handler: no variable "w": no route matched /app/nowhere`)
}

func TestHeaderIsOrderedAndRepeats(t *testing.T) {
	req := request(t, "/x", "/app/x", field("b", "1"), field("a", "2"), field("b", "3"))
	var all string
	for name, value := range req.Header.All() {
		all += name + value
	}
	expect(t, "header", all, "b1a2b3")
	if v, err := handler.HeaderValue[int](req, "b"); v != 1 || err != nil {
		t.Errorf("the first wins: %v, %v", v, err)
	}
}
