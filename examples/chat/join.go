package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/stompadapter/client"
)

// join takes part from a terminal until the input or ctx ends.
func join(ctx context.Context, url, name string, in io.Reader, out io.Writer) (err error) {
	c, err := client.Dial(ctx, client.Config{URL: url})
	if err != nil {
		return err
	}
	room, err := c.Subscribe(ctx, "/topic/chat", client.SubscribeConfig{}, nil)
	if err != nil {
		return errors.Join(err, c.Close(ctx))
	}
	var printing sync.WaitGroup
	printing.Go(func() { show(ctx, room, out) })
	fmt.Fprintf(out, "you are %s; a line is sent with Enter\n", name)
	err = send(ctx, c, name, lines(in), out)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(err, c.Close(closing))
	printing.Wait()
	return err
}

// show writes what is said until the subscription ends.
func show(ctx context.Context, room *client.Subscription, out io.Writer) {
	for m, err := range room.Messages(ctx) {
		if err != nil {
			return
		}
		var l Line
		if json.Unmarshal(m.Payload, &l) == nil {
			fmt.Fprintf(out, "%s %s: %s\n", l.Time.Local().Format("15:04:05"), l.Name, l.Text)
		}
	}
}

// send says each line.
func send(ctx context.Context, c *client.Client, name string, lines <-chan string, out io.Writer) error {
	for {
		select {
		case text, ok := <-lines:
			if !ok {
				return nil
			}
			l := Line{Name: name, Text: text}
			if err := l.Validate(); err != nil { // the server would end the connection
				fmt.Fprintln(out, "not sent:", err)
				continue
			}
			err := c.SendReceipt(ctx, "/app/chat", l)
			if errors.Is(err, client.ErrAway) { // the client connects again
				fmt.Fprintln(out, "perhaps not sent:", err)
			} else if err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// lines reads in on a goroutine, which a terminal may hold until the program
// ends.
func lines(in io.Reader) <-chan string {
	read := make(chan string)
	go func() {
		defer close(read)
		for in := bufio.NewReader(in); ; {
			line, err := in.ReadString('\n')
			if text := strings.TrimSpace(line); text != "" {
				read <- text
			}
			if err != nil {
				return
			}
		}
	}()
	return read
}
