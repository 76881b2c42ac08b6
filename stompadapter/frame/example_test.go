package frame_test

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// A server reads CONNECT, settles the version, and reads on.
func Example() {
	network := []string{"CONNECT\r\naccept-version:1.1,1.2\r\nhost:mill\r\n\r\n\x00\nSE", "ND\ndestination:/topic/a\n\nhel", "lo\x00\n"}
	d := frame.NewDecoder(frame.Limits{})
	for _, piece := range network {
		p := []byte(piece)
		for {
			f, rest, ok, err := d.Decode(p)
			if err != nil {
				fmt.Println(err)
				return
			}
			if !ok {
				break
			}
			if f.Command == frame.Connect {
				v, _ := frame.Negotiate(f.Header.Get(frame.HeaderAcceptVersion), frame.V12)
				d.SetVersion(v)
			}
			fmt.Printf("%s with %d headers, body %q\n", f.Command, f.Header.Len(), f.Body)
			p = rest
		}
	}
	// Output:
	// CONNECT with 2 headers, body ""
	// SEND with 1 headers, body "hello"
}

// The frame at fault is answered with its receipt.
func ExampleDecodeError() {
	d := frame.NewDecoder(frame.Limits{})
	_, _, _, err := d.Decode([]byte("SEND\nreceipt:77\ncontent-length:-1\n\n\x00"))
	if e, ok := errors.AsType[*frame.DecodeError](err); ok {
		answer, _ := frame.Append(nil, frame.V12, frame.Frame{Command: frame.Error},
			message.Field{Name: frame.HeaderReceiptID, Value: e.Frame.Header.Get(frame.HeaderReceipt)},
			message.Field{Name: frame.HeaderMessage, Value: e.Err.Message})
		fmt.Printf("%q", answer)
	}
	// Output: "ERROR\nreceipt-id:77\nmessage:content-length is not a number of octets\n\n\x00"
}

// A delivery: the server's own headers go before those of the message.
func ExampleAppend() {
	m := message.NewHeader(message.Field{Name: "priority", Value: "4"}, message.Field{Name: "subscription", Value: "forged"})
	octets, err := frame.Append(nil, frame.V12, frame.Frame{Command: frame.Message, Header: m, Body: []byte("hello")},
		message.Field{Name: frame.HeaderSubscription, Value: "sub-0"},
		message.Field{Name: frame.HeaderMessageID, Value: "17"},
		message.Field{Name: frame.HeaderDestination, Value: "/topic/a"})
	fmt.Printf("%q %v", octets, err)
	// Output: "MESSAGE\nsubscription:sub-0\nmessage-id:17\ndestination:/topic/a\npriority:4\ncontent-length:5\n\nhello\x00" <nil>
}

func ExampleNegotiate() {
	fmt.Println(frame.Negotiate("1.0,1.1,2.0", frame.V12))
	fmt.Println(frame.Negotiate("2.0", frame.V12))
	// Output:
	// 1.1 true
	//  false
}

func ExampleHeartBeat_Negotiate() {
	client, _ := frame.ParseHeartBeat("5000,0")
	server, _ := frame.ParseHeartBeat("10000,10000")
	send, receive := server.Negotiate(client)
	fmt.Println(send, receive)
	// Output: 0s 10s
}
