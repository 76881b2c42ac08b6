package transport_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/headrace/headrace/transport"
)

// handshake is a request that passes every check but those of its header.
func handshake(target string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// verdict is the status of a handshake over a writer that cannot be hijacked:
// 500 means that everything before the upgrade was passed.
func verdict(t *testing.T, c transport.Config, r *http.Request) int {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := transport.NewServer(c)
	defer s.Close()
	w := httptest.NewRecorder()
	s.WebSocket(transport.WebSocketConfig{}, nil).ServeHTTP(w, r)
	return w.Code
}

const passed = http.StatusInternalServerError

func TestOrigins(t *testing.T) {
	allowed := []string{"https://shop.example", "https://*.wild.example", "http://port.example:8080", "app://local", "https://[::1]:8443"}
	for _, tt := range []struct {
		name    string
		target  string
		origins []string
		ok      bool
	}{
		{"no browser", "http://own.example/", nil, true},
		{"same origin", "http://own.example/", []string{"http://own.example"}, true},
		{"same origin, letter case", "http://Own.Example/", []string{"HTTP://oWn.eXample"}, true},
		{"same origin, default port in the host", "http://own.example:80/", []string{"http://own.example"}, true},
		{"same origin, default port in the origin", "https://own.example/", []string{"https://own.example:443"}, true},
		{"same origin, port", "http://own.example:8080/", []string{"http://own.example:8080"}, true},
		{"same origin, IPv6", "http://[::1]:8080/", []string{"http://[::1]:8080"}, true},
		{"same origin, TLS", "https://own.example/", []string{"https://own.example"}, true},
		{"other scheme", "http://own.example/", []string{"https://own.example"}, false},
		{"other scheme, TLS", "https://own.example/", []string{"http://own.example"}, false},
		{"other port", "http://own.example:8080/", []string{"http://own.example:8081"}, false},
		{"other port, default", "http://own.example:8080/", []string{"http://own.example"}, false},
		{"other host", "http://own.example/", []string{"http://evil.example"}, false},
		{"prefix", "http://own.example/", []string{"http://own.example.evil.example"}, false},
		{"suffix", "http://own.example/", []string{"http://evil-own.example"}, false},
		{"subdomain", "http://own.example/", []string{"http://sub.own.example"}, false},
		{"trailing dot", "http://own.example/", []string{"http://own.example."}, false},
		{"user info", "http://own.example/", []string{"http://own.example@evil.example"}, false},
		{"user info of the own", "http://own.example/", []string{"http://evil@own.example"}, false},
		{"path", "http://own.example/", []string{"http://own.example/path"}, false},
		{"query", "http://own.example/", []string{"http://own.example?x"}, false},
		{"fragment", "http://own.example/", []string{"http://own.example#x"}, false},
		{"backslash", "http://own.example/", []string{`http://own.example\.evil.example`}, false},
		{"null", "http://own.example/", []string{"null"}, false},
		{"empty", "http://own.example/", []string{""}, false},
		{"star", "http://own.example/", []string{"*"}, false},
		{"no scheme", "http://own.example/", []string{"own.example"}, false},
		{"file", "http://own.example/", []string{"file://"}, false},
		{"two headers", "http://own.example/", []string{"http://own.example", "http://own.example"}, false},
		{"two in one", "http://own.example/", []string{"http://own.example, http://own.example"}, false},
		{"two in one, space", "http://own.example/", []string{"http://own.example http://evil.example"}, false},
		{"homograph", "http://own.example/", []string{"http://own.exаmple"}, false},
		{"Kelvin sign", "http://kelvin.example/", []string{"http://\u212Aelvin.example"}, false},
		{"port 0", "http://own.example/", []string{"http://own.example:0"}, false},
		{"port too large", "http://own.example/", []string{"http://own.example:65536"}, false},
		{"port with sign", "http://own.example/", []string{"http://own.example:+80"}, false},
		{"empty port", "http://own.example/", []string{"http://own.example:"}, false},
		{"allowed", "http://own.example/", []string{"https://shop.example"}, true},
		{"allowed, default port", "http://own.example/", []string{"https://shop.example:443"}, true},
		{"allowed, other scheme", "http://own.example/", []string{"http://shop.example"}, false},
		{"allowed, other port", "http://own.example/", []string{"https://shop.example:444"}, false},
		{"allowed, subdomain", "http://own.example/", []string{"https://www.shop.example"}, false},
		{"allowed, port", "http://own.example/", []string{"http://port.example:8080"}, true},
		{"allowed, without port", "http://own.example/", []string{"http://port.example"}, false},
		{"allowed, own scheme", "http://own.example/", []string{"app://local"}, true},
		{"allowed, IPv6", "http://own.example/", []string{"https://[::1]:8443"}, true},
		{"wildcard", "http://own.example/", []string{"https://a.wild.example"}, true},
		{"wildcard, two labels", "http://own.example/", []string{"https://a.b.wild.example"}, false},
		{"wildcard, no label", "http://own.example/", []string{"https://wild.example"}, false},
		{"wildcard, empty label", "http://own.example/", []string{"https://.wild.example"}, false},
		{"wildcard, suffix", "http://own.example/", []string{"https://evilwild.example"}, false},
		{"wildcard, prefix", "http://own.example/", []string{"https://a.wild.example.evil.example"}, false},
		{"wildcard, other scheme", "http://own.example/", []string{"http://a.wild.example"}, false},
		{"wildcard, other port", "http://own.example/", []string{"https://a.wild.example:444"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := handshake(tt.target)
			r.Header["Origin"] = tt.origins
			got := verdict(t, transport.Config{Handshake: transport.Handshake{AllowedOrigins: allowed}}, r)
			want := http.StatusForbidden
			if tt.ok {
				want = passed
			}
			if got != want {
				t.Errorf("Host %s, Origin %q: %d, want %d", r.Host, tt.origins, got, want)
			}
			if got := verdict(t, transport.Config{Handshake: transport.Handshake{NoOriginCheck: true}}, r); got != passed {
				t.Errorf("NoOriginCheck: %d", got)
			}
		})
	}
}

func TestProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		name   string
		peer   string
		header []string
		origin string
		addr   string // of the session
	}{
		{"none", "192.0.2.1:1234", nil, "http://own.example", "192.0.2.1:1234"},
		{"untrusted", "192.0.2.1:1234", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"}, "http://own.example", "192.0.2.1:1234"},
		{"untrusted, standard", "192.0.2.1:1234", []string{"Forwarded", "for=1.1.1.1;proto=https;host=evil.example"}, "http://own.example", "192.0.2.1:1234"},
		{"trusted", "10.0.0.1:1234", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example"}, "https://shop.example", "1.1.1.1"},
		{"trusted, mapped peer", "[::ffff:10.0.0.1]:1234", []string{"X-Forwarded-For", "1.1.1.1"}, "http://own.example", "1.1.1.1"},
		{"trusted, host with port", "10.0.0.1:1234", []string{"X-Forwarded-Host", "shop.example:8080"}, "http://shop.example:8080", "10.0.0.1:1234"},
		{"trusted, proto alone", "10.0.0.1:1234", []string{"X-Forwarded-Proto", "https"}, "https://own.example", "10.0.0.1:1234"},
		{"trusted, proto of a WebSocket", "10.0.0.1:1234", []string{"X-Forwarded-Proto", "WSS"}, "https://own.example", "10.0.0.1:1234"},
		{"trusted, proto of a plain WebSocket", "10.0.0.1:1234", []string{"X-Forwarded-Proto", "ws"}, "http://own.example", "10.0.0.1:1234"},
		{"standard, proto of a WebSocket", "10.0.0.1:1234", []string{"Forwarded", "proto=wss"}, "https://own.example", "10.0.0.1:1234"},
		{"both, agreed on TLS", "10.0.0.1:1234", []string{"Forwarded", "proto=https", "X-Forwarded-Proto", "wss"}, "https://own.example", "10.0.0.1:1234"},
		{"forged in front", "10.0.0.1:1234", []string{"X-Forwarded-For", "127.0.0.1, 1.1.1.1"}, "http://own.example", "1.1.1.1"},
		{"two proxies", "10.0.0.1:1234", []string{"X-Forwarded-For", "1.1.1.1, 10.0.0.2"}, "http://own.example", "1.1.1.1"},
		{"two lines", "10.0.0.1:1234", []string{"X-Forwarded-For", "127.0.0.1", "X-Forwarded-For", "1.1.1.1"}, "http://own.example", "1.1.1.1"},
		{"nonsense", "10.0.0.1:1234", []string{"X-Forwarded-For", "1.1.1.1, unknown"}, "http://own.example", "10.0.0.1:1234"},
		{"standard", "10.0.0.1:1234", []string{"Forwarded", `for="[2001:db8::1]:99";Proto=https;host="shop.example"`}, "https://shop.example", "2001:db8::1"},
		{"standard, forged in front", "10.0.0.1:1234", []string{"Forwarded", "for=127.0.0.1;host=evil.example, for=1.1.1.1;proto=https"}, "https://own.example", "1.1.1.1"},
		{"both, agreed", "10.0.0.1:1234", []string{"Forwarded", "for=1.1.1.1;proto=https", "X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https"}, "https://own.example", "1.1.1.1"},
		{"both, different", "10.0.0.1:1234", []string{"Forwarded", "for=127.0.0.1;host=evil.example", "X-Forwarded-For", "1.1.1.1", "X-Forwarded-Host", "shop.example"}, "http://own.example", "10.0.0.1:1234"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := handshake("http://own.example/", append(tt.header, "Origin", tt.origin)...)
			r.RemoteAddr = tt.peer
			f := start(t, setup{
				config: transport.Config{Handshake: transport.Handshake{TrustedProxies: trusted}},
				wrap: func(h http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, dialed *http.Request) {
						r.Header.Set("Sec-WebSocket-Key", dialed.Header.Get("Sec-WebSocket-Key"))
						h.ServeHTTP(w, r)
					})
				},
			})
			_, p := f.dial(t, nil)
			if addr := p.conn.Info().RemoteAddr; addr != tt.addr {
				t.Errorf("address %q, want %q", addr, tt.addr)
			}
		})
	}
}

