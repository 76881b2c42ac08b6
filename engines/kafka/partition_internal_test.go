package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// However long one record takes, what came since and is done is not kept, and nothing is
// told to be done before it is.
func TestPartitionIsBounded(t *testing.T) {
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var p partition
	record := func(offset int64) *kgo.Record { return &kgo.Record{Topic: "t", Offset: offset} }
	slow := p.begin(record(0))
	for i := range int64(10_000) {
		p.skip(client, record(3*i+1))
		a, b := p.begin(record(3*i+2)), p.begin(record(3*i+3))
		p.end(client, b, true)
		p.end(client, a, true)
		if len(p.entries) > 5 {
			t.Fatalf("%d records are kept", len(p.entries))
		}
	}
	if i := slices.Index(p.entries, slow); i != 0 {
		t.Errorf("the first one is at %d", i)
	}
	if last := p.entries[len(p.entries)-1]; last.record.Offset != 30_000 {
		t.Errorf("the last one that is done is %d", last.record.Offset)
	}
	p.end(client, slow, true)
	if len(p.entries) != 0 {
		t.Errorf("%d are left", len(p.entries))
	}
}
