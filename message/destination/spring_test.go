package destination_test

import (
	"fmt"
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
	order := make([][]int, len(patterns))
	for i, a := range patterns {
		order[i] = make([]int, len(patterns))
		for j, b := range patterns {
			order[i][j] = sign(destination.Compare(a, b))
		}
	}
	for i, a := range order {
		for j := range a {
			if a[j] != -order[j][i] {
				t.Fatalf("Compare(%q, %q) = %d, and %d the other way", patterns[i], patterns[j], a[j], order[j][i])
			}
			for k := range a {
				if a[j] <= 0 && order[j][k] <= 0 && a[k] != min(a[j], order[j][k]) {
					t.Fatalf("%q, %q, %q come full circle", patterns[i], patterns[j], patterns[k])
				}
			}
		}
	}
}
