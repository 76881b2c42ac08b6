package transport

import (
	"encoding/binary"
	"math/bits"
)

// frameHeader is the header of a client's frame (RFC 6455, section 5.2), which
// may come in pieces. Once it is complete, length and mask are those of the
// payload that is still to come.
type frameHeader struct {
	octets [14]byte
	n      int // how many of octets came
	length uint64
	mask   uint32
}

func (h *frameHeader) opcode() byte   { return h.octets[0] & 0xF }
func (h *frameHeader) final() bool    { return h.octets[0]&0x80 != 0 }
func (h *frameHeader) packed() bool   { return h.octets[0]&0x40 != 0 } // RSV1 (RFC 7692, section 6)
func (h *frameHeader) control() bool  { return h.opcode()&0x8 != 0 }
func (h *frameHeader) complete() bool { return h.n >= 2 && h.n == h.size() }
func (h *frameHeader) reset()         { h.n = 0 }

// size is how long the header is, as its second octet says.
func (h *frameHeader) size() int {
	switch h.octets[1] & 0x7F {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// feed takes what p has of the header and returns how much that was. The first
// two octets are judged as soon as they are there.
func (h *frameHeader) feed(p []byte) (n int, err error) {
	if h.n < 2 {
		n = copy(h.octets[h.n:2], p)
		if h.n += n; h.n < 2 {
			return n, nil
		}
		if err := h.check(); err != nil {
			return n, err
		}
	}
	more := copy(h.octets[h.n:h.size()], p[n:])
	h.n += more
	if h.complete() {
		err = h.parse()
	}
	return n + more, err
}

// check judges the first two octets.
func (h *frameHeader) check() error {
	const rsv2, rsv3, masked = 0x20, 0x10, 0x80
	length := h.octets[1] & 0x7F
	switch op := h.opcode(); {
	case h.octets[0]&(rsv2|rsv3) != 0:
		return violation("reserved bits")
	case op > opBinary && op < opClose || op > opPong:
		return violation("reserved opcode")
	case h.octets[1]&masked == 0:
		return violation("frame without a mask")
	case h.control() && !h.final():
		return violation("fragmented control frame")
	case h.control() && length > maxControl:
		return violation("control frame too long")
	}
	return nil
}

// parse reads length and mask of a complete header.
func (h *frameHeader) parse() error {
	b := h.octets[2:h.size()]
	least := uint64(0) // what the length must be for its form
	switch h.octets[1] & 0x7F {
	case 126:
		h.length, least = uint64(binary.BigEndian.Uint16(b)), 126
	case 127:
		h.length, least = binary.BigEndian.Uint64(b), 1<<16
	default:
		h.length = uint64(h.octets[1] & 0x7F)
	}
	if h.length < least || h.length > 1<<63-1 {
		return violation("malformed length")
	}
	h.mask = binary.LittleEndian.Uint32(b[len(b)-4:])
	return nil
}

// unmask decodes the next p of the payload in place (RFC 6455, section 5.3).
func (h *frameHeader) unmask(p []byte) []byte {
	h.length -= uint64(len(p))
	wide := uint64(h.mask)<<32 | uint64(h.mask)
	rest := p
	for ; len(rest) >= 8; rest = rest[8:] {
		binary.LittleEndian.PutUint64(rest, binary.LittleEndian.Uint64(rest)^wide)
	}
	for i := range rest {
		rest[i] ^= byte(h.mask >> (i % 4 * 8))
	}
	h.mask = bits.RotateLeft32(h.mask, -8*(len(rest)%4))
	return p
}
