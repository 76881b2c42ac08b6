package destination_test

import (
	"fmt"
	"slices"

	"github.com/headrace/headrace/message/destination"
)

func ExampleParse() {
	p, err := destination.Parse("/trade/{symbol:[A-Z]{3,4}}/**", destination.Slash)
	fmt.Println(p, err, p.Names())
	_, err = destination.Parse("/trade/{symbol", destination.Slash)
	fmt.Println(err)
	// Output:
	// /trade/{symbol:[A-Z]{3,4}}/** <nil> [symbol]
	// destination: pattern "/trade/{symbol", position 7: '{' without '}'
}

func ExamplePattern_Capture() {
	p := destination.MustParse("red.{color}.green{n}", destination.Dot)
	vars, ok := p.Capture("red.blue.green7")
	n, _ := vars.Get("n")
	fmt.Println(ok, vars, n)
	// Output: true [{color blue} {n 7}] 7
}

func ExampleCompare() {
	patterns := []destination.Pattern{
		destination.MustParse("/**", destination.Slash),
		destination.MustParse("/hotels/**", destination.Slash),
		destination.MustParse("/hotels/*", destination.Slash),
		destination.MustParse("/hotels/{hotel}", destination.Slash),
		destination.MustParse("/hotels/new", destination.Slash),
	}
	slices.SortFunc(patterns, destination.Compare)
	fmt.Println(patterns)
	// Output: [/hotels/new /hotels/{hotel} /hotels/* /hotels/** /**]
}

func ExampleIndex() {
	var subscriptions destination.Index[string]
	subscriptions.Add(destination.MustParse("/topic/price.*", destination.Slash), "all prices")
	ibm := subscriptions.Add(destination.MustParse("/topic/price.ibm", destination.Slash), "one price")
	show := func() { fmt.Println(slices.Sorted(subscriptions.Match("/topic/price.ibm"))) }

	show()
	subscriptions.Remove(ibm)
	show()
	// Output:
	// [all prices one price]
	// [all prices]
}

// A router keeps its routes in an index too, and takes the most specific of those that
// match.
func ExampleIndex_router() {
	type route struct {
		pattern destination.Pattern
		handler string
	}
	var routes destination.Index[route]
	for text, handler := range map[string]string{
		"/trade/{symbol}": "one", "/trade/**": "any", "/trade/{symbol}/{field}": "field", "/trade/all": "all",
	} {
		p := destination.MustParse(text, destination.Slash)
		routes.Add(p, route{p, handler})
	}
	for _, dest := range []string{"/trade/ibm", "/trade/all", "/trade/ibm/price", "/trade/a/b/c"} {
		var best route
		for r := range routes.Match(dest) {
			if best.handler == "" || destination.Compare(r.pattern, best.pattern) < 0 {
				best = r
			}
		}
		vars, _ := best.pattern.Capture(dest)
		fmt.Println(dest, best.handler, vars)
	}
	// Output:
	// /trade/ibm one [{symbol ibm}]
	// /trade/all all []
	// /trade/ibm/price field [{symbol ibm} {field price}]
	// /trade/a/b/c any []
}
