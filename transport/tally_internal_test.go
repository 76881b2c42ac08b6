package transport

import (
	"maps"
	"strconv"
	"sync"
	"testing"
	"unsafe"
)

// However many names there are, and whoever counts them at once, nothing is lost and
// few are kept.
func TestATallyKeepsFewNames(t *testing.T) {
	var one, two tally
	var counting sync.WaitGroup
	for range 4 {
		counting.Go(func() {
			for i := range 1000 {
				one.add("send", 2)
				one.add("name"+strconv.Itoa(i), 1)
				one.add("", 1)
			}
		})
	}
	counting.Wait()
	two.add("send", 1)
	sums := map[string]uint64(nil)
	one.into(&sums)
	two.into(&sums)
	var rest uint64
	for name, n := range sums {
		if name != "send" {
			rest += n
		}
	}
	if len(sums) != 32 || sums["send"] != 8001 || rest != 4000 || sums[otherNames] < 4000-30*4 {
		t.Errorf("%d names: %v", len(sums), sums)
	}
}

// Two names that come first at once get a place each.
func TestATallyLosesNoFirst(t *testing.T) {
	for round := range 2000 {
		var all tally
		var counting sync.WaitGroup
		begin := make(chan struct{})
		for i := range 4 {
			counting.Go(func() {
				<-begin
				all.add("name"+strconv.Itoa(i), 1)
			})
		}
		close(begin)
		counting.Wait()
		var sums map[string]uint64
		if all.into(&sums); len(sums) != 4 {
			t.Fatalf("round %d: %v", round, sums)
		}
	}
}

func TestATallyOfNothing(t *testing.T) {
	var sums map[string]uint64
	if new(tally).into(&sums); sums != nil {
		t.Errorf("%v", sums)
	}
}

// Who counts one name does not slow down who counts another.
func TestACounterHasACacheLine(t *testing.T) {
	if n := unsafe.Sizeof(counter{}); n != 64 {
		t.Errorf("%d bytes", n)
	}
}

// Frames of several names in one write are counted one by one, and those of none in
// the sum alone.
func TestFramesOfAWriteAreCountedByName(t *testing.T) {
	var frames []*Frame
	for _, name := range []string{"a", "a", "", "b", "a", "b", "b"} {
		frames = append(frames, NewNamedFrame(FramingStream, name, []byte("x")))
	}
	s := NewServer(Config{Flushers: 2})
	s.flushers[0].wrote(frames, 7)
	s.flushers[0].wrote(nil, 0)
	s.flushers[1].wrote(frames[:1], 1)
	if st := s.Stats(); st.Frames != 8 || st.Bytes != 8 || !maps.Equal(st.Sent, map[string]uint64{"a": 4, "b": 3}) || st.Received != nil {
		t.Errorf("%+v", st)
	}
}
