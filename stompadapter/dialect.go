package stompadapter

import (
	"errors"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// tolerance is the number of the client's heart-beats that may be missing.
const tolerance = 3

// dialect is STOMP on one connection. Read has the fields to itself but for
// those that are settled before the session begins.
type dialect struct {
	adapter       *Adapter
	conn          *transport.Conn
	decoder       *frame.Decoder
	textOnly      bool                // octets that are not UTF-8 cannot be sent
	subscriptions map[string]struct{} // ids

	version atomic.Uint32   // frame.Version; zero until it is negotiated
	beats   frame.HeartBeat // what the client announced; set before version
}

func newDialect(a *Adapter, c *transport.Conn) *dialect {
	d := &dialect{adapter: a, conn: c, decoder: frame.NewDecoder(a.config.Limits)}
	d.decoder.SetLenient(a.config.Lenient)
	return d
}

// Version returns the version that was negotiated.
func (d *dialect) Version() uint8 { return uint8(d.version.Load()) }

func (d *dialect) frameVersion() frame.Version { return frame.Version(d.Version()) }

// Read takes p up to the end of a frame.
func (d *dialect) Read(p []byte) (r transport.Request, rest []byte, ok bool) {
	f, rest, ok, err := d.decoder.Decode(p)
	if broken, is := errors.AsType[*frame.DecodeError](err); is {
		f, ok = broken.Frame, true
	} else if !ok {
		return r, nil, false
	}
	r.Name = string(f.Command)
	r.Receipt, r.WantsReceipt = f.Header.Lookup(frame.HeaderReceipt)
	switch {
	case err != nil:
		r.Err, r.Broken = err, true
	case ofServers(f.Command):
		r.Err, r.Broken = invalid("only servers send %s frames", f.Command), true
	default:
		r.Message, r.Err = d.translate(f)
	}
	return r, rest, ok
}

func ofServers(c frame.Command) bool {
	return c == frame.Connected || c == frame.Message || c == frame.Receipt || c == frame.Error
}

// connect settles version and heart-beats (STOMP 1.2, "Protocol Negotiation"
// and "Heart-beating"). 1.0 has no heart-beats. A second CONNECT, which the
// session refuses, settles nothing.
func (d *dialect) connect(f frame.Frame) (m message.Raw, err error) {
	m = message.Raw{Kind: message.KindConnect, Header: from(message.KindConnect, f.Header, connectOwn)}
	if d.Version() != 0 {
		return m, nil
	}
	version, ok := frame.Negotiate(f.Header.Get(frame.HeaderAcceptVersion), newest(d.conn.Subprotocol()))
	if !ok {
		return m, errVersion
	}
	if beats, ok := f.Header.Lookup(frame.HeaderHeartBeat); ok && version > frame.V10 {
		if d.beats, err = frame.ParseHeartBeat(beats); err != nil {
			return m, err
		}
	}
	d.version.Store(uint32(version))
	d.decoder.SetVersion(version)
	return m, nil
}

// newest returns the newest version that a subprotocol allows. A client that
// was told v11.stomp does not expect the escapes of 1.2. Where there is no
// subprotocol, CONNECT alone decides.
func newest(subprotocol string) frame.Version {
	switch subprotocol {
	case "v10.stomp":
		return frame.V10
	case "v11.stomp":
		return frame.V11
	}
	return frame.V12
}

// Connected sends CONNECTED and starts the heart-beats.
func (d *dialect) Connected(s *message.Session) error {
	own := frame.HeartBeat(d.adapter.config.Heartbeat)
	fields := []message.Field{
		{Name: frame.HeaderVersion, Value: d.frameVersion().String()},
		{Name: frame.HeaderSession, Value: s.ID()},
		{Name: frame.HeaderServer, Value: d.adapter.config.Server},
	}
	if d.frameVersion() > frame.V10 {
		fields = append(fields, message.Field{Name: frame.HeaderHeartBeat, Value: own.String()})
	}
	if user := s.User(); user != nil {
		fields = append(fields, message.Field{Name: headerUserName, Value: user.Name()})
	}
	if err := d.send(frame.Frame{Command: frame.Connected}, fields...); err != nil {
		return err
	}
	send, receive := own.Negotiate(d.beats)
	d.conn.Heartbeat(send, tolerance*receive, d.adapter.beat(d.conn.Framing()))
	return nil
}

// headerUserName tells the client whom the server takes it for.
const headerUserName = "user-name"
