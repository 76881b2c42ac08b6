package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// missing is an engine that tells of what did not come.
type missing struct {
	*gauge
	missed func(topic string)
}

func (e *missing) WatchMisses(missed func(topic string)) (stop func()) {
	e.missed = missed
	return func() { e.missed = nil }
}

// Nobody resumes over what did not come on a topic; elsewhere everybody does.
func TestNobodyResumesOverWhatIsMissed(t *testing.T) {
	for name, check := range map[string]struct {
		everywhere bool
		topic      string
		want       map[string]string
	}{
		"of a destination": {false, "/topic/x", map[string]string{"/topic/x": "false", "/topic/y": "true", "/local/x": "true", "/other": "true"}},
		"of a rule":        {true, "/topic", map[string]string{"/topic/x": "false", "/topic/y": "false", "/local/x": "true", "/other": "true"}},
		"of a local one":   {false, "/local/x", map[string]string{"/topic/x": "true", "/topic/y": "true", "/local/x": "true", "/other": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &missing{gauge: newGauge()}
				engine.durable = true
				keeps := broker.History{Messages: 10, Age: time.Minute}
				a := node(t, engine, "a",
					broker.Rule{Prefix: "/topic", History: keeps, Everywhere: check.everywhere},
					broker.Rule{Prefix: "/local", History: keeps, Local: true},
					broker.Rule{Prefix: "/other", History: keeps})
				last := make(map[string]message.Raw)
				for dest := range check.want {
					c := a.joined(dest)
					a.sendNumbers(dest, 0, 1)
					last[dest] = c.wantDeliveries(t, "0")[0]
				}
				engine.missed(check.topic)
				for dest, want := range check.want {
					if _, first := a.resumeAt(last[dest]); first.Header.Get(message.HeaderRecovered) != want {
						t.Errorf("at %s a client is told %v, want %s", dest, first.Header, want)
					}
				}
				a.b.(broker.Broker).Close()
				if engine.missed != nil {
					t.Error("a broker that is closed is still told")
				}
			})
		})
	}
}
