package codec

// Codec reads and writes the payloads of some media types. Its methods are
// called from any number of goroutines at once.
type Codec interface {
	// MediaTypes returns the media types that the codec serves, in lower case
	// and without parameters. One * may stand for any text after the slash:
	// "text/*", "application/*+json"; "*/*" serves all. It is called once, by
	// [NewSet].
	MediaTypes() []string
	// Marshal returns the payload for v. An error becomes a message.Error with
	// CodeInternal: the client cannot help it.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads payload into the value that v points to. It must not
	// write to payload, and what it stores may share its bytes. An authored
	// message.Error is shown to the client as it is; any other becomes "payload
	// is not valid <media type> for type <type>".
	Unmarshal(payload []byte, v any) error
}
