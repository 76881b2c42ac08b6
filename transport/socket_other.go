//go:build !unix

package transport

import "net"

// socketWriters says that a socket cannot be written without blocking here.
func socketWriters(c net.Conn) (try, write func([]byte) (int, error)) { return nil, c.Write }

// socketPieces reads a socket as anything else is read.
func socketPieces(c net.Conn, each func(p []byte) error) error { return blockingPieces(c, each) }
