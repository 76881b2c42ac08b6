// Package rabbitmq is what the examples need of a RabbitMQ, which they do not start
// themselves: whether it is there, and how to start it where it is not.
package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/stompadapter/client"
)

// Usage is that of the flag which says where it is.
const Usage = "`ADDRESS` at which RabbitMQ speaks STOMP, with the user guest"

// howToStart is for who has none.
const howToStart = `Start one, and then this program again. With Docker:

  docker run --rm --name rabbitmq -p 127.0.0.1:61613:61613 rabbitmq:3 \
    sh -c 'rabbitmq-plugins enable --offline rabbitmq_stomp && exec docker-entrypoint.sh rabbitmq-server'

On Debian or Ubuntu, as root:

  apt-get install rabbitmq-server && rabbitmq-plugins enable rabbitmq_stomp

Where it is elsewhere: -rabbitmq HOST:PORT`

// Check logs in at addr and leaves again. Its error says how to start a RabbitMQ.
func Check(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, client.Config{URL: "tcp://" + addr, Host: "/", Login: "guest", Passcode: "guest"})
	if err != nil {
		return fmt.Errorf("no RabbitMQ that lets guest in by STOMP at %s: %w\n\n%s", addr, err, howToStart)
	}
	return c.Close(ctx)
}
