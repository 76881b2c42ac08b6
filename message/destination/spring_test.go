package destination_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message/destination"
)

// TestCompareIsAnOrder: what comes before b, and b before c, comes before c; and
// what ties with both is tied between them. Spring's comparator comes full circle
// for some of these.
func TestCompareIsAnOrder(t *testing.T) {
	segments := []string{"a", "b*", "*", "{%d}", "{%d:[a-z]}", "**"}
	texts := []string{""}
	var patterns []destination.Pattern
	for depth := range 3 {
		var longer []string
		for _, text := range texts {
			for _, s := range segments {
				longer = append(longer, text+"/"+strings.Replace(s, "%d", fmt.Sprint("x", depth), 1))
			}
		}
		for _, text := range longer {
			patterns = append(patterns, destination.MustParse(text, slash))
		}
		texts = longer
	}
	slices.SortFunc(patterns, destination.Compare)
	group := make([]int, len(patterns)) // patterns that tie have one number
	for i := range patterns[1:] {
		group[i+1] = group[i] - sign(destination.Compare(patterns[i], patterns[i+1]))
	}
	for i, a := range patterns {
		for j, b := range patterns {
			if got, want := sign(destination.Compare(a, b)), sign(group[i]-group[j]); got != want {
				t.Fatalf("Compare(%q, %q) = %d, and by those between them %d", a, b, got, want)
			}
		}
	}
}
