// Package stat summarises measured values.
package stat

import (
	"fmt"
	"slices"
)

// Quantile returns the q-quantile of values, 0 <= q <= 1, by linear
// interpolation.
func Quantile(values []float64, q float64) float64 {
	values = slices.Sorted(slices.Values(values))
	at := q * float64(len(values)-1)
	i := int(at)
	if i+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}

// Summary returns "median [first quartile, third quartile]" of a value of all.
func Summary[T any](all []T, value func(T) float64) string {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = value(v)
	}
	return fmt.Sprintf("%.3g [%.3g, %.3g]", Quantile(values, 0.5), Quantile(values, 0.25), Quantile(values, 0.75))
}
