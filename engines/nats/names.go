package nats

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/headrace/headrace/watermilladapter"
)

// subject is the subject of a topic, whose name has been escaped to letters, digits, "_"
// and "-": one token after the prefix.
func subject(prefix, topic string) string { return prefix + "." + topic }

// queueGroup is the queue group of a group, a token.
func queueGroup(group string) string { return watermilladapter.EscapeTopic(group) }

// durable is the name of the consumer of a group of a topic. Names of consumers are the
// names of folders too, and short.
func durable(subject, group string) string {
	sum := sha256.Sum256([]byte(group + "\x00" + subject))
	return "group-" + hex.EncodeToString(sum[:16])
}

// streamName is a name for the stream of a prefix.
func streamName(prefix string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(".*> \t\r\n/\\", r) {
			return '_'
		}
		return r
	}, prefix)
}
