package broker

import (
	"encoding/binary"
	"errors"

	"github.com/headrace/headrace/message"
)

// noticeKind says what a node tells of its sessions.
type noticeKind byte

const (
	noticeDelta    noticeKind = iota + 1 // what has changed since the last one
	noticeSnapshot                       // all there is
	noticeAsk                            // for the snapshot of a node, or of all
	noticeLeave                          // there is nothing any more
	noticeClose                          // a session of the node that is told ends
)

// notice is what nodes tell each other about sessions. Deltas are numbered; a
// snapshot has the number of the delta that it makes needless. What is too large
// comes in parts, one behind the other.
type notice struct {
	kind     noticeKind
	life     string // of the sender: another one each time that it starts
	number   uint64
	part     uint64 // from 0
	more     bool   // parts follow
	sessions []remote
	gone     []string // ids

	subject string // ask: the node, or none for all; close: the session
	code    string // close: of the reason, if it has one
	reason  string
}

// remote is a session as other nodes are told of it. Entries of one id, one behind the
// other, are one session.
type remote struct {
	id, user      string
	subscriptions []held
}

// held is a subscription of a session.
type held struct{ id, destination string }

const (
	noticeVersion = 1
	noticePart    = 256 << 10 // about what a part takes: engines have limits, of 1 MB often
	noticeLimit   = 1 << 20   // what is not read
	nameLimit     = 64 << 10  // of what is not told
)

var errNotice = errors.New("broker: not a notice")

// append writes n behind b.
func (n *notice) append(b []byte) []byte {
	b = append(b, noticeVersion, byte(n.kind))
	b = appendText(b, n.life)
	b = binary.AppendUvarint(b, n.number)
	b = binary.AppendUvarint(b, n.part)
	b = append(b, 0)
	if n.more {
		b[len(b)-1] = 1
	}
	b = binary.AppendUvarint(b, uint64(len(n.sessions)))
	for _, s := range n.sessions {
		b = appendText(appendText(b, s.id), s.user)
		b = binary.AppendUvarint(b, uint64(len(s.subscriptions)))
		for _, h := range s.subscriptions {
			b = appendText(appendText(b, h.id), h.destination)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(n.gone)))
	for _, id := range n.gone {
		b = appendText(b, id)
	}
	return appendText(appendText(appendText(b, n.subject), n.code), n.reason)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseNotice reads what append wrote, from whoever did. It takes no more memory than
// the text is long, but for a small factor.
func parseNotice(b []byte) (n notice, err error) {
	if len(b) > noticeLimit || len(b) < 2 || b[0] != noticeVersion {
		return n, errNotice
	}
	r := noticeReader{rest: string(b[2:])}
	n = notice{kind: noticeKind(b[1]), life: r.text(), number: r.uint(), part: r.uint(), more: r.uint() == 1}
	for range r.count(3) {
		s := remote{id: r.text(), user: r.text()}
		for range r.count(2) {
			s.subscriptions = append(s.subscriptions, held{id: r.text(), destination: r.text()})
		}
		r.bad = r.bad || s.id == ""
		n.sessions = append(n.sessions, s)
	}
	for range r.count(1) {
		n.gone = append(n.gone, r.text())
	}
	n.subject, n.code, n.reason = r.text(), r.text(), r.text()
	if r.bad || r.rest != "" || n.life == "" || n.kind < noticeDelta || n.kind > noticeClose {
		return notice{}, errNotice
	}
	return n, nil
}

// noticeReader reads a text from its beginning. What it returns shares the text's
// memory. When something is bad, everything behind it is nothing.
type noticeReader struct {
	rest string
	bad  bool
}

func (r *noticeReader) uint() (v uint64) {
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.rest, r.bad = "", true
	return 0
}

func (r *noticeReader) text() (s string) {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = "", true
		return ""
	}
	s, r.rest = r.rest[:n], r.rest[n:]
	return s
}

// count reads how many things follow, of which each takes so many bytes at least.
func (r *noticeReader) count(least int) uint64 {
	n := r.uint()
	if n > uint64(len(r.rest)/least) {
		r.rest, r.bad = "", true
		return 0
	}
	return n
}

// parts divides n so that each part takes about noticePart bytes. What has a name
// that would not fit is left out.
func (n *notice) parts() []notice {
	p := noticeParts{head: *n}
	p.head.sessions, p.head.gone = nil, nil
	p.begin()
	for _, s := range n.sessions {
		if len(s.id)+len(s.user) > nameLimit {
			continue
		}
		p.session(s)
		for _, h := range s.subscriptions {
			size := len(h.id) + len(h.destination) + 8
			if size > nameLimit {
				continue
			}
			if size > p.room {
				p.begin()
				p.session(s)
			}
			p.room -= size
			at := &p.last().sessions[len(p.last().sessions)-1]
			at.subscriptions = append(at.subscriptions, h)
		}
	}
	for _, id := range n.gone {
		p.make(len(id) + 4)
		p.last().gone = append(p.last().gone, id)
	}
	return p.all
}

type noticeParts struct {
	head notice
	all  []notice
	room int // of the last one
}

func (p *noticeParts) last() *notice { return &p.all[len(p.all)-1] }

// begin begins another part.
func (p *noticeParts) begin() {
	if len(p.all) > 0 {
		p.last().more = true
		p.head.part++
	}
	p.all, p.room = append(p.all, p.head), noticePart
}

// make takes room in the last part, or in another one.
func (p *noticeParts) make(size int) {
	if size > p.room {
		p.begin()
	}
	p.room -= size
}

func (p *noticeParts) session(s remote) {
	p.make(len(s.id) + len(s.user) + 16)
	p.last().sessions = append(p.last().sessions, remote{id: s.id, user: s.user})
}

// farewell returns the reason of a notice of an end, as the client is told of it.
func (n *notice) farewell() error {
	if n.code == "" {
		return nil
	}
	return &message.Error{Code: message.Code(n.code), Message: n.reason}
}
