package handler_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type level uint8

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
		{"int64", converting[int64], "12", int64(12)},
		{"uint8", converting[uint8], "255", uint8(255)},
		{"type made of a number", converting[level], "3", level(3)},
		{"float", converting[float64], "1.5", 1.5},
		{"bool", converting[bool], "true", true},
		{"duration", converting[time.Duration], "1m30s", 90 * time.Second},
		{"time", converting[time.Time], "2026-01-02T03:04:05Z", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"text unmarshaler", converting[netip.Addr], "1.2.3.4", netip.MustParseAddr("1.2.3.4")},
		{"pointer", converting[*int], "7", &seven},
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
		want    string
	}{
		{"number", converting[int], "many", "int"},
		{"too large", converting[uint8], "256", "uint8"},
		{"negative", converting[level], "-1", "handler_test.level"},
		{"float", converting[float64], "x", "float64"},
		{"bool", converting[bool], "maybe", "bool"},
		{"duration", converting[time.Duration], "90", "time.Duration"},
		{"time", converting[time.Time], "soon", "time.Time"},
		{"text unmarshaler", converting[netip.Addr], "here", "netip.Addr"},
		{"pointer", converting[*int], "x", "int"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := c.convert(request(t, "/x/{v}", "/app/x/"+c.text, field("v", c.text)))
			e, ok := errors.AsType[*handler.InputError](err)
			if !ok || e.Part != "header" || e.Field != "v" || e.Want != c.want {
				t.Fatalf("error %#v", err)
			}
			expect(t, "code", code(err), message.CodeInvalid)
			expect(t, "text", message.Public(err).Message, `header "v": want `+c.want+`, got "`+c.text+`"`)
		})
	}
	req := request(t, "/x/{v}", "/app/x/1")
	_, err := handler.HeaderValue[bool](req, "urgent")
	expect(t, "missing", message.Public(err).Message, `header "urgent" is missing, want bool`)
	_, err = handler.Var[int](req.Call, "w")
	expect(t, "no such variable", message.Public(err).Message, `path "w" is missing, want int`)
	_, err = handler.Var[struct{}](req, "v")
	expect(t, "a type that text never is, is the program's fault", code(err), message.CodeInternal)
	if v, err := handler.HeaderValue[*bool](req, "urgent"); v != nil || err != nil {
		t.Errorf("optional: %v, %v", v, err)
	}
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
