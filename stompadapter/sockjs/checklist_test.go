package sockjs_test

import "testing"

// checklist says which tests hold the protocol's rules: 0.3.3 and its public
// tests, row by row. What looks inside is in the internal tests: TestEscapes,
// TestParseMessages, TestParseRoute and TestBelow.
var checklist = []struct {
	rule  string
	tests []func(*testing.T)
}{
	// Static URLs.
	{"BASE and BASE/ greet, as text, without a cookie", all(TestGreeting, TestCookies)},
	{"other paths are not found", all(TestNotFound, TestSecPaths)},
	{"the iframe page, by all its names, with and without a query", all(TestIframe)},
	{"it is cached for a year, with an ETag, without Last-Modified", all(TestIframe)},
	{"If-None-Match is answered 304 without a body or a type", all(TestIframe)},
	{"names that are nearly right are not found", all(TestNotFound)},
	{"the client's URL is configurable and begins with / or http", all(TestClientURL)},

	// /info
	{"info has its four fields; the entropy is new every time", all(TestInfo)},
	{"it is not cached", all(TestInfo)},
	{"CORS: the origin with credentials, or * without", all(TestInfo, TestSecCredentials)},
	{"the origin null is answered with null", all(TestInfo, TestPreflight)},
	{"OPTIONS", all(TestPreflight)},
	{"without WebSocket it says so", all(TestNoWebSocket)},
	{"no cookie, but cookie_needed", all(TestCookies)},
	{"it waits for nobody", all(TestInfo)},

	// Session URLs.
	{"any server and session id without a dot, percent-encoded too", all(TestSecHostileIDs, TestMount)},
	{"empty, dotted, too few, too many: not found", all(TestNotFound, TestSecPaths)},
	{"the session id alone counts", all(TestServerIsIgnored)},
	{"the application does not see it", all(TestIDs)},
	{"receiving begins a session, sending needs one", all(TestSession)},
	{"405 with Allow, without a body or a type", all(TestMethods, TestWebSocketErrors)},

	// Frames and the life of a session.
	{"o, a, h, c", all(TestSession, TestHeartbeat, TestCloseIsRemembered)},
	{"h every 25 s, configurable", all(TestHeartbeat, TestNoHeartbeat)},
	{"a session without a receiver dies after 5 s, configurable", all(TestDisconnectDelay)},
	{"a second receiver is told 2010, the first lives on", all(TestSecondReceiver)},
	{"after a close every receiver is told the same, for a while", all(TestCloseIsRemembered, TestCloseIsForgotten)},
	{"a receiver that is cut ends the session: 1002", all(TestAbort, TestAbortOfAPoll)},
	{"arrays of strings; [] is fine; one string over WebSocket", all(TestSendErrors, TestWebSocket)},
	{"broken JSON and nothing: 500, and the session lives on", all(TestSendErrors, TestWebSocketBrokenJSON)},
	{"the server escapes what browsers lose", all(TestCharacters)},
	{"it decodes whatever a client escaped", all(TestCharacters)},
	{"order", all(TestOrder)},
	{"what waits together goes out together", all(TestBatch)},

	// Transports.
	{"websocket: handshake and its errors", all(TestWebSocketErrors)},
	{"websocket: empty messages and arrays are ignored", all(TestWebSocket)},
	{"websocket: two sessions may share an id", all(TestWebSocketSharedID)},
	{"websocket: the close frame is followed by WebSocket's own", all(TestWebSocketClose)},
	{"websocket: hixie-76 is not served, the one exception", nil},
	{"WebSocket without SockJS at BASE/websocket", all(TestRawWebSocket, TestWebSocketClose)},
	{"xhr", all(TestXHRPolling)},
	{"xhr_send takes any Content-Type", all(TestXHRPolling, TestContentTypes)},
	{"OPTIONS on the xhr transports, with Allow-Headers", all(TestPreflight)},
	{"xhr_streaming: prelude, frames, end after the limit", all(TestXHRStreaming, TestStreamLimit)},
	{"eventsource", all(TestEventSource, TestStreamLimit, TestSecLineBreaks)},
	{"htmlfile", all(TestHTMLFile, TestStreamLimit, TestSecLineBreaks)},
	{"jsonp", all(TestJSONP, TestSecLineBreaks)},
	{"jsonp_send: a form or a body", all(TestJSONP)},
	{"callbacks: required, and of harmless characters", all(TestCallback, TestSecCallback)},
	{"transports have the client's names", all(TestTransportNames)},

	// Headers, cookies, HTTP.
	{"cookies on: every session URL sets JSESSIONID or gives it back", all(TestCookies)},
	{"cookies off: none", all(TestXHRPolling, TestXHRStreaming, TestEventSource, TestHTMLFile, TestJSONP, TestInfo)},
	{"HTTP/1.0: no chunks", all(TestHTTP10)},
	{"HTTP/1.1: keep-alive, each frame a chunk", all(TestHTTP11)},
	{"a POST without Content-Length", all(TestNoContentLength)},
	{"credentials never with *", all(TestSecCredentials, TestCORSOfAFilter)},
	{"origins are checked on info and every transport", all(TestSecOrigins, TestSecEmbedding)},
	{"proxies are asked not to transform or buffer", all(TestProxiesDoNotBuffer)},

	// With a protocol inside.
	{"a heart-beat of the protocol takes the place of h", all(TestProtocolHeartbeat)},
	{"frames of the protocol may be split and joined", all(TestPieces)},
	{"all characters survive both ways", all(TestCharacters)},
	{"last words arrive before the close, on polls too", all(TestLastWords)},
	{"answers arrive before the end, on polls too", all(TestLastWords, TestServeReturns)},
	{"sessions of all transports share what is sent", all(TestTransportsMeet)},
}

func all(tests ...func(*testing.T)) []func(*testing.T) { return tests }

// TestChecklist: the table has all 63 rules, and tests for all but one.
func TestChecklist(t *testing.T) {
	untested := 0
	for _, row := range checklist {
		if len(row.tests) == 0 {
			untested++
		}
	}
	if len(checklist) != 7+8+6+12+16+8+6 || untested != 1 {
		t.Errorf("%d rules, %d without a test", len(checklist), untested)
	}
}
