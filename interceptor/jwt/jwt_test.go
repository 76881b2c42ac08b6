package jwt_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/jwt"
	"github.com/headrace/headrace/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pairs are the keys of the issuer, and one that is somebody else's.
var pairs = sync.OnceValue(func() (p struct {
	rsa, foreign *rsa.PrivateKey
	ec           *ecdsa.PrivateKey
	ed           ed25519.PrivateKey
	secret       []byte
}) {
	var errs [4]error
	p.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	p.foreign, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	p.ec, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, p.ed, errs[3] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	p.secret = []byte(strings.Repeat("s", 32))
	return p
})

func config() jwt.Config {
	p := pairs()
	return jwt.Config{
		Keys: map[string]any{
			"rsa": &p.rsa.PublicKey, "ec": &p.ec.PublicKey, "ed": p.ed.Public(), "secret": p.secret,
		},
		Issuer:   "https://issuer",
		Audience: "chat",
	}
}

// token is what the issuer says, but for what a test changes.
type token struct {
	method gojwt.SigningMethod
	key    any
	header map[string]any
	claims map[string]any
}

func issued(changes ...func(*token)) string {
	now := time.Now()
	k := token{
		method: gojwt.SigningMethodRS256,
		key:    pairs().rsa,
		header: map[string]any{"kid": "rsa"},
		claims: map[string]any{"sub": "ann", "iss": "https://issuer", "aud": "chat", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()},
	}
	for _, change := range changes {
		change(&k)
	}
	t := gojwt.NewWithClaims(k.method, gojwt.MapClaims(k.claims))
	for name, value := range k.header {
		if t.Header[name] = value; value == nil {
			delete(t.Header, name)
		}
	}
	signed, err := t.SignedString(k.key)
	if err != nil {
		panic(err)
	}
	return signed
}

func header(name string, value any) func(*token) { return func(k *token) { k.header[name] = value } }

func claim(name string, value any) func(*token) {
	return func(k *token) {
		if k.claims[name] = value; value == nil {
			delete(k.claims, name)
		}
	}
}

func signed(m gojwt.SigningMethod, key any) func(*token) {
	return func(k *token) { k.method, k.key = m, key }
}

