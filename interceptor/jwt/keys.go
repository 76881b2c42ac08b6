package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"slices"
)

// key is a key with the algorithms that it is for. That a token says another is how
// public keys are passed off as secrets.
type key struct {
	value      any
	algorithms []string
}

// algorithms are all that are used.
var algorithms = slices.Concat(ofRSA, ofECDSA, ofEd25519, ofSecret)

var (
	ofRSA     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ofECDSA   = []string{"ES256", "ES384", "ES512"}
	ofEd25519 = []string{"EdDSA"}
	ofSecret  = []string{"HS256", "HS384", "HS512"}
)

// newKey returns a key, and panics over one that is none or is weak. It does not tell
// what the key is.
func newKey(kid string, value any) key {
	switch k := value.(type) {
	case *rsa.PublicKey:
		if k != nil && k.N != nil && k.N.BitLen() >= 2048 {
			return key{k, ofRSA}
		}
	case *ecdsa.PublicKey:
		if k != nil && k.Curve != nil {
			switch k.Curve.Params().BitSize {
			case 256:
				return key{k, ofECDSA[:1]}
			case 384:
				return key{k, ofECDSA[1:2]}
			case 521:
				return key{k, ofECDSA[2:]}
			}
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return key{slices.Clone(k), ofEd25519}
		}
	case []byte:
		if len(k) >= 32 {
			return key{bytes.Clone(k), ofSecret}
		}
	}
	panic(fmt.Sprintf("jwt: the key %q, a %T, is none that can be used, or too short", kid, value))
}
