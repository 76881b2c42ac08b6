package jwt

import (
	"cmp"
	"time"
)

// Config says which tokens a [Verifier] takes.
type Config struct {
	// Keys verify tokens, by the kid in their header; that of "" verifies those
	// without a kid. A key is a *rsa.PublicKey of at least 2,048 bits (RS256, RS384,
	// RS512, PS256, PS384, PS512), a *ecdsa.PublicKey (ES256, ES384 or ES512, as
	// the curve says), an ed25519.PublicKey (EdDSA) or a secret, a []byte of at
	// least 32 (HS256, HS384, HS512). The map is copied. Keys that change need a
	// new Verifier. Zero panics.
	Keys map[string]any
	// Issuer is what iss must be. Zero means that the keys alone say who issues.
	Issuer string
	// Audience is what aud must be, or have among others. Zero means that tokens
	// which are for an audience are refused.
	Audience string
	// Leeway is by how much the clock of the issuer may differ from ours. A User
	// lasts as much longer than its token. Zero means not at all.
	Leeway time.Duration
	// MaxBytes is the size of the largest token that is looked at. Zero means
	// 4 KiB.
	MaxBytes int
	// Roles returns the roles of the user whose claims these are, which it must not
	// change. Zero (nil) means the claim roles: an array of strings, or one with
	// spaces between.
	Roles func(claims map[string]any) []string
}

func (c Config) withDefaults() Config {
	if len(c.Keys) == 0 || c.Leeway < 0 || c.MaxBytes < 0 {
		panic("jwt: New needs Keys, and no negative Leeway or MaxBytes")
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<10)
	if c.Roles == nil {
		c.Roles = roles
	}
	return c
}
