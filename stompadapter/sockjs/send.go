package sockjs

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/headrace/headrace/transport"
)

// sending is how one transport takes messages.
type sending struct {
	form   bool // the messages may be in the field d of a form
	accept func(http.ResponseWriter)
}

var (
	xhrSend = sending{accept: func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusNoContent)
	}}
	jsonpSend = sending{form: true, accept: func(w http.ResponseWriter) {
		io.WriteString(w, "ok")
	}}
)

// send hands the messages of a request to the session's protocol, which may
// block: the client has its answer when they are taken.
func (e *endpoint) send(w http.ResponseWriter, r *http.Request, id string, t sending) {
	e.dress(w, r)
	s := e.sessions.get(id)
	if s == nil || !s.await(r) || s.ended() {
		http.NotFound(w, r)
		return
	}
	if !s.admits(w, r) {
		return
	}
	err := s.conn.Take(w, r, e.config.BodyBytes, func(body []byte) error {
		messages, ok := e.parse(w, r, t, body)
		if !ok {
			return nil
		}
		for _, m := range messages {
			if s.conn.Receive(m) != nil {
				break // the session ends and its receiver is told why
			}
		}
		w.Header().Set("Content-Type", textPlain)
		t.accept(w)
		return nil
	})
	if errors.Is(err, transport.ErrClosed) {
		http.NotFound(w, r)
	} else if err != nil {
		e.server.Refuse(w, r, err)
	}
}

// parse finds the messages in a body. Without ok it has answered.
func (e *endpoint) parse(w http.ResponseWriter, r *http.Request, t sending, body []byte) (messages [][]byte, ok bool) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t.form && kind == "application/x-www-form-urlencoded" {
		form, _ := url.ParseQuery(string(body)) // the fields that are in order
		body = []byte(form.Get("d"))
	}
	if len(body) == 0 {
		http.Error(w, "Payload expected.", http.StatusInternalServerError)
		return nil, false
	}
	messages, err := parseMessages(body, e.config.MaxMessages)
	switch {
	case errors.Is(err, errTooMany):
		http.Error(w, "Too many messages.", http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "Broken JSON encoding.", http.StatusInternalServerError)
	}
	return messages, err == nil
}
