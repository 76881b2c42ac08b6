package sockjs

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
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
	// One at a time, or many requests could hold more than one may.
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-s.conn.Done():
		http.NotFound(w, r)
		return
	case <-r.Context().Done():
		return
	}
	messages, ok := e.readMessages(w, r, t)
	if !ok {
		return
	}
	for _, m := range messages {
		if s.conn.Receive(m) != nil {
			break // the session ends and its receiver is told why
		}
	}
	w.Header().Set("Content-Type", textPlain)
	t.accept(w)
}

// readMessages reads the messages of a request. Without ok it has answered.
func (e *endpoint) readMessages(w http.ResponseWriter, r *http.Request, t sending) (messages [][]byte, ok bool) {
	body, ok := readBody(w, r, e.config.BodyBytes)
	if !ok {
		return nil, false
	}
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

// bodyTime is how long a client may take for a body.
const bodyTime = 10 * time.Second

// readBody reads a body of at most limit bytes. Without ok it has answered.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, ok bool) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyTime)) // where there is no deadline to set, nothing blocks either
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	rc.SetReadDeadline(time.Time{})
	if err == nil {
		return body, true
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "Payload too large.", http.StatusRequestEntityTooLarge)
	} else {
		http.Error(w, "Payload incomplete.", http.StatusBadRequest)
	}
	return nil, false
}
