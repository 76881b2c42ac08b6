package sseadapter_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/sseadapter"
)

func TestConformance(t *testing.T) {
	for name, patience := range map[string]time.Duration{"resumable": 500 * time.Millisecond, "not resumable": -1} {
		t.Run(name, func(t *testing.T) {
			messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
				return suiteServer{serve(inbound, sseadapter.Config{ResumeTimeout: patience})}
			})
		})
	}
}

type suiteServer struct{ *site }

func (s suiteServer) Dial(t *testing.T) messagetest.AdapterClient {
	c := &suiteClient{
		site:   s.site,
		client: &http.Client{Transport: new(http.Transport)},
		events: make(chan messagetest.Received),
		token:  make(chan string, 1),
		asks:   make(chan ask, 10_000),
		gone:   make(chan struct{}),
		over:   make(chan struct{}),
	}
	return c
}

// suiteClient listens and sends on goroutines of its own: nothing can be sent
// before the token came.
type suiteClient struct {
	site   *site
	client *http.Client
	events chan messagetest.Received
	token  chan string
	asks   chan ask
	gone   chan struct{} // closed by Cut
	over   chan struct{} // closed when nothing more comes
	once   sync.Once
}

type ask struct {
	query       url.Values
	contentType string
	body        []byte
}

func (c *suiteClient) Connect(h message.Header) error {
	go c.receive(withHeader(url.Values{}, h))
	go c.send()
	return nil
}

func withHeader(q url.Values, h message.Header) url.Values {
	for name, value := range h.All() {
		if name != message.HeaderContentType {
			q.Add("header", name+":"+value)
		}
	}
	return q
}

func (c *suiteClient) receive(query url.Values) {
	defer c.client.CloseIdleConnections()
	defer close(c.events)
	defer close(c.over)
	l, err := c.site.listen(c.client, query, "")
	if errors.Is(err, errStatus) && !strings.Contains(err.Error(), "503") { // which is of a server that goes away
		c.pass(messagetest.Received{Kind: messagetest.ReceivedError, Text: err.Error()})
	}
	if err != nil {
		return
	}
	defer l.close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-c.gone:
			l.close()
		case <-stop:
		}
	}()
	for {
		e, err := l.next()
		if err != nil {
			return
		}
		r := messagetest.Received{Kind: messagetest.ReceivedMessage, Receipt: e.Receipt, Text: e.Message}
		switch e.name {
		case "connected":
			r.Kind = messagetest.ReceivedConnected
			c.token <- e.Token
		case "receipt":
			r.Kind = messagetest.ReceivedReceipt
		case "failure":
			r.Kind = messagetest.ReceivedError
		}
		h, payload, err := e.Open(message.KindData)
		for name, value := range e.Header { // Open leaves out what clients may not send
			if message.Reserved(name) {
				h = h.With(name, value)
			}
		}
		r.Message = message.Raw{Destination: e.Destination, Subscription: e.ID, Header: h, Payload: payload}
		if err != nil || !c.pass(r) {
			return
		}
	}
}

func (c *suiteClient) pass(r messagetest.Received) bool {
	select {
	case c.events <- r:
		return true
	case <-c.gone:
		return false
	}
}

func (c *suiteClient) send() {
	select {
	case token := <-c.token:
		for {
			select {
			case a := <-c.asks:
				a.query.Set("session", token)
				if _, err := c.site.post(c.client, a.query, a.contentType, string(a.body)); err != nil {
					return
				}
			case <-c.over:
				return
			}
		}
	case <-c.over:
	}
}

func (c *suiteClient) ask(query url.Values, h message.Header, payload []byte, receipt string) error {
	if receipt != "" {
		query.Set("receipt", receipt)
	}
	select {
	case <-c.gone:
		return io.ErrClosedPipe
	case c.asks <- ask{withHeader(query, h), h.Get(message.HeaderContentType), payload}:
		return nil
	}
}

func (c *suiteClient) Send(destination string, h message.Header, payload []byte, receipt string) error {
	return c.ask(url.Values{"destination": {destination}}, h, payload, receipt)
}

func (c *suiteClient) Subscribe(id, destination, receipt string) error {
	return c.ask(url.Values{"subscribe": {id}, "destination": {destination}}, message.Header{}, nil, receipt)
}

func (c *suiteClient) Unsubscribe(id, receipt string) error {
	return c.ask(url.Values{"unsubscribe": {id}}, message.Header{}, nil, receipt)
}

func (c *suiteClient) Disconnect(receipt string) error {
	return c.ask(url.Values{"disconnect": {""}}, message.Header{}, nil, receipt)
}

func (c *suiteClient) Next() (messagetest.Received, error) {
	select {
	case r, ok := <-c.events:
		if !ok {
			return r, io.EOF
		}
		return r, nil
	case <-time.After(10 * time.Second):
		return messagetest.Received{}, errors.New("nothing came")
	}
}

func (c *suiteClient) Cut() {
	c.once.Do(func() {
		close(c.gone)
		c.client.CloseIdleConnections()
	})
}
