package handler_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// deaf is a sink of sessions that are only ended.
type deaf struct{}

func (deaf) Deliver(context.Context, message.Raw) error { return nil }
func (deaf) Close(error)                                {}

// count yields 1 and so on up to n, and then err if there is one.
func count(n int, err error) func(context.Context, string) iter.Seq2[int, error] {
	return func(context.Context, string) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i+1, nil) {
					return
				}
			}
			if err != nil {
				yield(0, err)
			}
		}
	}
}

func TestStreamSendsOneMessagePerValue(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"to its end", nil, "1,2,3"},
		{"no more to say", handler.ErrNoReply, "1,2,3"},
		{"fails", errBoom, "1,2,3,any: " + errBoom.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			handler.Stream(r, "/x/{to}", count(3, c.err), handler.SendTo("/topic/{to}"))
			handler.OnError(r, func(_ context.Context, err error) (string, error) { return "any: " + err.Error(), nil }, handler.SendTo("/topic/t"))
			mustHandle(t, send(r, "/app/x/t", "go"))
			expect(t, "content type", sent.sent[0].Header.Get(message.HeaderContentType), "application/json")
			expect(t, "sent", strings.ReplaceAll(strings.ReplaceAll(sent.lines(), "/topic/t ", ""), "\n", ","), c.want)
		})
	}
}

func TestStreamStopsWhenAValueCannotBeSent(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	sent.err = errBoom
	handler.Stream(r, "/x", count(3, nil))
	expect(t, "error", send(r, "/app/x", "go"), errBoom)
	expect(t, "sent", sent.lines(), "/topic/x 1")
}

func TestStreamStopsWithItsSession(t *testing.T) {
	for _, c := range []struct {
		name string
		end  error // what the source says of the end
	}{{"silent source", nil}, {"source that reports it", context.Canceled}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, sent := newRouter(handler.Config{})
				told := false
				handler.Stream(r, "/ticks", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						for i := 1; ; i++ {
							select {
							case <-ctx.Done():
								told = true
								if c.end != nil {
									yield(0, c.end)
								}
								return
							case <-time.After(time.Second):
							}
							if !yield(i, nil) {
								return
							}
						}
					}
				})
				s := message.NewSession(deaf{}, message.SessionInfo{})
				ended := make(chan error)
				go func() { ended <- sendAs(s, r, "/app/ticks", "") }()
				time.Sleep(3500 * time.Millisecond)
				s.Leave() // the session itself goes on
				mustHandle(t, <-ended)
				expect(t, "the source is told", told, true)
				expect(t, "sent", sent.lines(), "/topic/ticks 1\n/topic/ticks 2\n/topic/ticks 3")
			})
		})
	}
}

// A source that does not look at its context is told by yield.
func TestStreamSendsNothingAfterItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sent := newRouter(handler.Config{})
		s := message.NewSession(deaf{}, message.SessionInfo{})
		stopped := false
		handler.Stream(r, "/x", func(context.Context, struct{}) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				yield(1, nil)
				s.Close(nil)
				synctest.Wait()
				stopped = !yield(2, nil)
			}
		})
		mustHandle(t, sendAs(s, r, "/app/x", ""))
		expect(t, "stopped", stopped, true)
		expect(t, "sent", sent.lines(), "/topic/x 1")
	})
}

func TestStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sent := newRouter(handler.Config{})
		closed := errors.New("node closed")
		ctx, cancel := context.WithCancelCause(t.Context())
		handler.Stream(r, "/x", func(context.Context, struct{}) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				yield(1, nil)
				cancel(closed)
				yield(2, nil)
			}
		})
		expect(t, "error", r.Handle(ctx, message.Raw{Destination: "/app/x"}), closed)
		expect(t, "sent", sent.lines(), "/topic/x 1")
	})
}
