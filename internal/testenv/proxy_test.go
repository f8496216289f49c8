package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testenv"
)

const (
	// patience is for what must happen.
	patience = 10 * time.Second
	// silence is how long nothing must happen. Too short makes a test pass that
	// should fail, never the other way round.
	silence = 50 * time.Millisecond
)

func TestProxyForwards(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	c := dial(t, p)
	c.mustEcho("one")
	c.mustEcho("two")
}

func TestProxyTakesTheUpstreamFromAURL(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, "redis://user:secret@"+echoServer(t)+"/0")
	dial(t, p).mustEcho("hello")
}

func TestStoppedProxyCutsAndRefusesUntilStarted(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	addr := p.Addr()
	c := dial(t, p)
	c.mustEcho("before")

	for range 3 {
		p.Stop()
		p.Stop() // twice is once
		c.mustBeCut()
		if _, err := tryDial(p); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial of a stopped proxy: got %v, want connection refused", err)
		}
		p.Start()
		p.Start()
		if p.Addr() != addr {
			t.Fatalf("the address changed from %s to %s", addr, p.Addr())
		}
		c = dial(t, p)
		c.mustEcho("after")
	}
}

func TestHangingProxyHoldsOldAndNewConnectionsUntilStarted(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	old := dial(t, p)
	old.mustEcho("before")

	p.Hang()
	young := dial(t, p)
	old.send("held")
	young.send("held too")
	old.mustBeSilent()
	young.mustBeSilent()

	p.Start()
	old.mustReceive("held")
	young.mustReceive("held too")
	old.mustEcho("after")
}

func TestHangingProxyHoldsTheEndOfAConnection(t *testing.T) {
	t.Parallel()
	closing := make(chan struct{})
	upstream := serve(t, func(conn net.Conn) { <-closing })
	p := testenv.NewProxy(t, upstream)
	c := dial(t, p)
	p.Hang()
	close(closing)
	c.mustBeSilent()
	p.Start()
	c.mustBeCut()
}

func TestStoppedProxyCutsWhatItHeld(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	old := dial(t, p)
	old.mustEcho("before")
	p.Hang()
	young := dial(t, p)
	old.send("lost")
	young.send("lost")
	p.Stop()
	old.mustBeCut()
	young.mustBeCut()
	p.Hang()
	late := dial(t, p)
	late.send("held")
	late.mustBeSilent()
	p.Start()
	late.mustReceive("held")
}

func TestProxyWithoutUpstreamCuts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dial(t, testenv.NewProxy(t, addr)).mustBeCut()
}

func TestProxyPassesTheEndOfAConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	upstream := serve(t, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		close(ended)
	})
	c := dial(t, testenv.NewProxy(t, upstream))
	_ = c.conn.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the upstream still waits for a client that has gone")
	}
}

func TestProxyServesManyConnectionsWhileItFails(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, echoServer(t))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := tryDial(p)
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(time.Millisecond))
				_, _ = io.WriteString(conn, "x\n")
				_, _ = conn.Read(make([]byte, 2))
				_ = conn.Close()
			}
		})
	}
	for range 50 {
		p.Stop()
		p.Hang()
		p.Start()
	}
	close(stop)
	callers.Wait()
	dial(t, p).mustEcho("still alive")
}

func TestThroughReplacesHostAndPortOnly(t *testing.T) {
	t.Parallel()
	p := testenv.NewProxy(t, "127.0.0.1:1")
	tests := map[string]string{
		"postgres://u:p%40ss@db:5432/name?sslmode=disable": "postgres://u:p%40ss@" + p.Addr() + "/name?sslmode=disable",
		"redis://localhost/0":                              "redis://" + p.Addr() + "/0",
	}
	for in, want := range tests {
		if got := testenv.Through(in, p); got != want {
			t.Errorf("Through(%q) = %q, want %q", in, got, want)
		}
	}
}

// client is one connection through a proxy.
type client struct {
	t    *testing.T
	conn net.Conn
	read *bufio.Reader
}

func dial(t *testing.T, p *testenv.Proxy) *client {
	t.Helper()
	conn, err := tryDial(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, read: bufio.NewReader(conn)}
}

func tryDial(p *testenv.Proxy) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return (&net.Dialer{}).DialContext(ctx, "tcp", p.Addr())
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) mustReceive(line string) {
	c.t.Helper()
	got, err := c.next(patience)
	if err != nil || got != line+"\n" {
		c.t.Fatalf("got %q, %v, want %q", got, err, line)
	}
}

func (c *client) mustEcho(line string) {
	c.t.Helper()
	c.send(line)
	c.mustReceive(line)
}

func (c *client) mustBeSilent() {
	c.t.Helper()
	if got, err := c.next(silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("got %q, %v, want silence", got, err)
	}
}

func (c *client) mustBeCut() {
	c.t.Helper()
	if got, err := c.next(patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("got %q, %v, want the end of the connection", got, err)
	}
}

func (c *client) next(within time.Duration) (string, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		c.t.Fatal(err)
	}
	return c.read.ReadString('\n')
}

func echoServer(t *testing.T) string {
	t.Helper()
	return serve(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
}

// serve answers connections to the returned address until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		connections.Wait()
	})
	connections.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	})
	return l.Addr().String()
}
