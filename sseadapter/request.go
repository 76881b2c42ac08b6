package sseadapter

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Limits of a query: what is larger is refused unread.
const (
	maxQuery   = 16 << 10 // octets
	maxHeaders = 64
)

func invalid(text string) error { return message.Errorf(message.CodeInvalid, "%s", text) }

func parseQuery(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, message.Errorf(message.CodeTooLarge, "the query is larger than %d octets", maxQuery)
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	text, _ := url.QueryUnescape(r.URL.RawQuery)
	switch {
	case err != nil || !utf8.ValidString(text+r.Header.Get("Content-Type")):
		return nil, invalid("the query, or the content type, is malformed")
	case len(q["header"]) > maxHeaders:
		return nil, message.Errorf(message.CodeTooLarge, "more than %d headers", maxHeaders)
	}
	return q, nil
}

// request takes something that a client asks for.
func (a *Adapter) request(w http.ResponseWriter, r *http.Request, q url.Values) {
	info, ok := a.server.Identify(w, r)
	if !ok {
		return
	}
	s := a.find(cmp.Or(r.Header.Get("Session-Token"), q.Get("session")), info)
	err := error(message.Errorf(message.CodeNotFound, "there is no such session"))
	if s != nil {
		err = s.carried.Take(w, r, a.config.MessageBytes, func(body []byte) error { return s.ask(parse(r, q), body) })
	}
	if err != nil {
		a.server.Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// parse says what a request asks for. What is wrong with it is in its Err.
func parse(r *http.Request, q url.Values) (req transport.Request) {
	req.Name, req.Receipt, req.WantsReceipt = "send", q.Get("receipt"), q.Has("receipt")
	several := false
	m := &req.Message
	for name, kind := range kinds {
		if q.Has(name) {
			several = several || m.Kind != message.KindData
			req.Name, m.Kind, m.Subscription = name, kind, q.Get(name)
		}
	}
	m.Destination = q.Get("destination")
	m.Header, req.Err = header(r, q, m.Kind)
	switch {
	case req.Err != nil:
	case several:
		req.Err = invalid("a request asks for one thing")
	case (m.Kind == message.KindData || m.Kind == message.KindSubscribe) != (m.Destination != ""):
		req.Err = invalid("send and subscribe, and no others, need a destination")
	case (m.Kind == message.KindData || m.Kind == message.KindDisconnect) != (m.Subscription == ""):
		req.Err = invalid("all but send and disconnect, and no others, need an id")
	case ids[m.Kind] != "":
		m.Header, m.Subscription = m.Header.With(ids[m.Kind], m.Subscription), ""
	}
	return req
}

// kinds are the parameters that make a request something else than a send.
var kinds = map[string]message.Kind{
	"subscribe":   message.KindSubscribe,
	"unsubscribe": message.KindUnsubscribe,
	"ack":         message.KindAck,
	"nack":        message.KindNack,
	"begin":       message.KindBegin,
	"commit":      message.KindCommit,
	"abort":       message.KindAbort,
	"disconnect":  message.KindDisconnect,
}

// ids are the headers for the ids of what is no subscription.
var ids = map[message.Kind]string{
	message.KindAck:    message.HeaderAck,
	message.KindNack:   message.HeaderAck,
	message.KindBegin:  message.HeaderTransaction,
	message.KindCommit: message.HeaderTransaction,
	message.KindAbort:  message.HeaderTransaction,
}

// header makes the header of a message of kind k of a request's content type and
// query.
func header(r *http.Request, q url.Values, k message.Kind) (message.Header, error) {
	var fields []message.Field
	if kind := r.Header.Get("Content-Type"); kind != "" {
		fields = append(fields, message.Field{Name: message.HeaderContentType, Value: kind})
	}
	for _, field := range q["header"] {
		name, value, ok := strings.Cut(field, ":")
		if !ok || name == "" {
			return message.Header{}, invalid("a header is written as name:value")
		}
		if message.FromClient(k, name) {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	return message.NewHeader(fields...), nil
}
