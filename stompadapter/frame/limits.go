package frame

import (
	"cmp"
	"fmt"
)

// Limits bound what a [Decoder] takes and buffers. They are checked while the
// octets arrive, before they are kept, and count a frame whole, over however
// many network messages it was spread. All are octets but Headers.
type Limits struct {
	// Frame bounds a frame: command, headers, their line ends and the body.
	// Zero means 64 KiB.
	Frame int
	// LoginFrame takes the place of Frame until [Decoder.SetVersion] is
	// called: what a stranger may send. Zero means 8 KiB.
	LoginFrame int
	// Headers bounds the number of headers in a frame. Zero means 64.
	Headers int
	// HeaderLine bounds one header: name, colon and value as they are on the
	// wire. Zero means 4 KiB.
	HeaderLine int
	// Head bounds the command and all headers with their line ends. Zero means
	// 16 KiB.
	Head int
}

// maxLimit leaves room to add sizes without overflow on any platform.
const maxLimit = 1 << 30

// withDefaults returns l with every zero replaced by its default.
func (l Limits) withDefaults() Limits {
	if min(l.Frame, l.LoginFrame, l.Headers, l.HeaderLine, l.Head) < 0 {
		panic(fmt.Sprintf("frame: negative limit in %+v", l))
	}
	return Limits{
		Frame:      min(cmp.Or(l.Frame, 64<<10), maxLimit),
		LoginFrame: min(cmp.Or(l.LoginFrame, 8<<10), maxLimit),
		Headers:    min(cmp.Or(l.Headers, 64), maxLimit),
		HeaderLine: min(cmp.Or(l.HeaderLine, 4<<10), maxLimit),
		Head:       min(cmp.Or(l.Head, 16<<10), maxLimit),
	}
}
