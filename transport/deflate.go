package transport

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"sync"
)

// offersDeflate reports whether one of the offers of permessage-deflate (RFC
// 7692, section 7) can be answered as the upgrader answers it: each message is
// compressed for itself. Those that ask for a smaller window of ours cannot.
func offersDeflate(lines []string) bool {
	for offer := range elements(lines) {
		name, parameters, more := strings.Cut(offer, ";")
		if strings.TrimSpace(name) == "permessage-deflate" && (!more || acceptable(parameters)) {
			return true
		}
	}
	return false
}

// acceptable reports whether that can be the answer to an offer with these
// parameters (RFC 7692, section 7.1).
func acceptable(parameters string) bool {
	seen := make(map[string]bool)
	for p := range strings.SplitSeq(parameters, ";") {
		name, _, valued := strings.Cut(strings.TrimSpace(p), "=")
		switch name {
		case "client_max_window_bits": // ours is the largest, which reads all
		case "client_no_context_takeover", "server_no_context_takeover":
			if valued {
				return false
			}
		default:
			return false
		}
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// maxPacked is the largest compressed message where there is no limit: it is
// gathered before it is inflated.
const maxPacked = 16 << 20

// deflateTail is what a sender takes off each message (RFC 7692, section
// 7.2.2), and a last block, which makes the end an end.
const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate hands over what a compressed message holds, piece by piece, and stops
// as soon as that is more than limit bytes.
func inflate(pack []byte, limit int64, each func(p []byte) error) error {
	fr := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(fr)
	fr.(flate.Resetter).Reset(io.MultiReader(bytes.NewReader(pack), strings.NewReader(deflateTail)), nil)
	buf := scratches.Get().(*[scratchBytes]byte)
	defer scratches.Put(buf)
	for total := int64(0); ; {
		n, err := fr.Read(buf[:])
		if total += int64(n); limit > 0 && total > limit {
			return errTooLarge
		}
		if n > 0 {
			if err := each(buf[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return violation("malformed compression")
		}
	}
}
