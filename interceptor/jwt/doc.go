// Package jwt makes principals of JSON Web Tokens (RFC 7519). A [Verifier] serves both
// places where a client may show one, the handshake and the first message:
//
//	verifier := jwt.New(jwt.Config{
//		Keys:     map[string]any{"2026-10": publicKey},
//		Issuer:   "https://login.example.com",
//		Audience: "chat",
//	})
//	handshake.Principal = auth.Optional(auth.Bearer(verifier.Bearer))
//	node.Inbound.Intercept(
//		interceptor.Authenticate(interceptor.AuthenticateConfig{Check: verifier.Check}),
//		interceptor.Expire(interceptor.ExpireConfig{}),
//	)
//
// The principal is a [User], which ends with its token: mount [interceptor.Expire] to
// end the session with it.
//
// # What is checked
//
// The keys are those of the [Config] and no others: the header's kid chooses among them,
// and jku, x5u, jwk and x5c are not looked at. The type of the key says which algorithms
// it verifies, so none is never one, and a public key is never a secret. Of the
// claims exp, nbf and iat are compared with the time, iss and aud with the Config; a
// token without exp or sub is refused, and one that has crit. Tokens of more than 4 KiB
// are refused unread (RFC 8725).
//
// # Errors
//
// All of them are authored, with [message.CodeUnauthenticated]. What is wrong with a
// token is told once its signature was verified, and nothing of it is quoted.
//
// # Concurrency
//
// Nothing here blocks, starts a goroutine or asks another machine. A Verifier may be
// used by any number of goroutines at once.
package jwt
