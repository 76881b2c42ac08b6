package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/need"
)

// The programs themselves: those in the path want to be another user's.
const (
	rabbitMQ    = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	rabbitMQCtl = "/usr/lib/rabbitmq/bin/rabbitmqctl"
)

// RabbitMQ is a node of RabbitMQ, with the user guest and the passcode guest.
type RabbitMQ struct {
	*Process // the server, to kill and start anew
	// STOMP is where it speaks STOMP over TCP.
	STOMP string
	// WebSTOMP is where it speaks STOMP over WebSocket, below /ws.
	WebSTOMP string
}

// StartRabbitMQ starts a node that shares nothing with another one on the machine. Where it
// is not installed the test does not go on.
func StartRabbitMQ(t testing.TB) *RabbitMQ {
	t.Helper()
	program, epmd := need.Program(t, rabbitMQ), need.Program(t, "epmd")
	addrs := FreeAddrs(t, 5)
	stomp, webSTOMP, amqp, names, peers := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	env := append(rabbitMQHome(t, stomp, webSTOMP, amqp),
		"ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+port(names), "RABBITMQ_DIST_PORT="+port(peers))
	// RabbitMQ would start a name server itself, and leave it running.
	Start(t, Config{Args: []string{epmd, "-port", port(names), "-address", "127.0.0.1"}, Addrs: []string{names}})
	p := Start(t, Config{Args: []string{program}, Env: env, Addrs: []string{stomp, webSTOMP}})
	return &RabbitMQ{Process: p, STOMP: stomp, WebSTOMP: webSTOMP}
}

// rabbitMQHome writes the files of a node, and returns the environment that says where
// they are.
func rabbitMQHome(t testing.TB, stomp, webSTOMP, amqp string) []string {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{
		"enabled_plugins": "[rabbitmq_stomp,rabbitmq_web_stomp].\n",
		"rabbitmq.conf": fmt.Sprintf("listeners.tcp.1 = %s\nstomp.listeners.tcp.1 = %s\nweb_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = %s\n"+
			"disk_free_limit.absolute = 1MB\nlog.console = true\nlog.console.level = warning\nlog.file = false\n", amqp, stomp, port(webSTOMP)),
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home, // and the cookie in it
		"ERL_CRASH_DUMP=" + filepath.Join(home, "erl_crash.dump"),
		"RUNNING_UNDER_SYSTEMD=true", // the script becomes the server, so that its id is the server's
		"RABBITMQ_NODENAME=headrace@localhost",
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(home, "none"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(home, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(home, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(home, "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(home, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(home, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
}

// Control runs rabbitmqctl and returns the lines that it prints.
func (r *RabbitMQ) Control(args ...string) []string {
	r.t.Helper()
	cmd := exec.Command(rabbitMQCtl, append([]string{"--quiet"}, args...)...)
	cmd.Env = r.config.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("rabbitmqctl %s: %v\n%s", args, err, out)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// AddVirtualHost makes a virtual host, where guest may do everything.
func (r *RabbitMQ) AddVirtualHost(name string) {
	r.t.Helper()
	r.Control("await_startup", "--timeout", "60") // it listens before it is ready for this
	r.Control("add_vhost", name)
	r.Control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
}

// Queues returns the names of all queues of the virtual host "/".
func (r *RabbitMQ) Queues() []string {
	r.t.Helper()
	return r.Control("--no-table-headers", "list_queues", "name")
}
