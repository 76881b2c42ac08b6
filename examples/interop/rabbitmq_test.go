package interop_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/headrace/headrace/examples/internal/need"
)

// The program itself: the one in the path wants to be another user's.
const rabbitMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	program, epmd := need.Program(t, rabbitMQ), need.Program(t, "epmd")
	addrs := freeAddrs(t, 5)
	stomp, webStomp, amqp, names, peers := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	environment := append(rabbitMQHome(t, stomp, webStomp, amqp),
		"ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+port(names), "RABBITMQ_DIST_PORT="+port(peers))

	// RabbitMQ would start a name server itself, and leave it running.
	(&process{t: t, args: []string{epmd, "-port", port(names), "-address", "127.0.0.1"}, addrs: []string{names}}).launch()
	p := &process{t: t, args: []string{program}, env: environment, addrs: []string{stomp, webStomp}}
	p.launch()

	s := server{name: regexp.MustCompile(`^RabbitMQ/3\.\d+\.\d+$`), process: p}
	t.Run("tcp", func(t *testing.T) {
		s.url = "tcp://" + stomp
		s.run(t)
	})
	t.Run("ws", func(t *testing.T) {
		s.url, s.abrupt = "ws://"+webStomp+"/ws", true
		s.run(t)
	})
}

// rabbitMQHome writes the files of a node that shares nothing with another one
// on the machine, and returns the environment that says where they are.
func rabbitMQHome(t *testing.T, stomp, webStomp, amqp string) []string {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{
		"enabled_plugins": "[rabbitmq_stomp,rabbitmq_web_stomp].\n",
		"rabbitmq.conf": fmt.Sprintf("listeners.tcp.1 = %s\nstomp.listeners.tcp.1 = %s\nweb_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = %s\n"+
			"disk_free_limit.absolute = 1MB\nlog.console = true\nlog.console.level = warning\nlog.file = false\n", amqp, stomp, port(webStomp)),
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,               // and the cookie in it
		"RUNNING_UNDER_SYSTEMD=true", // the script becomes the server, so that its id is the server's
		"RABBITMQ_NODENAME=interop@localhost",
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(home, "none"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(home, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(home, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(home, "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(home, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(home, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
}

// port returns the port of an address.
func port(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	return port
}
