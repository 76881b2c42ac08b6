package transport

import (
	"context"
	"net/http"
)

// Server is what all endpoints of one adapter share.
type Server struct{}

// NewServer returns a server.
func NewServer(c Config) *Server { return &Server{} }

// WebSocket returns the handler of one endpoint.
func (s *Server) WebSocket(c WebSocketConfig, open func(*Conn) Protocol) http.Handler {
	panic("not yet")
}

// Shutdown drains.
func (s *Server) Shutdown(ctx context.Context) error { panic("not yet") }

// Close cuts.
func (s *Server) Close() { panic("not yet") }

// Stats returns a snapshot.
func (s *Server) Stats() Stats { panic("not yet") }
