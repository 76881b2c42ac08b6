package frame_test

import (
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/stompadapter/frame"
)

// BenchmarkRatio runs codec and anchor in turn, so that what else the machine
// does falls on both, and reports the median of the ratios and its quartiles.
func BenchmarkRatio(b *testing.B) {
	for _, c := range []struct {
		name string
		wire []byte
	}{{"decode-small", wireSmall}, {"decode-body-1KiB", wireKiB}} {
		b.Run(c.name, func(b *testing.B) {
			d := decoder(frame.V12)
			reportRatio(b,
				func() { sink, _, _, _ = d.Decode(c.wire) },
				func() { sink = minimalDecode(c.wire) })
		})
	}
	buf := make([]byte, 0, 4096)
	for _, c := range []struct {
		name string
		wire []byte
	}{{"append-small", wireSmall}, {"append-body-1KiB", wireKiB}} {
		f := minimalDecode(c.wire)
		f.Header = f.Header.Without(frame.HeaderContentLength)
		b.Run(c.name, func(b *testing.B) {
			reportRatio(b,
				func() { buf, _ = frame.Append(buf[:0], frame.V12, f) },
				func() { buf = minimalEncode(buf[:0], f) })
		})
	}
}

func reportRatio(b *testing.B, codec, anchor func()) {
	const pairs, rounds = 41, 2000
	spent := func(f func()) float64 {
		start := time.Now()
		for range rounds {
			f()
		}
		return float64(time.Since(start))
	}
	for b.Loop() {
		ratios := make([]float64, pairs)
		for i := range ratios {
			ratios[i] = spent(codec) / spent(anchor)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[pairs/4], "q1-ratio")
		b.ReportMetric(ratios[pairs/2], "median-ratio")
		b.ReportMetric(ratios[3*pairs/4], "q3-ratio")
	}
	b.ReportMetric(0, "ns/op") // means nothing here
}
