package sseadapter

import (
	"io"
	"net/http"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Limits of a query: what is larger is refused unread.
const (
	maxQuery   = 16 << 10 // octets
	maxHeaders = 64
)

// request takes something that a client asks for.
func (a *Adapter) request(w http.ResponseWriter, r *http.Request) {
	info, ok := a.server.Identify(w, r)
	if !ok {
		return
	}
	s := a.find(r.URL.Query().Get("session"), info)
	if s == nil {
		a.server.Refuse(w, r, message.Errorf(message.CodeNotFound, "there is no such session"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.config.MessageBytes))
	if err != nil {
		a.server.Refuse(w, r, message.Errorf(message.CodeTooLarge, "the payload broke off or is larger than %d octets", a.config.MessageBytes))
		return
	}
	if err := s.ask(parse(r), body); err != nil {
		a.server.Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// parse says what a request asks for. What is wrong with it is in its Err.
func parse(r *http.Request) (req transport.Request) {
	q := r.URL.Query()
	req.Name, req.Receipt, req.WantsReceipt = "send", q.Get("receipt"), q.Has("receipt")
	for name, kind := range kinds {
		if q.Has(name) {
			req.Name, req.Message.Kind, req.Message.Subscription = name, kind, q.Get(name)
		}
	}
	m := &req.Message
	m.Destination = q.Get("destination")
	m.Header, req.Err = header(r)
	switch {
	case req.Err != nil:
	case (m.Kind == message.KindData || m.Kind == message.KindSubscribe) != (m.Destination != ""):
		req.Err = message.Errorf(message.CodeInvalid, "send and subscribe, and no others, need a destination")
	case (m.Kind == message.KindSubscribe || m.Kind == message.KindUnsubscribe) != (m.Subscription != ""):
		req.Err = message.Errorf(message.CodeInvalid, "subscribe and unsubscribe, and no others, need an id")
	}
	return req
}

// kinds are the parameters that make a request something else than a send.
var kinds = map[string]message.Kind{
	"subscribe":   message.KindSubscribe,
	"unsubscribe": message.KindUnsubscribe,
	"disconnect":  message.KindDisconnect,
}

// header makes a message's header of a request's content type and query.
func header(r *http.Request) (h message.Header, err error) {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		h = h.With(message.HeaderContentType, kind)
	}
	fields := r.URL.Query()["header"]
	if len(fields) > maxHeaders {
		return h, message.Errorf(message.CodeTooLarge, "more than %d headers", maxHeaders)
	}
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok || name == "" {
			return h, message.Errorf(message.CodeInvalid, "a header is written as name:value")
		}
		if !message.Reserved(name) {
			h = h.With(name, value)
		}
	}
	return h, nil
}
