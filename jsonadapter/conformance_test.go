package jsonadapter_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

func TestConformance(t *testing.T) {
	messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
		return suiteServer{serve(inbound, jsonadapter.Config{})}
	})
}

type suiteServer struct{ *site }

func (s suiteServer) Dial(t *testing.T) messagetest.AdapterClient {
	return suiteClient{s.dial(t).ws}
}

type suiteClient struct{ ws *websocket.Conn }

type fields map[string]any

func (c suiteClient) write(object fields, receipt string) error {
	if receipt != "" {
		object["receipt"] = receipt
	}
	return c.ws.WriteJSON(object)
}

func headerOf(h message.Header) map[string]string {
	names := make(map[string]string)
	for name, value := range h.All() {
		names[name] = value
	}
	return names
}

func (c suiteClient) Connect(h message.Header) error {
	return c.write(fields{"type": "connect", "header": headerOf(h)}, "")
}

func (c suiteClient) Send(destination string, h message.Header, payload []byte, receipt string) error {
	object := fields{"type": "send", "destination": destination, "header": headerOf(h)}
	switch {
	case strings.HasSuffix(h.Get(message.HeaderContentType), "json"):
		// Marshal would escape it anew.
		p, err := json.Marshal(object)
		if err != nil {
			return err
		}
		return c.ws.WriteMessage(websocket.TextMessage, []byte(strings.TrimSuffix(string(p), "}")+`,"payload":`+string(payload)+"}"))
	case utf8.Valid(payload):
		object["payload"] = string(payload)
	default:
		object["payload"], object["encoding"] = base64.StdEncoding.EncodeToString(payload), "base64"
	}
	return c.write(object, receipt)
}

func (c suiteClient) Subscribe(id, destination, receipt string) error {
	return c.write(fields{"type": "subscribe", "id": id, "destination": destination}, receipt)
}

func (c suiteClient) Unsubscribe(id, receipt string) error {
	return c.write(fields{"type": "unsubscribe", "id": id}, receipt)
}

func (c suiteClient) Disconnect(receipt string) error {
	return c.write(fields{"type": "disconnect"}, receipt)
}

func (c suiteClient) Cut() { c.ws.Close() }

func (c suiteClient) Next() (r messagetest.Received, err error) {
	c.ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	var o struct {
		Type, ID, Destination, Encoding, Receipt, Message string
		Header                                            map[string]string
		Payload                                           json.RawMessage
	}
	if err := c.ws.ReadJSON(&o); err != nil {
		return r, err
	}
	var h message.Header
	for name, value := range o.Header {
		h = h.With(name, value)
	}
	r = messagetest.Received{
		Kind:    messagetest.ReceivedKind(o.Type),
		Receipt: o.Receipt,
		Text:    o.Message,
		Message: message.Raw{Destination: o.Destination, Subscription: o.ID, Header: h, Payload: o.Payload},
	}
	if o.Payload == nil || strings.HasSuffix(h.Get(message.HeaderContentType), "json") {
		return r, nil
	}
	var text string
	err = json.Unmarshal(o.Payload, &text)
	r.Message.Payload = []byte(text)
	if o.Encoding != "" {
		var bad error
		r.Message.Payload, bad = base64.StdEncoding.DecodeString(text)
		err = errors.Join(err, bad)
	}
	return r, err
}
