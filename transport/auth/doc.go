// Package auth finds out who sends an HTTP request, for
// [transport.Handshake.Principal]:
//
//	transport.Handshake{Principal: auth.First(
//		auth.Bearer(verifier.Bearer),
//		auth.Cookie("session", sessions.User),
//	)}
//
// Each way of it ([Basic], [Bearer], [Cookie]) takes one kind of credentials from
// the request and asks a function of the program whom they belong to. A client
// that brings none is refused; [Optional] lets it in as nobody, for those who log
// in with their first message. All of them bring what the client has to be told in
// WWW-Authenticate.
//
// Any func(*http.Request) (message.Principal, error) is such a way, and goes
// wherever these do.
//
// # Errors
//
// A client is told that credentials are missing, or wrong, never which part of them,
// and nothing of what it sent is in any text. Wrong is what the program's
// function returns neither a principal nor an error for, or one whose name is "". An
// authored [message.Error] of that function is passed on; any other error of it
// becomes a bare 500 and is logged, so it must not quote secrets.
//
// # Concurrency
//
// The functions run on the goroutine of the request, and may block; the context they
// are given ends with it. They are called from any number of goroutines at once,
// and for each request of a connection that several requests carry.
package auth
