package testenv_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/ostiary/ostiary/internal/testenv"
)

func TestStoppedProxyKeepsItsPort(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	p.Stop()

	// Go's own listeners share a port that is bound but not listened on, which
	// is how the proxy gets it back. Others, and the choice of a free port, do
	// not.
	unshared := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
		})
		return errors.Join(controlErr, err)
	}}
	l, err := unshared.Listen(t.Context(), "tcp", p.Addr())
	if err == nil {
		_ = l.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("taking the port of a stopped proxy: got %v, want address in use", err)
	}

	p.Start()
	dial(t, p).mustEcho("still here")
}
