package frame_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

var small = frame.Limits{Frame: 100, LoginFrame: 50, Headers: 3, HeaderLine: 20, Head: 40}

// pad returns n octets.
func pad(n int) string { return strings.Repeat("x", n) }

func TestLimits(t *testing.T) {
	const frameText, loginText = "the frame is larger than 100 octets", "the frame is larger than 50 octets"
	for _, c := range []struct {
		name    string
		version frame.Version
		wire    string
		want    string // the error's text, "" for none
	}{
		{"header line, all of it", frame.V12, "SEND\na:" + pad(18) + "\n\n\x00", ""},
		{"header line, one more", frame.V12, "SEND\na:" + pad(19) + "\n\n\x00", "a header is longer than 20 octets"},
		{"header line without end", frame.V12, "SEND\n" + pad(21), "a header is longer than 20 octets"},
		{"headers", frame.V12, "SEND\na:\nb:\nc:\n\n\x00", ""},
		{"headers, one more", frame.V12, "SEND\na:\nb:\nc:\nd:\n\n\x00", "more than 3 headers"},
		{"headers, the same again", frame.V12, "SEND\na:\na:\na:\na:\n\n\x00", "more than 3 headers"},
		{"head", frame.V12, "SEND\na:" + pad(15) + "\nb:" + pad(14) + "\n\n\x00", ""},
		{"head, one more", frame.V12, "SEND\na:" + pad(15) + "\nb:" + pad(18) + "\n\n\x00", "command and headers are larger than 40 octets"},
		{"head without end", frame.V12, "SEND\na:" + pad(15) + "\nb:" + pad(16), "command and headers are larger than 40 octets"},
		{"body with a length", frame.V12, "SEND\ncontent-length:77\n\n" + pad(77) + "\x00", frameText},
		{"body with a length, all of it", frame.V12, "SEND\ncontent-length:76\n\n" + pad(76) + "\x00", ""},
		{"body with a length that no frame holds", frame.V12, "SEND\ncontent-length:101\n", frameText},
		{"body without a length", frame.V12, "SEND\n\n" + pad(95), frameText},
		{"body without a length, all of it", frame.V12, "SEND\n\n" + pad(94) + "\x00", ""},
		{"ignored body", frame.V10, "BEGIN\n\n" + pad(94), frameText},
		{"ignored body with a length", frame.V10, "BEGIN\ncontent-length:90\n\n", frameText},
		{"before login", 0, "SEND\n\n" + pad(45), loginText},
		{"before login, all of it", 0, "SEND\n\n" + pad(44) + "\x00", ""},
		{"before login with a length", 0, "SEND\ncontent-length:51\n", loginText},
		{"end-of-lines are no frame", 0, strings.Repeat("\n", 1000), ""},
		{"end-of-lines of CR LF are no frame", 0, strings.Repeat("\r\n", 1000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= len(c.wire); size++ {
				d := frame.NewDecoder(small)
				d.SetVersion(c.version)
				_, err := decodeAll(d, chunks(c.wire, size)...)
				got := ""
				if err != nil {
					got = message.Public(err).Message
					wantCode := message.CodeTooLarge
					if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != wantCode {
						t.Errorf("code %v", err)
					}
				}
				if got != c.want {
					t.Fatalf("split by %d: got %q, want %q", size, got, c.want)
				}
			}
		})
	}
}

func chunks(s string, size int) (pieces []string) {
	for len(s) > size {
		pieces, s = append(pieces, s[:size]), s[size:]
	}
	return append(pieces, s)
}

// The advisories on STOMP codecs of 2026: a content-length that is no plain
// number, or no small one, is refused with the header's line, before a body.
func TestSec_S17_ContentLength(t *testing.T) {
	for _, value := range []string{"-1", "-2147483648", "9223372036854775808", "18446744073709551616", "4294967301", "1e30", "+5", "0x5",
		" 5", "5 ", "5 5", "5,5", "5.0", "٥", "", "\\n", strings.Repeat("9", 4000), "5\ncontent-length:6", "5\ncontent-length: 5"} {
		for _, v := range []frame.Version{frame.V10, frame.V11, frame.V12} {
			_, err := decodeAll(decoder(v), "SEND\ncontent-length:"+value+"\n")
			if _, ok := errors.AsType[*frame.DecodeError](err); !ok {
				t.Errorf("%s %.20q: %v", v, value, err)
			}
		}
	}
	frames, err := decodeAll(decoder(frame.V12), "SEND\ncontent-length:"+strings.Repeat("0", 4000)+"5\n\nhello\x00")
	if err != nil || string(frames[0].Body) != "hello" {
		t.Errorf("leading zeros: %v", err)
	}
}

