package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/watermilladapter"
)

// maxName is how long a name may get before a part of it is a sum. Kafka allows 249
// characters.
const maxName = 200

// firstSegment is what stands before the second slash, or the first dot.
func firstSegment(destination string) string {
	segment := strings.TrimPrefix(destination, "/")
	if i := strings.IndexAny(segment, "/."); i >= 0 {
		segment = segment[:i]
	}
	return segment
}

// place is where the messages of a destination are: a topic of Kafka, and a key there.
type place struct{ topic, key string }

// name is a place as the name of a topic of Watermill, of which place is the inverse:
// no topic of Kafka has a slash.
func (c Config) name(destination string) string {
	topic := watermilladapter.EscapeTopic(c.Topic(destination))
	return short(c.Prefix+".", topic) + "/" + watermilladapter.EscapeTopic(destination)
}

func placeOf(name string) place {
	topic, key, _ := strings.Cut(name, "/")
	return place{topic, key}
}

// short joins a prefix and a name of any length.
func short(prefix, name string) string {
	if len(name) <= maxName-len(prefix) {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	return prefix + "sum-" + hex.EncodeToString(sum[:16])
}

// groupOf is the group of Kafka that the members of a group of a destination are in.
func (c Config) groupOf(p place, group string) string {
	return short(c.Prefix+".", p.topic+"."+p.key+"."+watermilladapter.EscapeTopic(group))
}

// headerID has a message's id. Other headers are its metadata.
const headerID = "headrace-id"

func toRecord(p place, m *wmessage.Message) *kgo.Record {
	r := &kgo.Record{Topic: p.topic, Key: []byte(p.key), Value: m.Payload}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: headerID, Value: []byte(m.UUID)})
	for name, value := range m.Metadata {
		if name != headerID {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	return r
}

// fromRecord makes a message of what came, whatever that is.
func fromRecord(r *kgo.Record) *wmessage.Message {
	m := wmessage.NewMessage("", r.Value)
	for _, h := range r.Headers {
		if h.Key == headerID {
			m.UUID = string(h.Value)
		} else {
			m.Metadata[h.Key] = string(h.Value)
		}
	}
	return m
}
