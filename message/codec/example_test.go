package codec_test

import (
	"fmt"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

func ExampleDecode() {
	trade, err := codec.Decode[Trade](nil, "application/json;charset=utf-8", []byte(`{"symbol":"ACME","shares":5}`))
	fmt.Println(trade.Symbol, trade.Shares, err)

	_, err = codec.Decode[Trade](nil, "", []byte(`{"symbol":"ACME","shares":"five"}`))
	fmt.Println(message.Public(err).Message)
	// Output:
	// ACME 5 <nil>
	// payload is not valid JSON for type Trade: field "shares": want int, got string
}

func ExampleEncode() {
	for _, v := range []any{"hello", []byte{1, 2}, Leg{Price: 7}} {
		payload, contentType, err := codec.Encode(nil, "", v)
		fmt.Printf("%q %s %v\n", payload, contentType, err)
	}
	// Output:
	// "hello" text/plain;charset=utf-8 <nil>
	// "\x01\x02" application/octet-stream <nil>
	// "{\"price\":7}" application/json <nil>
}

func ExampleNewSet() {
	set := codec.NewSet(codec.JSON{Strict: true})
	_, err := codec.Decode[Leg](set, "application/json", []byte(`{"prize":7}`))
	fmt.Println(message.Public(err).Message)
	// Output:
	// payload is not valid JSON for type Leg: unknown field "prize"
}

func ExampleSet_Strict() {
	var builtIn *codec.Set
	_, err := codec.Decode[Leg](builtIn.Strict(), "", []byte(`{"price":7}`))
	fmt.Println(message.Public(err).Message)
	// Output:
	// payload has no content type, want one for type Leg
}
