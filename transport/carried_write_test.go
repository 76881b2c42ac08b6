package transport_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/transport"
)

// stuckWriter is a response whose client takes nothing: a write ends when its
// deadline is over.
type stuckWriter struct {
	*httptest.ResponseRecorder
	began chan struct{} // closed when a write blocks
	over  chan struct{} // closed when the deadline is over
	once  sync.Once
}

func (w *stuckWriter) Write([]byte) (int, error) {
	close(w.began)
	<-w.over
	return 0, os.ErrDeadlineExceeded
}

func (w *stuckWriter) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() && time.Until(at) <= 0 {
		w.once.Do(func() { close(w.over) })
	}
	return nil
}

// A write that blocks ends with the connection, however long it may take.
func TestNoWriteOutlivesItsConnection(t *testing.T) {
	for name, end := range map[string]func(*transport.Server, *transport.Carried){
		"server closes": func(s *transport.Server, _ *transport.Carried) { s.Close() },
		"client gone":   func(_ *transport.Server, k *transport.Carried) { k.Gone(transport.ErrLost) },
	} {
		t.Run(name, func(t *testing.T) {
			s := transport.NewServer(transport.Config{WriteTimeout: time.Hour})
			defer s.Close()
			w := &stuckWriter{ResponseRecorder: httptest.NewRecorder(), began: make(chan struct{}), over: make(chan struct{})}
			k, ok := s.Carry(w, httptest.NewRequest(http.MethodGet, "/", nil), transport.CarryConfig{}, func(c *transport.Conn) transport.Protocol {
				return &peer{conn: c, closed: make(chan error, 1)}
			})
			if !ok {
				t.Fatal(w.Code)
			}
			wrote := make(chan error, 1)
			go func() { wrote <- k.Write(w, []byte("x")) }()
			<-w.began
			end(s, k)
			select {
			case err := <-wrote:
				if err == nil {
					t.Error("the write went well")
				}
			case <-time.After(5 * time.Second):
				w.once.Do(func() { close(w.over) })
				t.Errorf("the write went on until it was ended: %v", <-wrote)
			}
		})
	}
}
