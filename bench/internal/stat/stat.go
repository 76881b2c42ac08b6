// Package stat summarises measured values.
package stat

import (
	"fmt"

	"github.com/headrace/headrace/internal/pairs"
)

// Summary returns "median [first quartile, third quartile]" of a value of all.
func Summary[T any](all []T, value func(T) float64) string {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = value(v)
	}
	return fmt.Sprintf("%.3g [%.3g, %.3g]", pairs.Quantile(values, 0.5), pairs.Quantile(values, 0.25), pairs.Quantile(values, 0.75))
}
