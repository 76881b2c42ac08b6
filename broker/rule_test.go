package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
)

// TestRulesPanic: rules that cannot be meant are mistakes of the program.
func TestRulesPanic(t *testing.T) {
	for _, tc := range []struct {
		rules []broker.Rule
		want  string
	}{
		{[]broker.Rule{{Prefix: "/a"}, {Prefix: "/a/"}}, "two rules for /a"},
		{[]broker.Rule{{Prefix: "/a", Mode: broker.Queue, Retain: true}}, `the queues of "/a" keep no history`},
		{[]broker.Rule{{Prefix: "/a", Mode: broker.Queue, History: broker.History{Messages: 1}}}, `the queues of "/a" keep no history`},
		{[]broker.Rule{{Prefix: "/a", Acks: broker.Acks{DeadLetter: "/b/x"}}, {Prefix: "/b", Acks: broker.Acks{DeadLetter: "/a/x"}}}, `dead letters of "/a" go round in a circle`},
		{[]broker.Rule{{Acks: broker.Acks{Prefetch: -1}}}, `a bound of "" is negative`},
		{[]broker.Rule{{Backlog: broker.Backlog{Messages: -1}}}, `a bound of "" is negative`},
		{[]broker.Rule{{Backlog: broker.Backlog{Bytes: -1}}}, `a bound of "" is negative`},
	} {
		for name, build := range map[string]func(){
			"memory": func() { broker.NewMemory(outbound, broker.Config{Rules: tc.rules}) },
			"users":  func() { broker.NewUsers(outbound, broker.UsersConfig{Rules: tc.rules}) },
		} {
			t.Run(name+" "+tc.want, func(t *testing.T) {
				defer func() {
					if v := fmt.Sprint(recover()); !strings.Contains(v, tc.want) {
						t.Errorf("panic %q, want %q", v, tc.want)
					}
				}()
				build()
			})
		}
	}
}

// Dead letters of a place for dead letters have none: that is no circle.
func TestRulesMayHaveOnePlaceForDeadLetters(t *testing.T) {
	rules := []broker.Rule{
		{Acks: broker.Acks{DeadLetter: "/queue/dead"}},
		{Prefix: "/topic", Acks: broker.Acks{DeadLetter: "/queue/first"}},
	}
	broker.NewMemory(outbound, broker.Config{Rules: rules}).Close()
}