// otherHash is signed by the issuer's key, but not as that is for.
func otherHash() string {
	text := strings.TrimSuffix(issued(signed(gojwt.SigningMethodNone, gojwt.UnsafeAllowNoneSignatureType), header("kid", "ec"), header("alg", "ES384")), ".")
	digest := sha512.Sum384([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, pairs().ec, digest[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func TestVerify(t *testing.T) {
	p := pairs()
	for name, tt := range map[string]struct {
		token string
		roles []string
	}{
		"RS256":             {issued(), nil},
		"PS512":             {issued(signed(gojwt.SigningMethodPS512, p.rsa)), nil},
		"ES256":             {issued(signed(gojwt.SigningMethodES256, p.ec), header("kid", "ec")), nil},
		"EdDSA":             {issued(signed(gojwt.SigningMethodEdDSA, p.ed), header("kid", "ed")), nil},
		"HS384":             {issued(signed(gojwt.SigningMethodHS384, p.secret), header("kid", "secret")), nil},
		"several audiences": {issued(claim("aud", []string{"mail", "chat"})), nil},
		"roles":             {issued(claim("roles", []any{"admin", 17, "trader"})), []string{"admin", "trader"}},
		"roles in one text": {issued(claim("roles", "admin  trader")), []string{"admin", "trader"}},
		"roles of no use":   {issued(claim("roles", 17)), nil},
	} {
		u, err := jwt.New(config()).Verify(tt.token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if u.Name() != "ann" || u.Expires().Unix() != int64(u.Claim("exp").(float64)) || u.Claim("iss") != "https://issuer" || fmt.Sprintf("%v %+v", u, u) != "ann ann" {
			t.Errorf("%s: %v until %v", name, u, u.Expires())
		}
		for _, role := range []string{"admin", "trader", "17", ""} {
			if want := strings.Contains(strings.Join(tt.roles, " "), role) && role != "" && role != "17"; u.HasRole(role) != want {
				t.Errorf("%s: role %q is %v", name, role, !want)
			}
		}
	}
	c := config()
	c.Roles = func(claims map[string]any) []string { return []string{claims["sub"].(string) + "s"} }
	if u, err := jwt.New(c).Verify(issued()); err != nil || !u.HasRole("anns") {
		t.Errorf("roles of the program's: %v, %v", u, err)
	}
}

// No trick of a token chooses the key, the algorithm or what is checked.
func TestSec_S41_BadTokens(t *testing.T) {
	p := pairs()
	// Where jku and x5u point, nobody may come.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		came <- err
	}()
	url := "http://" + l.Addr().String() + "/keys.json"
	public, err := x509.MarshalPKIXPublicKey(&p.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	foreign := signed(gojwt.SigningMethodRS256, p.foreign)
	n := base64.RawURLEncoding.EncodeToString(p.foreign.N.Bytes())
	const invalid = "the token is not valid"
	good := issued()
	parts := strings.Split(good, ".")
	for name, tt := range map[string]struct{ token, want string }{
		"alg none":                 {issued(signed(gojwt.SigningMethodNone, gojwt.UnsafeAllowNoneSignatureType)), invalid},
		"alg none, other case":     {issued(header("alg", "nOnE")), invalid},
		"no signature":             {parts[0] + "." + parts[1] + ".", invalid},
		"HS256 with the RSA key":   {issued(signed(gojwt.SigningMethodHS256, asPEM)), invalid},
		"HS256 with its DER":       {issued(signed(gojwt.SigningMethodHS256, public)), invalid},
		"RS256 for a secret":       {issued(header("kid", "secret")), invalid},
		"ES384 with a P-256 key":   {otherHash(), invalid},
		"ES256 for an RSA key":     {issued(signed(gojwt.SigningMethodES256, p.ec)), invalid},
		"kid is a path":            {issued(foreign, header("kid", "../../../../dev/null")), invalid},
		"kid is an empty secret":   {issued(signed(gojwt.SigningMethodHS256, []byte{}), header("kid", "/dev/null")), invalid},
		"kid is a query":           {issued(foreign, header("kid", "' UNION SELECT 'k")), invalid},
		"kid is a URL":             {issued(foreign, header("kid", url)), invalid},
		"kid is no text":           {issued(header("kid", []any{"rsa"})), invalid},
		"kid is unknown":           {issued(header("kid", "RSA")), invalid},
		"no kid":                   {issued(header("kid", nil)), invalid},
		"jku":                      {issued(foreign, header("jku", url)), invalid},
		"x5u":                      {issued(foreign, header("x5u", url)), invalid},
		"jwk":                      {issued(foreign, header("jwk", map[string]any{"kty": "RSA", "n": n, "e": "AQAB"})), invalid},
		"x5c":                      {issued(foreign, header("x5c", []any{base64.StdEncoding.EncodeToString(public)})), invalid},
		"crit":                     {issued(header("crit", []any{"exp"})), invalid},
		"expired":                  {issued(claim("exp", in(-time.Second))), "the token has expired"},
		"expires just now":         {issued(claim("exp", in(0))), "the token has expired"},
		"without an end":           {issued(claim("exp", nil)), "the token lacks a claim that is needed"},
		"exp is a text":            {issued(claim("exp", "never")), invalid},
		"not yet":                  {issued(claim("nbf", in(time.Minute))), "the token is not valid yet"},
		"issued tomorrow":          {issued(claim("iat", in(24*time.Hour))), "the token is not valid yet"},
		"wrong audience":           {issued(claim("aud", "mail")), "the token is for another audience"},
		"no audience":              {issued(claim("aud", nil)), "the token lacks a claim that is needed"},
		"wrong issuer":             {issued(claim("iss", "https://issuer.evil")), "the token is of another issuer"},
		"no issuer":                {issued(claim("iss", nil)), "the token lacks a claim that is needed"},
		"no subject":               {issued(claim("sub", nil)), "the token lacks a claim that is needed"},
		"empty subject":            {issued(claim("sub", "")), "the token lacks a claim that is needed"},
		"wrong key":                {issued(foreign), invalid},
		"wrong key, and expired":   {issued(foreign, claim("exp", in(-time.Hour))), invalid},
		"truncated":                {good[:len(good)-8], invalid},
		"claims of another":        {parts[0] + "." + strings.Split(issued(claim("sub", "eve")), ".")[1] + "." + parts[2], invalid},
		"one letter more":          {good + "A", invalid},
		"unused bits":              {good[:len(good)-1] + string(good[len(good)-1]+1), invalid},
		"padding":                  {good + "=", invalid},
		"two segments":             {parts[0] + "." + parts[1], invalid},
		"four segments":            {good + ".x", invalid},
		"empty":                    {"", invalid},
		"no JSON":                  {"e30." + parts[1] + "." + parts[2], invalid},
		"claims that are null":     {parts[0] + ".bnVsbA." + parts[2], invalid},
		"larger than what is read": {issued(claim("x", strings.Repeat("x", 4096))), "the token is too large"},
	} {
		u, err := jwt.New(config()).Verify(tt.token)
		if public := message.Public(err); u != nil || public == nil || public.Code != message.CodeUnauthenticated || public.Message != tt.want {
			t.Errorf("%s: %v, %v, want %q", name, u, err, tt.want)
		}
		// S-12: nothing of the token is in what is told and logged.
		for _, part := range strings.Split(tt.token, ".") {
			if len(part) > 8 && err != nil && strings.Contains(fmt.Sprintf("%+v", err), part[:8]) {
				t.Errorf("%s: %v quotes the token", name, err)
			}
		}
	}
	// The headers that name keys mean nothing: a good token is good with them.
	if _, err := jwt.New(config()).Verify(issued(header("jku", url), header("x5u", url))); err != nil {
		t.Error(err)
	}
	l.Close()
	if err := <-came; err == nil {
		t.Error("a key was asked for")
	}
}

// A token of a million dots costs nothing, also where tokens may be as large.
func TestSec_S42_Dots(t *testing.T) {
	dots := strings.Repeat(".", 1e6)
	roomy := config()
	roomy.MaxBytes = 2 << 20
	for name, c := range map[string]jwt.Config{"default": config(), "roomy": roomy} {
		v := jwt.New(c)
		for _, token := range []string{dots, issued() + dots, "Bearer " + dots} {
			const times = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range times {
				if _, err := v.Verify(token); err == nil {
					t.Error("taken")
				}
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 2048 {
				t.Errorf("%s: %d bytes for %.20q", name, got, token)
			}
		}
	}
}

func TestTime(t *testing.T) {
	p := pairs() // made outside: a bubble takes no time
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.Leeway = 10 * time.Second
		v := jwt.New(c)
		token := issued(claim("nbf", in(time.Minute)), claim("iat", in(time.Minute)), signed(gojwt.SigningMethodRS256, p.rsa))
		end := time.Now().Add(time.Hour + c.Leeway)
		time.Sleep(time.Minute - c.Leeway - 1)
		if _, err := v.Verify(token); err == nil {
			t.Error("taken 1 ns too early")
		}
		time.Sleep(time.Nanosecond)
		u, err := v.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if !u.Expires().Equal(end) {
			t.Errorf("ends %v, want %v", u.Expires(), end)
		}
		time.Sleep(time.Until(end) - 1)
		if _, err := v.Verify(token); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond) // when the session ends, the token is none, too
		if _, err := v.Verify(token); err == nil {
			t.Error("taken at its end")
		}
	})
}

func TestWithoutAnAudience(t *testing.T) {
	c := config()
	c.Audience, c.Issuer = "", ""
	v := jwt.New(c)
	for name, tt := range map[string]struct {
		token string
		taken bool
	}{
		"no audience":    {issued(claim("aud", nil)), true},
		"any issuer":     {issued(claim("aud", nil), claim("iss", "x")), true},
		"for somebody":   {issued(), false},
		"for many":       {issued(claim("aud", []string{"a", "b"})), false},
		"broken, a list": {issued(claim("aud", []any{17})), false},
	} {
		if _, err := v.Verify(tt.token); (err == nil) != tt.taken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyOfTokensWithoutKid(t *testing.T) {
	v := jwt.New(jwt.Config{Keys: map[string]any{"": &pairs().rsa.PublicKey}, Audience: "chat"})
	if _, err := v.Verify(issued(header("kid", nil))); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(issued()); err == nil {
		t.Error("an unknown kid was taken for none")
	}
}

func TestChecks(t *testing.T) {
	v := jwt.New(config())
	for name, check := range map[string]func(string) (message.Principal, error){
		"Bearer": func(s string) (message.Principal, error) { return v.Bearer(t.Context(), s) },
		"Check": func(s string) (message.Principal, error) {
			return v.Check(t.Context(), interceptor.Credentials{Token: s, Login: "ann"})
		},
	} {
		if p, err := check(issued()); err != nil || p.Name() != "ann" || p.(message.Expirer).Expires().IsZero() {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		for _, bad := range []string{"", "x"} {
			if p, err := check(bad); p != nil || message.Public(err).Code != message.CodeUnauthenticated {
				t.Errorf("%s %q: %v, %v", name, bad, p, err)
			}
		}
	}
}

func TestNewRefusesWeakKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]jwt.Config{
		"none":             {},
		"short secret":     {Keys: map[string]any{"k": []byte("canary")}},
		"text":             {Keys: map[string]any{"k": strings.Repeat("canary", 10)}},
		"private key":      {Keys: map[string]any{"k": pairs().rsa}},
		"small RSA key":    {Keys: map[string]any{"k": &small.PublicKey}},
		"P-224":            {Keys: map[string]any{"k": &p224.PublicKey}},
		"no RSA key":       {Keys: map[string]any{"k": (*rsa.PublicKey)(nil)}},
		"short Ed25519":    {Keys: map[string]any{"k": ed25519.PublicKey("x")}},
		"nil":              {Keys: map[string]any{"k": nil}},
		"negative leeway":  {Keys: map[string]any{"k": pairs().secret}, Leeway: -1},
		"negative maximum": {Keys: map[string]any{"k": pairs().secret}, MaxBytes: -1},
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.HasPrefix(v, "jwt: ") || strings.Contains(v, "canary") {
					t.Errorf("%s: panic %s", name, v)
				}
			}()
			jwt.New(c)
		}()
	}
	p384, p521 := elliptic.P384(), elliptic.P521()
	for curve, m := range map[elliptic.Curve]gojwt.SigningMethod{p384: gojwt.SigningMethodES384, p521: gojwt.SigningMethodES512} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		v := jwt.New(jwt.Config{Keys: map[string]any{"rsa": k.Public()}, Audience: "chat"})
		if _, err := v.Verify(issued(signed(m, k))); err != nil {
			t.Error(m.Alg(), err)
		}
	}
}

// Nothing that is not signed by the issuer is ever taken.
func FuzzVerify(f *testing.F) {
	good := issued()
	v := jwt.New(config())
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(strings.Repeat(".", 5000))
	f.Fuzz(func(t *testing.T, token string) {
		if u, err := v.Verify(token); (err == nil) != (u != nil) || err == nil && token != good {
			t.Errorf("%q: %v, %v", token, u, err)
		}
	})
}
