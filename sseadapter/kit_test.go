package sseadapter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/sseadapter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an adapter behind a server.
type site struct {
	*sseadapter.Adapter
	http *httptest.Server
}

func serve(inbound message.RawHandler, c sseadapter.Config) *site {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	a := sseadapter.New(inbound, c)
	return &site{a, httptest.NewServer(a.Events())}
}

func (s *site) Close() {
	s.Adapter.Close()
	s.http.Close()
}

// listener reads the events of one response.
type listener struct {
	response *http.Response
	events   *bufio.Reader
	cancel   context.CancelFunc
	lastID   string
}

type event struct {
	name                                                    string
	Session, Token, User, ID, Destination, Receipt, Message string
	Code                                                    message.Code
	codec.Envelope
}

var errStatus = errors.New("not the status wanted")

// listen asks for events. last is a Last-Event-ID, or "".
func (s *site) listen(c *http.Client, query url.Values, last string) (*listener, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.http.URL+"?"+query.Encode(), nil)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := c.Do(r)
	if err == nil && response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		err = fmt.Errorf("%w: %s: %s", errStatus, response.Status, strings.TrimSpace(string(text)))
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &listener{response: response, events: bufio.NewReader(response.Body), cancel: cancel}, nil
}

// close stops listening.
func (l *listener) close() {
	l.cancel()
	l.response.Body.Close()
}

// next returns the next event, as a browser understands it.
func (l *listener) next() (e event, err error) {
	data := ""
	for {
		line, err := l.events.ReadString('\n')
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			l.lastID = value
		case "event":
			e.name = value
		case "data":
			data += value + "\n"
		case "":
			if value == "" && data != "" {
				return e, json.Unmarshal([]byte(data), &e)
			}
		}
	}
}

// post sends a request and returns the status.
func (s *site) post(c *http.Client, query url.Values, contentType, body string) (int, error) {
	r, _ := http.NewRequest(http.MethodPost, s.http.URL+"?"+query.Encode(), strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode, nil
}
