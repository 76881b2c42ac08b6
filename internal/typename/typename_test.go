package typename_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/typename"
)

type (
	trade          struct{}
	page[T any]    struct{ _ []T }
	pair[K, V any] struct {
		_ K
		_ V
	}
)

func TestOf(t *testing.T) {
	type local struct{}
	for _, tt := range []struct {
		t    reflect.Type
		want string
	}{
		{nil, "nil"},
		{reflect.TypeFor[int](), "int"},
		{reflect.TypeFor[trade](), "trade"},
		{reflect.TypeFor[**trade](), "trade"},
		{reflect.TypeFor[[]*trade](), "[]trade"},
		{reflect.TypeFor[time.Duration](), "Duration"},
		{reflect.TypeFor[map[string]trade](), "map"},
		{reflect.TypeFor[any](), "interface"},
		{reflect.TypeFor[struct{ Password string }](), "struct"},
		{reflect.TypeFor[local](), "local"},
		{reflect.TypeFor[page[int]](), "page[int]"},
		{reflect.TypeFor[page[netip.Addr]](), "page[Addr]"},
		{reflect.TypeFor[page[*trade]](), "page[*trade]"},
		{reflect.TypeFor[page[local]](), "page[local]"},
		{reflect.TypeFor[[]page[page[trade]]](), "[]page[page[trade]]"},
		{reflect.TypeFor[pair[string, map[netip.Addr][]trade]](), "pair[string,map[Addr][]trade]"},
		{reflect.TypeFor[page[struct{ Password trade }]](), "page"},
		{reflect.TypeFor[page[func(trade) netip.Addr]](), "page"},
	} {
		if got := typename.Of(tt.t); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.t, got, tt.want)
		}
	}
}
