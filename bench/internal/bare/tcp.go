package bare

import (
	"bufio"
	"net"
)

// ServeTCP serves a broadcast of lines: a goroutine and a queue for each
// subscriber, and what waits in the queue becomes one write.
func ServeTCP(ln net.Listener) error {
	b := &broadcast[[]byte]{}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			cork := &corkConn{Conn: conn}
			write := func(line []byte) error {
				_, err := cork.Write(line)
				return err
			}
			for in := bufio.NewReader(conn); ; {
				line, err := in.ReadBytes('\n')
				if err != nil {
					return
				}
				if string(line) == Subscribe+"\n" {
					queue := b.subscribe()
					defer b.unsubscribe(queue)
					if write(line) != nil {
						return
					}
					go drain(queue, cork, true, write)
					continue
				}
				b.publish(line)
			}
		}()
	}
}
