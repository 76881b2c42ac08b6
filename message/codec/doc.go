// Package codec turns payloads into Go values and back, by content type.
//
//	wire ── content-type, bytes ──► Decode[T] ──► T ──► handler ──► reply ──► Encode ── bytes, content-type ──► wire
//	                                   └──────── Set: JSON, Text, Bytes, yours ────────┘
//
// The content type decides. Without one the Go type does: a []byte is taken
// untouched, a string, or a pointer to one, is UTF-8 text, everything else is JSON.
//
//	trade, err := codec.Decode[Trade](nil, "application/json", payload)
//	payload, contentType, err := codec.Encode(nil, "", result)
//
// A nil [Set] serves the built-in codecs [JSON], [Text] and [Bytes]. More are
// given to [NewSet]; they come before the built-in ones, so a stricter JSON is
//
//	set := codec.NewSet(codec.JSON{Strict: true})
//
// and [Set.Strict] insists on a content type.
//
// # Concurrency
//
// A Set does not change once it was made. Everything here may be called from
// any goroutine and blocks on nothing.
//
// # Errors
//
// What a payload gets wrong is an authored [message.Error] with CodeInvalid. It
// says what was expected and where, in terms of the payload: of the program it
// shows the name of the type alone. Sizes are bounded by the adapter before a
// payload comes here, the depth of JSON by encoding/json (10,000 levels).
package codec
