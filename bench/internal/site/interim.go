package site

import (
	"net"

	"github.com/headrace/headrace/stompadapter"
)

func serveTCP(a *stompadapter.Adapter, ln net.Listener) {
	if t, ok := any(a).(interface{ ServeTCP(net.Listener) error }); ok {
		t.ServeTCP(ln)
	}
	ln.Close()
}
