// Package stat summarises measured values.
package stat

import (
	"fmt"
	"math"

	"github.com/headrace/headrace/internal/pairs"
)

// Summary returns "median [first quartile, third quartile]" of a value of all.
func Summary[T any](all []T, value func(T) float64) string {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = value(v)
	}
	return fmt.Sprintf("%s [%s, %s]", round(pairs.Quantile(values, 0.5)), round(pairs.Quantile(values, 0.25)), round(pairs.Quantile(values, 0.75)))
}

// round prints at least three digits, and none behind the point that are not needed
// for them.
func round(v float64) string {
	digits := 2
	if v != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return fmt.Sprintf("%.*f", min(digits, 4), v)
}
