package soak

import (
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// cycles are the transports, each with a client that comes, gets a message and
// goes.
var cycles = []struct {
	name  string
	cycle func(*site.Site) error
}{
	{"ws", stompCycle("ws")},
	{"wss", stompCycle("wss")},
	{"tcp", stompCycle("tcp")},
	{"tls", stompCycle("tls")},
	{"sockjs websocket", sockWebSocketCycle},
	{"sockjs xhr-polling", sockPollingCycle},
}

func stompCycle(scheme string) func(*site.Site) error {
	return func(s *site.Site) error {
		c, err := load.Connect(s.URL(scheme), load.Options{})
		if err != nil {
			return err
		}
		defer c.Close()
		own := "/queue/" + c.LocalAddr().String()
		if err := c.Subscribe("0", own); err != nil {
			return err
		}
		if err := c.Publish(own, "hello"); err != nil {
			return err
		}
		if _, err := c.Frame(); err != nil {
			return err
		}
		return c.Disconnect()
	}
}

// Clients that come and go leave nothing behind, whatever the transport.
func TestR19NoLeak(t *testing.T) {
	for _, tr := range cycles {
		t.Run(tr.name, func(t *testing.T) {
			n, atOnce := size(60, 10000), 10
			s := here(t, site.Config{})
			come := func(n int) {
				_, err := load.Each(n, atOnce, func(int) (struct{}, error) { return struct{}{}, tr.cycle(s) })
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, "all are gone", 20*time.Second, func() bool {
					now := s.Stats()
					return now.Open == 0 && now.Sessions == 0 && now.Known == 0
				})
			}
			come(max(n/10, 5*atOnce)) // pools and tables reach their size
			goroutines, heap := runtime.NumGoroutine(), heapAfterGC()
			come(n)
			eventually(t, "as many goroutines as before", 20*time.Second, func() bool {
				return runtime.NumGoroutine() <= goroutines+5+2*runtime.GOMAXPROCS(0) // workers and flushers come and go
			})
			after := heapAfterGC()
			t.Logf("%d clients: %d goroutines before and %d after, %d KB of heap before and %d after",
				n, goroutines, runtime.NumGoroutine(), heap>>10, after>>10)
			// Caches may fill; a leak of 100 bytes a client would be a megabyte of the long form.
			if after > heap+heap/100+1<<20 {
				t.Errorf("%d KB of heap before and %d after", heap>>10, after>>10)
			}
			if leaks := pprof.Lookup("goroutineleak"); leaks != nil && leaks.Count() > 0 { // with GOEXPERIMENT=goroutineleakprofile
				t.Errorf("%d goroutines can never go on", leaks.Count())
			}
		})
	}
}

// heapAfterGC returns the bytes that are in use; two collections empty the pools.
func heapAfterGC() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