// Floods end at the limits, with less than 64 KiB held on the way.
func TestSec_S18_HeaderFlood(t *testing.T) {
	for name, next := range map[string]func(i int) string{
		"many headers":         func(i int) string { return fmt.Sprintf("h%d:v\n", i) },
		"one endless header":   func(int) string { return pad(1000) },
		"headers without end":  func(int) string { return "a:" + pad(3000) + "\n" },
		"announced, not sent":  func(i int) string { return [...]string{"content-length:60000\n\n", ""}[min(i, 1)] },
		"a body without a NUL": func(i int) string { return [...]string{"\n", pad(100)}[min(i, 1)] },
	} {
		t.Run(name, func(t *testing.T) {
			d, total := decoder(frame.V12), uint64(0)
			_, err := decodeAll(d, "SEND\n")
			for i := 0; i < 100_000 && err == nil; i++ {
				piece := next(i)
				before := allocated()
				_, err = decodeAll(d, piece)
				total += allocated() - before
				if piece == "" {
					err = errors.New("stays within its limits")
				}
			}
			if err == nil {
				t.Fatal("no end")
			}
			// All that was ever allocated, not only what was held at once; a
			// body may grow to the frame's limit in doubling steps.
			if most := uint64(256 << 10); total > most {
				t.Errorf("allocated %d octets", total)
			}
		})
	}
}

// What is held follows what has arrived: neither an announced length nor octets
// after a head make the decoder allocate ahead.
func TestMemoryFollowsWhatArrived(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		most   uint64
	}{
		"body of announced size": {[]string{"SEND\ncontent-length:60000\n\n", pad(8), pad(8), pad(8)}, 4 << 10},
		"body of unknown size":   {[]string{"SEND\n\n", pad(8), pad(8), pad(8)}, 4 << 10},
		"frames after a cut one": {[]string{"SE", "ND\n\n\x00" + strings.Repeat("\n", 1<<20)}, 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			least := uint64(math.MaxUint64) // of several runs: what the runtime allocates counts too
			for range 5 {
				d, pieces := decoder(frame.V12), make([][]byte, len(c.pieces))
				for i := range pieces {
					pieces[i] = []byte(c.pieces[i])
				}
				before := allocated()
				for _, p := range pieces {
					for ok := true; ok; {
						var err error
						if _, p, ok, err = d.Decode(p); err != nil {
							t.Fatal(err)
						}
					}
				}
				least = min(least, allocated()-before)
			}
			if least > c.most {
				t.Errorf("allocated %d octets, want at most %d", least, c.most)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestSec_S27_LimitCountsAcrossPieces(t *testing.T) {
	d := decoder(frame.V12)
	_, err := decodeAll(d, "SEND\n\n")
	sent := 6
	for ; err == nil && sent < 1<<20; sent += 100 {
		_, err = decodeAll(d, pad(100))
	}
	if e := message.Public(err); e == nil || e.Code != message.CodeTooLarge || sent > 64<<10+100 {
		t.Fatalf("after %d octets: %v", sent, err)
	}
}

func TestDefaultLimits(t *testing.T) {
	for _, c := range []struct {
		version frame.Version
		size    int
	}{{0, 8 << 10}, {frame.V12, 64 << 10}} {
		for extra, want := range map[int]bool{0: true, 1: false} {
			d := frame.NewDecoder(frame.Limits{})
			d.SetVersion(c.version)
			frames, err := decodeAll(d, "SEND\n\n"+pad(c.size-6+extra)+"\x00")
			if (err == nil) != want || (len(frames) == 1) != want {
				t.Errorf("version %q, %d octets: %v", c.version, c.size+extra, err)
			}
		}
	}
	_, err := decodeAll(frame.NewDecoder(frame.Limits{}), "SEND\n"+strings.Repeat("a:"+pad(3000)+"\n", 3))
	if e := message.Public(err); e == nil || e.Message != "the frame is larger than 8192 octets" {
		t.Errorf("headers before login: %v", err)
	}
	headers := func(n int) string { return "SEND\n" + strings.Repeat("a:\n", n) + "\n\x00" }
	lines := func(n, size int) string { return "SEND\n" + strings.Repeat("a:"+pad(size-2)+"\n", n) + "\n\x00" }
	for wire, want := range map[string]bool{
		headers(64): true, headers(65): false,
		lines(1, 4096): true, lines(1, 4097): false,
		lines(4, 4093): true, lines(4, 4096): false,
	} {
		if _, err := decodeAll(decoder(frame.V12), wire); (err == nil) != want {
			t.Errorf("%d octets: %v", len(wire), err)
		}
	}
}

func TestNewDecoderLimits(t *testing.T) {
	most := math.MaxInt
	d := frame.NewDecoder(frame.Limits{Frame: most, LoginFrame: most, Headers: most, HeaderLine: most, Head: most})
	if frames, err := decodeAll(d, "SE", "ND\na:1\n\nhi\x00"); err != nil || len(frames) != 1 {
		t.Errorf("largest limits: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a negative limit did not panic")
		}
	}()
	frame.NewDecoder(frame.Limits{Head: -1})
}
