package transport

// batch is a run of frames that is being written.
type batch struct {
	frames []*Frame
	index  int // of the first frame that is not written
	offset int // bytes of it that are
}

func newBatch(frames []*Frame, offset int) batch {
	b := batch{frames: frames, offset: offset}
	b.advance(0) // past frames of no bytes: writing nothing blocks on a pipe
	return b
}

func (b *batch) done() bool { return b.index == len(b.frames) }

// rest returns the frames that are not completely written.
func (b *batch) rest() []*Frame { return b.frames[b.index:] }

// size returns how many bytes are not written.
func (b *batch) size() int {
	n := -b.offset
	for _, f := range b.rest() {
		n += len(f.wire)
	}
	return n
}

// next returns the next bytes to write, at most cap(buf): as many whole frames
// as fit, joined in buf, or, where not even two do, a piece of the first frame
// itself.
func (b *batch) next(buf []byte) []byte {
	rest := b.rest()
	first := rest[0].wire[b.offset:]
	if len(rest) == 1 || len(first)+len(rest[1].wire) > cap(buf) {
		return first[:min(len(first), cap(buf))]
	}
	buf = append(buf[:0], first...)
	for _, f := range rest[1:] {
		if len(buf)+len(f.wire) > cap(buf) {
			break
		}
		buf = append(buf, f.wire...)
	}
	return buf
}

// advance says that n more bytes are written and returns the frames that this
// completes.
func (b *batch) advance(n int) []*Frame {
	first := b.index
	b.offset += n
	for !b.done() && b.offset >= len(b.frames[b.index].wire) {
		b.offset -= len(b.frames[b.index].wire)
		b.index++
	}
	return b.frames[first:b.index]
}

func (b *batch) last() *Frame { return b.frames[len(b.frames)-1] }
