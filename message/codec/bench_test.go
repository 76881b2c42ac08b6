package codec_test

import (
	"encoding/json"
	"testing"

	"github.com/headrace/headrace/message/codec"
)

var tradeJSON = []byte(`{"symbol":"ACME","shares":5}`)

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	for _, tt := range []struct {
		name string
		want float64
		run  func()
	}{
		{"bytes", 0, func() { codec.Decode[[]byte](nil, "application/json", tradeJSON) }},
		{"string", 1, func() { codec.Decode[string](nil, "", tradeJSON) }},
		{"nothing", 0, func() { codec.Decode[struct{}](nil, "", nil) }},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got > tt.want {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.Run("anchor/json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v Trade
			if err := json.Unmarshal(tradeJSON, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, contentType := range []string{"", "application/json", "application/json;charset=utf-8"} {
		b.Run("struct/"+contentType, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Decode[Trade](nil, contentType, tradeJSON); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.Decode[[]byte](nil, "", tradeJSON); err != nil {
				b.Fatal(err)
			}
		}
	})
}
