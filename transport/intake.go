package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/headrace/headrace/message"
)

const (
	// maxWaiting is how many requests may wait for their turn on a connection.
	maxWaiting = 64
	// bodyTime is how long a client may take for a body: others wait for it.
	bodyTime = 10 * time.Second
)

var (
	errWaiting    error = message.Errorf(message.CodeFull, "too many requests at once")
	errBrokenBody error = message.Errorf(message.CodeInvalid, "the body broke off")
)

// intake is where requests wait that bring something for a connection. Bodies
// are read one at a time, or many requests could hold more than one may.
type intake struct {
	waiting chan struct{} // who waits, and who has the turn
	turn    chan struct{} // who has it
}

func newIntake() intake {
	return intake{waiting: make(chan struct{}, maxWaiting), turn: make(chan struct{}, 1)}
}

// Take waits for the request's turn among those that bring something for the
// connection, reads its body of at most limit octets, and calls take with it,
// which hands it to [Carried.Receive] and may block. A negative limit means
// none. It returns what take returns, or an authored error: that too many
// requests wait, that the body is too large or broke off, and [ErrClosed]; or
// that of the request's context.
func (k *Carried) Take(w http.ResponseWriter, r *http.Request, limit int64, take func(body []byte) error) error {
	select {
	case k.intake.waiting <- struct{}{}:
		defer func() { <-k.intake.waiting }()
	default:
		return errWaiting
	}
	select {
	case k.intake.turn <- struct{}{}:
		defer func() { <-k.intake.turn }()
	case <-k.gone:
		return ErrClosed
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return err
	}
	return take(body)
}

// ReadBody reads the body of a request, for which the client has 10 s. Errors are
// authored: it is larger than limit octets, of which a negative number means no
// limit, or it broke off.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyTime)) // where there is no deadline to set, nothing blocks either
	defer rc.SetReadDeadline(time.Time{})
	body := r.Body
	if limit >= 0 {
		body = http.MaxBytesReader(w, body, limit)
	}
	p, err := io.ReadAll(body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, message.Errorf(message.CodeTooLarge, "the body is larger than %d octets", limit)
	}
	if err != nil {
		return nil, errBrokenBody
	}
	return p, nil
}
