// Package pairs compares two pieces of code by runs in turn (A B A B ...), so
// that what else the machine does hits both alike. Benchmarks and tests use it.
package pairs

import (
	"fmt"
	"slices"
	"time"
)

// Result is the outcome of a comparison.
type Result struct {
	// Name says what was compared.
	Name string
	// A and B are the median times of one operation.
	A, B time.Duration
	// Ratio is the median of the pairs' A/B; Q1 and Q3 are its quartiles.
	Ratio, Q1, Q3 float64
	a, b          float64
	n             int
}

// Compare runs a and b in turn, n pairs after one unmeasured pair, and divides
// their times by ops, the operations in one run.
func Compare(name string, n, ops int, a, b func()) Result {
	measure(a)
	measure(b)
	var as, bs, ratios []float64
	for i := range n {
		var ta, tb float64
		if i%2 == 0 {
			ta, tb = measure(a), measure(b)
		} else {
			tb, ta = measure(b), measure(a)
		}
		as, bs, ratios = append(as, ta), append(bs, tb), append(ratios, ta/tb)
	}
	r := Result{Name: name, Ratio: Quantile(ratios, 0.5), Q1: Quantile(ratios, 0.25), Q3: Quantile(ratios, 0.75), n: n}
	r.a, r.b = Quantile(as, 0.5)/float64(ops), Quantile(bs, 0.5)/float64(ops)
	r.A, r.B = time.Duration(r.a), time.Duration(r.b)
	return r
}

func measure(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start))
}

// Quantile returns the q-quantile of values, 0 <= q <= 1, by linear
// interpolation. It sorts values.
func Quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	i := int(at)
	if i+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}

// String returns one line: ratio with quartiles, then the absolute times.
func (r Result) String() string {
	return fmt.Sprintf("%-34s ratio %.2f [%.2f %.2f]  %8.1f ns / %8.1f ns  (%d pairs)", r.Name, r.Ratio, r.Q1, r.Q3, r.a, r.b, r.n)
}
