package load

import (
	"bytes"
	"fmt"
)

// Client is a STOMP session. Frame is called by one goroutine.
type Client struct {
	*Conn        // what the session goes over
	came  []byte // the start of a frame, and what came with it
	rest  []byte // of came, behind the last frame
}

// Connect connects and logs in.
func Connect(to string, o Options) (*Client, error) {
	conn, err := Dial(to, o)
	if err != nil {
		return nil, err
	}
	c := &Client{Conn: conn}
	heartbeat := ""
	if o.Heartbeat != "" {
		heartbeat = "heart-beat:" + o.Heartbeat + "\n"
	}
	if err := c.call("CONNECT\naccept-version:1.2\nhost:bench\n"+heartbeat+"\n\x00", "CONNECTED\n"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Subscribe subscribes and waits for the receipt; messages that come meanwhile
// are lost.
func (c *Client) Subscribe(id, destination string) error {
	return c.call("SUBSCRIBE\nid:"+id+"\ndestination:"+destination+"\nreceipt:"+id+"\n\n\x00", "receipt-id:"+id+"\n")
}

// Publish sends a message, for which the server sends no receipt.
func (c *Client) Publish(destination, body string) error {
	return c.Send("SEND\ndestination:" + destination + "\n\n" + body + "\x00")
}

// Disconnect ends the session in an orderly way.
func (c *Client) Disconnect() error {
	defer c.Close()
	return c.call("DISCONNECT\nreceipt:bye\n\n\x00", "receipt-id:bye\n")
}

// call sends a frame and reads frames until one has the text.
func (c *Client) call(frame, text string) error {
	if err := c.Send(frame); err != nil {
		return err
	}
	for {
		f, err := c.Frame()
		if err != nil {
			return err
		}
		if bytes.Contains(f, []byte(text)) {
			return nil
		}
		if bytes.HasPrefix(f, []byte("ERROR")) {
			return fmt.Errorf("the server answers %q", f)
		}
	}
}

// Frame returns the next frame without its NUL; heart-beats are skipped. It is
// valid until the next call.
func (c *Client) Frame() ([]byte, error) {
	for {
		c.rest = bytes.TrimLeft(c.rest, "\n")
		if end := bytes.IndexByte(c.rest, 0); end >= 0 {
			frame := c.rest[:end]
			c.rest = c.rest[end+1:]
			return frame, nil
		}
		p, err := c.Next()
		if err != nil {
			return nil, err
		}
		c.came = append(append(c.came[:0], c.rest...), p...)
		c.rest = c.came
	}
}

// Body returns the body of a frame.
func Body(frame []byte) []byte {
	_, body, _ := bytes.Cut(frame, []byte("\n\n"))
	return body
}
