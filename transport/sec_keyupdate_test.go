package transport_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/transport"
)

// rekeyer is a client of TLS 1.3 that changes its keys whenever it likes, which
// crypto/tls does only when it is asked to.
type rekeyer struct {
	t      testing.TB
	nc     net.Conn
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	count  uint64 // of records with this key
}

func dialRekeyer(t testing.TB, ln net.Listener) *rekeyer {
	t.Helper()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return newRekeyer(t, nc)
}

// newRekeyer makes the handshake.
func newRekeyer(t testing.TB, nc net.Conn) *rekeyer {
	t.Helper()
	var keys bytes.Buffer
	client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keys})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := client.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("the test does not know %s", tls.CipherSuiteName(suite))
	}
	_, line, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	secret, err := hex.DecodeString(strings.Fields(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	r := &rekeyer{t: t, nc: nc}
	r.use(secret)
	return r
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1).
func (r *rekeyer) expand(label string, length int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(length)), byte(len(label)))
	out, err := hkdf.Expand(sha256.New, r.secret, string(append(append(info, label...), 0)), length)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rekeyer) use(secret []byte) {
	r.secret, r.count = secret, 0
	block, err := aes.NewCipher(r.expand("key", 16))
	if err != nil {
		r.t.Fatal(err)
	}
	r.aead, _ = cipher.NewGCM(block)
	r.iv = r.expand("iv", 12)
}

// record appends a record of this type to out (RFC 8446, section 5.2).
func (r *rekeyer) record(out []byte, kind byte, content ...byte) []byte {
	nonce := bytes.Clone(r.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(r.count >> (56 - 8*i))
	}
	r.count++
	head := []byte{23, 3, 3, 0, byte(len(content) + 1 + r.aead.Overhead())}
	return r.aead.Seal(append(out, head...), nonce, append(content, kind), head)
}

func (r *rekeyer) data(out []byte, text string) []byte { return r.record(out, 23, []byte(text)...) }

// update appends a KeyUpdate (RFC 8446, section 4.6.3), which may ask for one
// in return.
func (r *rekeyer) update(out []byte, answer byte) []byte {
	out = r.record(out, 22, 24, 0, 0, 1, answer)
	r.use(r.expand("traffic upd", sha256.Size))
	return out
}

// Keys may change, but a client cannot keep the server busy with nothing else.
func TestSec_S23_KeyUpdates(t *testing.T) {
	ln, _ := listen(t, "tls")
	s := serve(t, ln, setup{}, transport.StreamConfig{})

	t.Run("flood", func(t *testing.T) {
		r := dialRekeyer(t, ln)
		p := <-s.peers
		const most = 32
		flood := r.data(nil, "before")
		for range most {
			flood = r.update(flood, 0)
		}
		r.nc.Write(r.data(flood, "after"))
		if err := <-p.closed; err == nil {
			t.Error("no reason")
		}
		if got := p.received(); got != "before" {
			t.Errorf("received %q: %d changes of keys are no flood", got, most)
		}
		if _, err := io.Copy(io.Discard, r.nc); os.IsTimeout(err) {
			t.Error("still open")
		}
	})
	t.Run("with data between", func(t *testing.T) {
		r := dialRekeyer(t, ln)
		p := <-s.peers
		const n = 1000
		var flood []byte
		for range n {
			flood = r.data(r.update(flood, 0), "x")
		}
		before := heap()
		r.nc.Write(flood)
		for len(p.received()) < n {
			waitABit()
		}
		if grown := int64(heap()) - int64(before); grown > 64<<10 {
			t.Errorf("%d changes of keys hold %d bytes", n, grown)
		}
		p.conn.Close(nil)
		<-p.closed
	})
}

// The answer that a client asks for and does not read holds up its own
// connection, until the deadline of what is sent.
func TestSec_S23_UnreadKeyUpdate(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // lends its certificate
	certified.Close()
	config := &tls.Config{Certificates: certified.TLS.Certificates, SessionTicketsDisabled: true}
	ln := newPipes() // where every write waits for its reader
	s := serve(t, tls.NewListener(ln, config), setup{config: transport.Config{WriteTimeout: 100 * time.Millisecond}}, transport.StreamConfig{})
	near, far := net.Pipe()
	ln.conns <- far
	r := newRekeyer(t, near)
	p := <-s.peers
	r.nc.Write(r.update(nil, 1))
	began := time.Now()
	p.conn.Send(plain("x"))
	if err := <-p.closed; !errors.Is(err, transport.ErrSlow) || time.Since(began) < 100*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
