package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
)

// The program prints the same each time, but for how long things took.
func Example() {
	measured := &meter{sums: make(map[string]*sum)}
	if err := run(context.Background(), os.Stdout, measured); err != nil {
		fmt.Println(err)
	}
	for _, place := range slices.Sorted(maps.Keys(measured.sums)) {
		fmt.Println(place, measured.sums[place].ends)
	}
	// Output:
	// kim: connect: ok
	// zoe: connect: ok
	// kim: subscribe /topic/acme/orders: ok
	// zoe: subscribe /topic/zenith/orders: ok
	// zoe: subscribe /topic/acme/orders: /topic/acme/orders is not of your tenant
	// zoe: subscribe /topic/*/orders: /topic/*/orders is not of your tenant
	//     kim is sent 7 MILL for acme on /topic/acme/orders
	// kim: data /app/acme/orders/buy {"symbol":"MILL","shares":7}: ok
	// zoe: data /app/acme/orders/buy {"symbol":"MILL","shares":1}: /app/acme/orders/buy is not of your tenant
	//     zoe is sent 3 DAM for zenith on /topic/zenith/orders
	// zoe: data /app/zenith/buy {"symbol":"DAM","shares":3}: ok
	// kim: data /app/acme/orders/buy {"symbol":"MILL","shares":8}: message dropped
	// kim: data /app/acme/orders/buy {"symbol":"MILL","shares":1000}: internal error
	// kim changes to zenith
	// BrokerChannel 3 handled, 0 dropped, 0 failed
	// Inbound 4 handled, 0 dropped, 1 failed
	// Outbound 2 handled, 0 dropped, 1 failed
	// ledger 2 handled, 0 dropped, 1 failed
	// orders 3 handled, 1 dropped, 0 failed
}
