package sockjs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"strings"
)

// greeting tells people that they have found the place.
func greeting(w http.ResponseWriter) {
	w.Header().Set("Content-Type", textPlain)
	io.WriteString(w, "Welcome to SockJS!\n")
}

// info is what a client asks first. It measures the time of the answer too,
// and derives its time limits from it.
func (e *endpoint) info(w http.ResponseWriter, r *http.Request) {
	notCached(w)
	w.Header().Set("Content-Type", jsonType)
	var entropy [4]byte
	rand.Read(entropy[:])
	json.NewEncoder(w).Encode(map[string]any{
		"websocket":     !e.config.NoWebSocket,
		"cookie_needed": e.config.Cookies,
		"origins":       []string{"*:*"}, // of no meaning since 0.3
		"entropy":       binary.BigEndian.Uint32(entropy[:]),
	})
}

// iframe is the page by which old browsers reach another origin: it speaks
// with the server, and with the page around it. The text is the protocol's.
type iframe struct {
	page string
	etag string
}

func newIframe(clientURL string) iframe {
	page := strings.Replace(iframePage, "CLIENT", html.EscapeString(clientURL), 1)
	sum := sha256.Sum256([]byte(page))
	return iframe{page: page, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

func (f *iframe) serve(w http.ResponseWriter, r *http.Request) {
	cached(w)
	h := w.Header()
	// Who may see it depends on these, for the sake of caches between us.
	h.Add("Vary", "Referer, Sec-Fetch-Site")
	h.Set("ETag", f.etag)
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", textHTML)
	io.WriteString(w, f.page)
}

const iframePage = `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="CLIENT"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`
