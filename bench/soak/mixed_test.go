package soak

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// sample is what the server took at a time.
type sample struct {
	at       time.Duration
	resident int64
}

// slope returns by how much a second what the server took grew, by least squares, and
// the mean.
func slope(all []sample) (perSecond, mean float64) {
	var at float64
	for _, s := range all {
		at += s.at.Seconds() / float64(len(all))
		mean += float64(s.resident) / float64(len(all))
	}
	var both, square float64
	for _, s := range all {
		d := s.at.Seconds() - at
		both += d * (float64(s.resident) - mean)
		square += d * d
	}
	return both / square, mean
}

func TestSlope(t *testing.T) {
	for name, c := range map[string]struct {
		grows, noise int64 // bytes a second, and bytes up and down
	}{"flat": {}, "noisy": {noise: 1000}, "grows": {grows: 300}, "grows noisily": {grows: 300, noise: 1000}} {
		var all []sample
		for i := range int64(1000) {
			all = append(all, sample{time.Duration(i) * time.Second, 1e6 + i*c.grows + (i%2*2-1)*c.noise})
		}
		if got, _ := slope(all); got < float64(c.grows)-1 || got > float64(c.grows)+1 {
			t.Errorf("%s: %.1f bytes a second, want %d", name, got, c.grows)
		}
	}
}

// goOn does something until stop is closed, so long after each time, and counts errors.
func goOn(stop chan struct{}, pause time.Duration, errs *errorCount, do func() error) {
	for {
		if err := do(); err != nil {
			errs.add(err)
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// errorCount counts errors and keeps the first.
type errorCount struct {
	n     atomic.Int64
	first sync.Once
	err   error
}

func (c *errorCount) add(err error) {
	c.first.Do(func() { c.err = err })
	c.n.Add(1)
}

// Sessions that stay, that come and go over every transport, and messages to all of them:
// the server goes on without an error and does not grow.
func TestR28MixedTraffic(t *testing.T) {
	const topics = 10
	n, lasts := size(100, 2000), phase(6*time.Second, 30*time.Minute)
	server := serve(t, site.Config{})
	where := &site.Site{}
	for _, scheme := range schemes {
		where.URLs = append(where.URLs, server.URL(scheme))
	}
	const period = 10 * time.Second
	var all []*load.Client
	for i := range topics {
		url := where.URL(schemes[i%len(schemes)])
		all = append(all, subscribers(t, url, n/topics, fmt.Sprint(topic, i), load.Options{Heartbeat: beats(period)})...)
	}
	swarm := load.KeepAlive(all, period)
	defer swarm.Close()

	var traffic sync.WaitGroup
	var errs errorCount
	var came, published atomic.Int64
	stop := make(chan struct{})
	publisher := must(load.Connect(where.URL("tcp"), load.Options{}))(t)
	defer publisher.Close()
	traffic.Go(func() {
		body := strings.Repeat("x", 512)
		goOn(stop, 50*time.Millisecond, &errs, func() error {
			return publisher.Publish(fmt.Sprint(topic, published.Add(1)%topics), body)
		})
	})
	for _, tr := range cycles {
		traffic.Go(func() {
			goOn(stop, 100*time.Millisecond, &errs, func() error { came.Add(1); return tr.cycle(where) })
		})
	}

	began, every := time.Now(), lasts/60
	var samples []sample
	tick := time.NewTicker(every)
	defer tick.Stop()
	for now := range tick.C {
		if at := now.Sub(began); at > lasts {
			break
		} else if at > lasts/4 { // by now caches have their size
			samples = append(samples, sample{at, must(server.Resident())(t)})
		}
	}
	close(stop)
	traffic.Wait()

	grows, mean := slope(samples)
	watched := (samples[len(samples)-1].at - samples[0].at).Seconds()
	perHour := 100 * grows * 3600 / mean
	t.Logf("%d sessions stayed for %v, %d came and went, %d messages published, %d errors; %.1f MB resident, %+.2f %% an hour",
		n, lasts, came.Load(), published.Load(), errs.n.Load(), mean/(1<<20), perHour)
	if errs.n.Load() > 0 || swarm.Ended() > 0 {
		t.Errorf("%d errors, the first %v; %d of those that stay lost their connection", errs.n.Load(), errs.err, swarm.Ended())
	}
	// What a measurement of resident memory is off by counts less the longer it goes on.
	if limit := mean*.01*watched/3600 + size(16.0, 2)*(1<<20); grows*watched > limit {
		t.Errorf("grew by %.1f MB in %.0f s, want at most %.1f", grows*watched/(1<<20), watched, limit/(1<<20))
	}
}