func TestRefusedOriginIsLoggedWithItsRemedy(t *testing.T) {
	for _, tt := range []struct {
		origin string
		allow  bool
	}{
		{"https://shop.example", true},
		{"null", false},
		{"https://user@shop.example", false},
		{"https://" + strings.Repeat("a", 5000), false},
	} {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, nil))
		r := handshake("http://own.example/?token=canary", "Origin", tt.origin,
			"Cookie", "canary", "Authorization", "canary", "Sec-WebSocket-Protocol", "canary")
		s := transport.NewServer(transport.Config{Logger: logger})
		w := httptest.NewRecorder()
		s.WebSocket(transport.WebSocketConfig{}, nil).ServeHTTP(w, r)
		s.Close()

		if w.Code != http.StatusForbidden || w.Body.String() != "origin not allowed\n" ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("answer %d %q", w.Code, w.Body)
		}
		line := out.String()
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, "level=WARN") || !strings.Contains(line, "host=own.example") {
			t.Errorf("log: %s", line)
		}
		if len(line) > 1000 || strings.Contains(line, "canary") {
			t.Errorf("log too long or with secrets: %s", line)
		}
		remedy := `allow="Handshake: transport.Handshake{AllowedOrigins: []string{\"https://shop.example\"}}"`
		if strings.Contains(line, remedy) != tt.allow {
			t.Errorf("log: %s", line)
		}
		if tt.allow && !strings.Contains(line, "origin="+tt.origin) {
			t.Errorf("log: %s", line)
		}
	}
}

func TestMalformedAllowedOriginPanics(t *testing.T) {
	for _, origin := range []string{"*", "", "shop.example", "https://", "https://shop.example/", "https://a.*.example", "https://*", "https://*.*.example", "https://bücher.example"} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(v.(string), "allowed origin") {
					t.Errorf("%q: %v", origin, v)
				}
			}()
			transport.NewServer(transport.Config{Handshake: transport.Handshake{AllowedOrigins: []string{origin}}})
		}()
	}
}
