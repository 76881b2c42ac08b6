package interop_test

import (
	"regexp"
	"testing"

	"github.com/headrace/headrace/internal/proc"
)

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	rabbit := proc.StartRabbitMQ(t)
	s := server{name: regexp.MustCompile(`^RabbitMQ/3\.\d+\.\d+$`), process: rabbit.Process}
	t.Run("tcp", func(t *testing.T) {
		s.url = "tcp://" + rabbit.STOMP
		s.run(t)
	})
	t.Run("ws", func(t *testing.T) {
		s.url, s.abrupt = "ws://"+rabbit.WebSTOMP+"/ws", true
		s.run(t)
	})
}
