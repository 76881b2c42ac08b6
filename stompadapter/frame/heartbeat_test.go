package frame_test

import (
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

const ms = time.Millisecond

func TestParseHeartBeat(t *testing.T) {
	for s, want := range map[string]frame.HeartBeat{
		"0,0":                   {},
		"10000,20000":           {Send: 10 * time.Second, Receive: 20 * time.Second},
		"0,5":                   {Receive: 5 * ms},
		"007,0":                 {Send: 7 * ms},
		"2147483647,2147483647": {Send: 2147483647 * ms, Receive: 2147483647 * ms},
	} {
		if got, err := frame.ParseHeartBeat(s); err != nil || got != want {
			t.Errorf("D1 %q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ",", "1", "1,", ",1", "1,2,3", "-1,0", "0,-1", "+1,0", " 1,2", "1, 2", "1,2 ", "1.5,0", "1e3,0", "0x1,0", "a,b",
		"2147483648,0", "0,9223372036854775808", "99999999999999999999999999,0", "٣,0", "1;2", "1,2\n"} {
		if got, err := frame.ParseHeartBeat(s); err == nil || message.Public(err).Code != message.CodeInvalid || got != (frame.HeartBeat{}) {
			t.Errorf("D1 %q: %v, %v", s, got, err)
		}
	}
}

func TestHeartBeatString(t *testing.T) {
	for want, h := range map[string]frame.HeartBeat{
		"0,0":             {},
		"10000,20000":     {Send: 10 * time.Second, Receive: 20 * time.Second},
		"1,2":             {Send: 1, Receive: 1*ms + 1},
		"0,2147483647":    {Send: -1, Receive: 1 << 62},
		"2147483647,1000": {Send: 2147483647 * ms, Receive: time.Second},
	} {
		if got := h.String(); got != want {
			t.Errorf("%#v: %s, want %s", h, got, want)
		}
	}
}

func TestHeartBeatNegotiate(t *testing.T) {
	for _, c := range []struct {
		name          string
		h, peer       string
		send, receive time.Duration
	}{
		{"D2 nobody", "0,0", "0,0", 0, 0},
		{"D3 the longer period", "10,20", "30,40", 40 * ms, 30 * ms},
		{"D3 the longer period is mine", "50,60", "30,40", 50 * ms, 60 * ms},
		{"D3 I cannot send", "0,20", "30,40", 0, 30 * ms},
		{"D3 the peer does not care", "10,20", "30,0", 0, 30 * ms},
		{"D3 the peer cannot send", "10,20", "0,40", 40 * ms, 0},
		{"D3 I do not care", "10,0", "30,40", 40 * ms, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := frame.ParseHeartBeat(c.h)
			peer, _ := frame.ParseHeartBeat(c.peer)
			if send, receive := h.Negotiate(peer); send != c.send || receive != c.receive {
				t.Errorf("got %v, %v", send, receive)
			}
			if receive, send := peer.Negotiate(h); send != c.send || receive != c.receive {
				t.Errorf("the other way round: %v, %v", send, receive)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	for s, want := range map[string]frame.Version{
		"": frame.V10, "1.0": frame.V10, "1.1": frame.V11, "1.2": frame.V12, "1.0,1.1": frame.V11,
		"1.2,1.0": frame.V12, "1.1,2.0": frame.V11, "1.0, 1.1": frame.V11, ",1.0": frame.V10, "3.0,1.2,x": frame.V12,
		"2.0": 0, "1.3": 0, "1": 0, "01.2": 0, ",": 0, "1.0;1.1": 0, " ": 0,
	} {
		if got, ok := frame.Negotiate(s, frame.V12); got != want || ok != (want != 0) {
			t.Errorf("C11 C12 %q: %q, %v", s, got, ok)
		}
	}
	if got, _ := frame.Negotiate(frame.Versions, frame.V12); got != frame.V12 {
		t.Errorf("all of ours: %q", got)
	}
	for s, want := range map[string]frame.Version{"1.0,1.2": frame.V10, "1.2,1.1": frame.V11, "1.2": 0, "": frame.V10} {
		if got, ok := frame.Negotiate(s, frame.V11); got != want || ok != (want != 0) {
			t.Errorf("%q up to 1.1: %q, %v", s, got, ok)
		}
	}
	for _, v := range versions {
		if got, ok := frame.ParseVersion(v.String()); got != v || !ok {
			t.Errorf("%q parses to %q", v, got)
		}
	}
	if _, ok := frame.ParseVersion(frame.Version(0).String()); ok {
		t.Error("no version parses")
	}
}
