package stompadapter

import (
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Headers that are the protocol's own and not the message's. A SEND's
// transaction is left in for whoever handles transactions on the way.
var (
	connectOwn     = []string{frame.HeaderAcceptVersion, frame.HeaderHeartBeat, frame.HeaderContentLength, frame.HeaderReceipt}
	sendOwn        = []string{frame.HeaderDestination, frame.HeaderReceipt, frame.HeaderContentLength, frame.HeaderSubscription, frame.HeaderAck, frame.HeaderLogin, frame.HeaderPasscode}
	subscribeOwn   = []string{frame.HeaderDestination, frame.HeaderReceipt, frame.HeaderContentLength, frame.HeaderID, frame.HeaderLogin, frame.HeaderPasscode}
	acknowledgeOwn = append(subscribeOwn, frame.HeaderSubscription)
)

// from returns the fields of a client's frame that go on in a message of kind k:
// none of own and none that only the server may set.
func from(k message.Kind, h message.Header, own []string) message.Header {
	return without(h, own, func(name string) bool { return message.FromClient(k, name) })
}

// without returns the fields of h that may go on: none of own.
func without(h message.Header, own []string, may func(name string) bool) message.Header {
	fields := make([]message.Field, 0, h.Len())
	for name, value := range h.All() {
		if may(name) && !slices.Contains(own, name) {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	return message.NewHeader(fields...)
}

// spare is how much of a frame's head may stay with what goes on of it.
const spare = 256

// compact gives m memory of its own where much of its frame's head does not go on. All
// headers of a frame share one string, and a broker that keeps the message counts what
// the message has, not what it came with.
func compact(m message.Raw, head message.Header) message.Raw {
	if size(head)-size(m.Header)-len(m.Destination) <= spare {
		return m
	}
	fields := make([]message.Field, 0, m.Header.Len())
	for name, value := range m.Header.All() {
		fields = append(fields, message.Field{Name: strings.Clone(name), Value: strings.Clone(value)})
	}
	m.Destination, m.Header = strings.Clone(m.Destination), message.NewHeader(fields...)
	return m
}

// size is how many bytes the names and values of h have.
func size(h message.Header) (n int) {
	for name, value := range h.All() {
		n += len(name) + len(value)
	}
	return n
}

// translate makes a message of a client's frame.
func (d *dialect) translate(f frame.Frame) (message.Raw, error) {
	switch f.Command {
	case frame.Connect, frame.Stomp:
		return d.connect(f)
	case frame.Disconnect:
		return message.Raw{Kind: message.KindDisconnect}, nil
	case frame.Send:
		destination, err := require(f, frame.HeaderDestination)
		m := message.Raw{Destination: destination, Header: from(message.KindData, f.Header, sendOwn), Payload: f.Body}
		return compact(m, f.Header), err
	case frame.Subscribe:
		return d.subscribe(f)
	case frame.Unsubscribe:
		return d.unsubscribe(f)
	case frame.Ack:
		return d.acknowledge(message.KindAck, f)
	case frame.Nack:
		return d.acknowledge(message.KindNack, f)
	case frame.Begin:
		return transaction(message.KindBegin, f)
	case frame.Commit:
		return transaction(message.KindCommit, f)
	}
	return transaction(message.KindAbort, f)
}

// require returns a header that f must have.
func require(f frame.Frame, name string) (string, error) {
	value := f.Header.Get(name)
	if value == "" {
		return "", invalid("%s needs the header %s", f.Command, name)
	}
	return value, nil
}

// subscriptionID returns the id of a subscription. In 1.0 it is optional, and
// a subscription without one goes by its destination. It is cloned because it
// is kept, and its memory is that of all headers of the frame.
func (d *dialect) subscriptionID(f frame.Frame) (string, error) {
	id, err := require(f, frame.HeaderID)
	if err != nil && d.frameVersion() == frame.V10 {
		id, err = require(f, frame.HeaderDestination)
	}
	return strings.Clone(id), err
}

func (d *dialect) subscribe(f frame.Frame) (message.Raw, error) {
	id, err := d.subscriptionID(f)
	if err != nil {
		return message.Raw{}, err
	}
	destination, err := require(f, frame.HeaderDestination)
	if err != nil {
		return message.Raw{}, err
	}
	if !slices.Contains([]string{"", "auto", "client", "client-individual"}, f.Header.Get(frame.HeaderAck)) {
		return message.Raw{}, invalid("ack is none of auto, client and client-individual")
	}
	if _, taken := d.subscriptions[id]; taken {
		return message.Raw{}, message.Errorf(message.CodeConflict, "the session has a subscription of this id already")
	}
	if most := d.adapter.config.MaxSubscriptions; len(d.subscriptions) >= most {
		return message.Raw{}, message.Errorf(message.CodeFull, "a session has at most %d subscriptions", most)
	}
	if d.subscriptions == nil {
		d.subscriptions = make(map[string]struct{})
	}
	d.subscriptions[id] = struct{}{}
	return message.Raw{
		Kind:         message.KindSubscribe,
		Destination:  strings.Clone(destination),
		Subscription: id,
		Header:       from(message.KindSubscribe, f.Header, subscribeOwn),
	}, nil
}

func (d *dialect) unsubscribe(f frame.Frame) (message.Raw, error) {
	id, err := d.subscriptionID(f)
	if err != nil {
		return message.Raw{}, err
	}
	if _, ok := d.subscriptions[id]; !ok {
		return message.Raw{}, message.Errorf(message.CodeNotFound, "the session has no subscription of this id")
	}
	delete(d.subscriptions, id)
	return message.Raw{Kind: message.KindUnsubscribe, Subscription: id, Header: from(message.KindUnsubscribe, f.Header, subscribeOwn)}, nil
}

// acknowledge names the delivered message as the version does: 1.2 by the ack
// header of its MESSAGE, the older ones by its message-id, and 1.1 says of which
// subscription.
func (d *dialect) acknowledge(k message.Kind, f frame.Frame) (message.Raw, error) {
	theirs, ours := frame.HeaderMessageID, message.HeaderMessageID
	switch v := d.frameVersion(); {
	case v == frame.V12:
		theirs, ours = frame.HeaderID, message.HeaderAck
	case v == frame.V10 && k == message.KindNack:
		return message.Raw{}, invalid("STOMP 1.0 has no NACK")
	}
	id, err := require(f, theirs)
	if err != nil {
		return message.Raw{}, err
	}
	subscription := f.Header.Get(frame.HeaderSubscription)
	if d.frameVersion() == frame.V11 && subscription == "" {
		return message.Raw{}, invalid("%s needs the header %s", f.Command, frame.HeaderSubscription)
	}
	return message.Raw{Kind: k, Subscription: subscription, Header: from(k, f.Header, acknowledgeOwn).With(ours, id)}, nil
}

// transaction leaves the id in the header, as SEND does.
func transaction(k message.Kind, f frame.Frame) (message.Raw, error) {
	_, err := require(f, frame.HeaderTransaction)
	return message.Raw{Kind: k, Header: from(k, f.Header, sendOwn)}, err
}
