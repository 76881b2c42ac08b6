package load

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Paced is a publisher that sends at a fixed rate, and its subscribers.
type Paced struct {
	// Subscribers read, Slow ones connect, subscribe and never read on.
	Subscribers, Slow int
	// Rate is how many messages are published in a second.
	Rate int
	// Bytes is the size of a message's body.
	Bytes int
	// For is how long it goes on.
	For time.Duration
}

// stampBytes is the length of a time in nanoseconds, with which a body begins.
const stampBytes = 19

const pacedTopic = "/topic/paced"

// Run connects all, publishes, waits until every subscriber has everything, and
// returns how long the messages took from the time that they were due. Started is
// called when the first is about to be published; it may be nil.
func (p Paced) Run(url string, started func()) (*Histogram, error) {
	publisher, err := Connect(url, Options{})
	if err != nil {
		return nil, err
	}
	defer publisher.Close()
	slow, err := Subscribers(url, p.Slow, pacedTopic, Options{Window: 4 << 10})
	defer CloseAll(slow)
	if err != nil {
		return nil, err
	}
	readers, err := Subscribers(url, p.Subscribers, pacedTopic, Options{Buffer: 8 << 10})
	defer CloseAll(readers)
	if err != nil {
		return nil, err
	}
	if started != nil {
		started()
	}
	publishes := int(p.For.Seconds() * float64(p.Rate))
	times, failures := make([]Histogram, len(readers)), make([]error, len(readers))
	var reading sync.WaitGroup
	for i, c := range readers {
		c.SetReadDeadline(time.Now().Add(p.For + 30*time.Second))
		reading.Go(func() { failures[i] = c.measure(publishes, &times[i]) })
	}
	err = p.publish(publisher, publishes)
	if err != nil {
		CloseAll(readers)
	}
	reading.Wait()
	all := new(Histogram)
	for i := range times {
		all.Merge(&times[i])
		if err == nil && failures[i] != nil {
			err = fmt.Errorf("a subscriber that reads: %w", failures[i])
		}
	}
	return all, err
}

func (p Paced) publish(c *Client, publishes int) error {
	padding := strings.Repeat("x", max(0, p.Bytes-stampBytes))
	period, start := time.Second/time.Duration(p.Rate), time.Now()
	tick := time.NewTicker(period)
	defer tick.Stop()
	for i := range publishes {
		due := start.Add(time.Duration(i) * period)
		for time.Now().Before(due) {
			<-tick.C
		}
		if err := c.Publish(pacedTopic, strconv.FormatInt(due.UnixNano(), 10)+padding); err != nil {
			return err
		}
	}
	return nil
}

// measure reads messages and notes how long they took.
func (c *Client) measure(messages int, times *Histogram) error {
	for range messages {
		f, err := c.Frame()
		if err != nil {
			return err
		}
		body := Body(f)
		if len(body) < stampBytes {
			return fmt.Errorf("got %q", f)
		}
		due, err := strconv.ParseInt(string(body[:stampBytes]), 10, 64)
		if err != nil {
			return err
		}
		times.Add(time.Since(time.Unix(0, due)))
	}
	return nil
}

// Subscribers connects n clients that subscribe to a destination.
func Subscribers(url string, n int, destination string, o Options) ([]*Client, error) {
	return Each(n, 32, func(int) (*Client, error) {
		c, err := Connect(url, o)
		if err == nil {
			err = c.Subscribe("0", destination)
		}
		return c, err
	})
}

// CloseAll cuts the connections of clients; nil ones are those that never were.
func CloseAll(clients []*Client) {
	for _, c := range clients {
		if c != nil {
			c.Close()
		}
	}
}
