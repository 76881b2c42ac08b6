package channel_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// A shutdown that does not end in time says what is left and where it hangs: the one
// message that does, not those that were quick before it and not those behind it.
func TestDrainErrorNamesWhatHangs(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[int]{Name: "orders", Workers: 1, MaxWorkers: 4, Unordered: unordered})
			hang := make(chan struct{})
			channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
				switch {
				case strings.HasPrefix(m.Destination, "/hang"):
					<-hang
				case m.Destination == "/slow":
					time.Sleep(time.Second)
				}
				return nil
			})
			for _, dest := range []string{"/quick", "/slow", "/hang/b", "/hang/a"} {
				for range 2 {
					c.Handle(t.Context(), message.Message[int]{Destination: dest})
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			began := time.Now()
			err := c.Shutdown(ctx)
			e, ok := errors.AsType[*channel.DrainError](err)
			if !ok || time.Since(began) != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
			if e.Channel != "orders" || e.Left != 4 || !slices.Equal(e.Running, []string{"/hang/a", "/hang/b"}) {
				t.Errorf("got %+v", e)
			}
			if want := "channel orders: 4 messages not handled yet, workers are busy with /hang/a, /hang/b: context deadline exceeded"; err.Error() != want {
				t.Errorf("%q", err)
			}
			close(hang)
			c.Close()
		})
	}
}

// Within a key the message is named that hangs, and what waits behind it at most.
func TestDrainErrorWithinAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Key: func(message.Message[int]) string { return "one" }})
		hang := make(chan struct{})
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			time.Sleep(10 * time.Millisecond)
			if m.Payload == 20 {
				<-hang
			}
			return nil
		})
		for i := range 30 {
			c.Handle(t.Context(), message.Message[int]{Destination: "/" + strconv.Itoa(i), Payload: i})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e, ok := errors.AsType[*channel.DrainError](c.Shutdown(ctx))
		if !ok || e.Left != 10 || e.Running[0] != "/20" || len(e.Running) > 10 {
			t.Errorf("got %+v", e)
		}
		close(hang)
		c.Close()
	})
}

// What is told of what is left is bounded, and a message without a destination has its
// kind there.
func TestDrainErrorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{})
		hang := make(chan struct{})
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-hang; return nil })
		c.Handle(t.Context(), message.Message[int]{Kind: message.KindConnect})
		for i := range 100 {
			c.Handle(t.Context(), message.Message[int]{Destination: "/" + strings.Repeat("x", 1000*(i%2)) + strconv.Itoa(i)})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Shutdown(ctx)
		e, ok := errors.AsType[*channel.DrainError](err)
		if !ok || e.Left != 101 || len(e.Running) != 16 || len(err.Error()) > 4000 {
			t.Errorf("%d octets, %+v", len(err.Error()), e)
		}
		close(hang)
		c.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{})
		hang := make(chan struct{})
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-hang; return nil })
		c.Handle(t.Context(), message.Message[int]{Kind: message.KindConnect})
		synctest.Wait()
		if s := c.Stats(); s.Ready != 0 {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e, ok := errors.AsType[*channel.DrainError](c.Shutdown(ctx))
		if !ok || !slices.Equal(e.Running, []string{"connect"}) {
			t.Errorf("got %+v", e)
		}
		close(hang)
		c.Close()
	})
}

// Stats.Ready tells that all workers are blocked.
func TestReadyTellsThatWorkersAreBlocked(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[int]{Workers: 2, MaxWorkers: 2, Unordered: unordered})
			hang := make(chan struct{})
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-hang; return nil })
			for i := range 5 {
				c.Handle(t.Context(), message.Message[int]{Destination: strconv.Itoa(i)})
			}
			time.Sleep(time.Second)
			if s := c.Stats(); s.Ready != 3 || s.Handled != 0 {
				t.Errorf("unordered %v: %+v", unordered, s)
			}
			close(hang)
			synctest.Wait()
			if s := c.Stats(); s.Ready != 0 || s.Handled != 5 {
				t.Errorf("unordered %v: %+v", unordered, s)
			}
			c.Close()
		})
	}
}
