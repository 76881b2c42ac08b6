package sockjs

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// wrapping is how one transport dresses SockJS frames in a response. The
// callback is "" where none is asked for.
type wrapping struct {
	name        string // in message.SessionInfo
	method      string
	contentType string
	poll        bool                         // one frame a response
	callback    bool                         // the query names a JavaScript function
	prelude     func(callback string) string // nil for none
	wrap        func(frame []byte, callback string) []byte
}

// transports are the receiving ones by the last segment of their URLs.
var transports = map[string]*wrapping{
	"xhr": {
		name: "sockjs/xhr-polling", method: http.MethodPost, contentType: javascript, poll: true,
		wrap: wrapLine,
	},
	"xhr_streaming": {
		name: "sockjs/xhr-streaming", method: http.MethodPost, contentType: javascript,
		prelude: func(string) string { return strings.Repeat("h", 2048) + "\n" }, // browsers wait for so much
		wrap:    wrapLine,
	},
	"eventsource": {
		name: "sockjs/eventsource", method: http.MethodGet, contentType: "text/event-stream",
		prelude: func(string) string { return "\r\n" },
		wrap:    wrapEvent,
	},
	"htmlfile": {
		name: "sockjs/htmlfile", method: http.MethodGet, contentType: textHTML, callback: true,
		prelude: htmlfileHead,
		wrap:    wrapScript,
	},
	"jsonp": {
		name: "sockjs/jsonp-polling", method: http.MethodGet, contentType: javascript, poll: true, callback: true,
		wrap: wrapCall,
	},
}

// wrapLine leaves alone what lies behind the frame: the spare room of one that
// all requests share.
func wrapLine(frame []byte, _ string) []byte { return append(slices.Clip(frame), '\n') }

// wrapEvent relies on frames without a line break, which would end the event:
// JSON escapes them. It escapes "%" too, which is in strings alone, because
// sockjs-client takes an event for a URI and decodes it.
func wrapEvent(frame []byte, _ string) []byte {
	frame = bytes.ReplaceAll(frame, []byte("%"), []byte(`\u0025`))
	return append(append([]byte("data: "), frame...), "\r\n\r\n"...)
}

func wrapScript(frame []byte, _ string) []byte {
	return append(appendScript([]byte("<script>\np("), frame), ");\n</script>\r\n"...)
}

// wrapCall begins with a comment so that nobody can take what the callback's
// name begins with for a Flash file.
func wrapCall(frame []byte, callback string) []byte {
	return append(appendScript([]byte("/**/"+callback+"("), frame), ");\r\n"...)
}

// htmlfileHead is longer than 1,024 bytes, for which browsers wait. The text
// is the protocol's.
func htmlfileHead(callback string) string {
	head := strings.Replace(htmlfilePage, "CALLBACK", callback, 1)
	return head + strings.Repeat(" ", max(0, 1024-len(head))) + "\r\n\r\n"
}

const htmlfilePage = `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.CALLBACK;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
`

var callbackName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

// callback returns the function that the query names, and what is wrong with
// it otherwise.
func callback(r *http.Request) (name, problem string) {
	switch name = r.URL.Query().Get("c"); {
	case name == "":
		return "", `"callback" parameter required`
	case !callbackName.MatchString(name):
		return "", `invalid "callback" parameter`
	}
	return name, ""
}
