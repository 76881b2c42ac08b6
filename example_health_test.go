package headrace_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/headrace/headrace"
)

// Probes of Kubernetes and load balancers ask the server that clients come to: it
// answers as long as the node lives, also while it drains.
func ExampleNode_Readyz() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	mux := http.NewServeMux()
	mux.Handle("/livez", node.Livez())
	mux.Handle("/readyz", node.Readyz())
	// node.Serve(ctx, &http.Server{Addr: ":8080", Handler: mux}, stomp)

	for _, path := range []string{"/livez", "/readyz"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(path, " ", answer.Code, " ", answer.Body)
	}
	// Output:
	// /livez 200 {"live":true,"ready":false,"reasons":["starting"]}
	// /readyz 503 {"live":true,"ready":false,"reasons":["starting"]}
}

func ExampleNode_Health() {
	node := headrace.New(headrace.Config{})
	fmt.Println(node.Health())
	node.Close()
	fmt.Println(node.Health())
	// Output:
	// {true false [starting]}
	// {false false [closed]}
}
