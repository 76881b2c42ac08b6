package e2e_test

import "testing"

// TestClients lets clients of npm, as their authors released them, use the
// examples. Each has a server of its own. They run at once, because they wait
// for heart-beats most of the time.
func TestClients(t *testing.T) {
	type run struct {
		*script
		server *program
	}
	var runs []run
	for _, c := range []struct{ script, example string }{
		{"stompjs.js", "broker"},
		{"rx-stomp.js", "broker"},
		{"stomp.js", "broker"},
		{"webstomp.js", "broker"},
		{"sockjs.js", "echo"},
	} {
		server := start(t, c.example, "localhost:0")
		runs = append(runs, run{node(t, c.script, "http://"+server.addr), server})
	}
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			r.wait(t, func(line string) {
				if line != "restart the server" {
					unheard(t)(line)
				}
				r.server.stop(t)
				start(t, "broker", r.server.addr)
			})
		})
	}
}
