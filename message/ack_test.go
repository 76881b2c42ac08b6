package message_test

import (
	"testing"

	"github.com/headrace/headrace/message"
)

func TestAckModeOf(t *testing.T) {
	for text, want := range map[string]message.AckMode{
		"": message.AckAuto, "auto": message.AckAuto, "client": message.AckCumulative, "client-individual": message.AckIndividual,
	} {
		h := message.NewHeader(message.Field{Name: message.HeaderAckMode, Value: text})
		if got, err := message.AckModeOf(h); got != want || err != nil {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"Client", "manual", " auto"} {
		h := message.NewHeader(message.Field{Name: message.HeaderAckMode, Value: text})
		if _, err := message.AckModeOf(h); message.Public(err).Code != message.CodeInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}
