package pubsub

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	pingEvery   = time.Second
	pingTimeout = 2 * time.Second
)

// Pinger asks an engine whether it is there.
type Pinger struct {
	cancel context.CancelFunc
	asking sync.WaitGroup
}

// Ping asks once, and then each second on a goroutine of its own, until Stop.
func Ping(h *Health, ping func(context.Context) error, log *slog.Logger) *Pinger {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pinger{cancel: cancel}
	there := ask(ctx, h, ping, log, true)
	p.asking.Go(func() {
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				there = ask(ctx, h, ping, log, there)
			case <-ctx.Done():
				return
			}
		}
	})
	return p
}

func ask(ctx context.Context, h *Health, ping func(context.Context) error, log *slog.Logger, before bool) bool {
	asking, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := ping(asking)
	if ctx.Err() != nil {
		return before
	}
	if err != nil && before {
		log.Warn("engine is away", "error", err)
	}
	h.Set(err == nil)
	return err == nil
}

// Stop asks no more.
func (p *Pinger) Stop() {
	p.cancel()
	p.asking.Wait()
}
