package messagetest

import (
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a client whose next answer is known.
type answers struct {
	AdapterClient
	after    time.Duration
	received Received
	err      error
}

func (a answers) Next() (Received, error) {
	time.Sleep(a.after)
	return a.received, a.err
}

// A connection that is left open is told from one that ends.
func TestEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		client answers
		ended  bool
	}{
		"ends":        {answers{err: io.EOF}, true},
		"ends late":   {answers{err: io.EOF, after: patience - time.Second}, true},
		"is open":     {answers{err: os.ErrDeadlineExceeded, after: patience}, false},
		"is not over": {answers{received: Received{Kind: ReceivedReceipt}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := ended(tt.client); (err == nil) != tt.ended {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
