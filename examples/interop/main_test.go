// Package interop_test talks to several servers with the Go client, and asks
// the same of each: our own, and RabbitMQ as Debian packages it.
package interop_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/stompadapter/client"
)

func TestMain(m *testing.M) {
	if addrs := strings.Fields(os.Getenv(serveAt)); len(addrs) == 3 {
		serve(addrs[0], addrs[1], addrs[2])
	}
	os.Exit(m.Run())
}

// Login, passcode and virtual host at every server. Only RabbitMQ looks at the
// last.
const login, passcode, host = "guest", "guest", "/"

// server is one that runs, as the cases see it.
type server struct {
	url     string
	tls     *tls.Config
	name    *regexp.Regexp // what CONNECTED says it is
	abrupt  bool           // answers DISCONNECT by closing the connection, without the receipt
	process *proc.Process
}

// run puts the cases to s.
func (s *server) run(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// dial connects a client whose URL and login are those of s. The end of the
// test closes it.
func (s *server) dial(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	c.URL, c.TLS, c.Login, c.Passcode, c.Host = s.url, s.tls, login, passcode, host
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	cl, err := client.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close(t.Context()) }) // its context is over: whatever is left is cut
	return cl
}

// end closes a client in good order.
func (s *server) end(t *testing.T, c *client.Client) {
	t.Helper()
	if err := c.Close(t.Context()); err != nil && !(s.abrupt && errors.Is(err, client.ErrAway)) {
		t.Fatal(err)
	}
}
