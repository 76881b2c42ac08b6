// Package frame reads and writes the frames of STOMP 1.0, 1.1 and 1.2.
//
//	octets, split anywhere ─► Decoder.Decode ─► Frame{Command, Header, Body}
//	Frame, own headers first ─► Append ─────────► octets
//
// The [Decoder] is fed whatever the network delivers; it needs no alignment
// of frames and network messages:
//
//	for {
//		f, rest, ok, err := d.Decode(p)
//		if err != nil {
//			return err // the peer may be told what *frame.DecodeError holds
//		}
//		if !ok {
//			break // wants more octets
//		}
//		handle(f)
//		p = rest
//	}
//
// Heart-beats (end-of-line octets between frames) are consumed in silence: any
// octet is a sign of life, so whoever reads the connection has seen them.
//
// # Ownership
//
// A decoded frame never shares memory with the octets it was decoded from, nor
// with another frame. Its header names and values share one string, so that
// keeping a short value for long (a subscription id, say) keeps all of that
// frame's headers: strings.Clone it.
//
// # Versions
//
// Until the version is negotiated, [Version] zero, the rules of 1.2 hold.
// CONNECT, STOMP and CONNECTED are never escaped, whatever the version.
//
//	                          1.0       1.1         1.2
//	escapes                   none      \n \c \\    \n \c \\ \r
//	CR before the LF          kept      kept        taken off
//	header encoding           any       UTF-8       UTF-8
//	body where none belongs   ignored   an error    an error
//
// A strict decoder, the default, trims no header. A colon that a peer did not escape in a value is
// taken as it is, since the first colon ends the name beyond doubt.
//
// # Lenience
//
// [Decoder.SetLenient] takes, in every version, these and nothing else:
//
//   - A backslash that begins no escape of the version stays as it is: clients
//     that announce 1.1 or 1.2 and write headers unescaped.
//   - Blanks and tabs around names and values are taken off, those of
//     content-length too: clients that follow the samples of 1.0, with their
//     blank after the colon.
//   - A CR before the LF is taken off in 1.0 and 1.1 as in 1.2: clients that
//     write the lines of their platform.
//   - A body where none belongs is read and ignored, as 1.0 says: clients that
//     end each frame with a line end and NUL.
//   - A NUL between frames is ignored: clients whose framing adds its own.
//   - A byte order mark before a command is taken off: clients that write through a
//     text stream.
//
// What is ambiguous stays an error, above all two different content-lengths
// and one that does not end at a NUL.
//
// # Concurrency
//
// A Decoder belongs to one goroutine at a time. Everything else is a value or
// a pure function and may be used from any goroutine. Nothing blocks.
//
// # Errors
//
// [Decoder.Decode] returns a *[DecodeError]; all the others return a
// *[message.Error]. Their texts are written for the peer and repeat at most 16
// capital letters of an unknown command, never a header.
package frame
