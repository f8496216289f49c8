package testenv

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Proxy is a TCP proxy that fails on demand: the stand-in for a database that
// is down, restarts, or does not answer. Make one with [NewProxy]. Its methods
// are safe for concurrent use.
type Proxy struct {
	t        testing.TB
	upstream string
	addr     string

	goroutines sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener       // nil while stopped
	gate     chan struct{}      // closed while bytes may pass
	live     context.Context    // of everything accepted since the last Stop
	cut      context.CancelFunc // ends live
}

// NewProxy starts a proxy on a free port of 127.0.0.1. The upstream is
// host:port, or a URL whose host and port are meant; it is dialed once for
// each connection. The proxy ends with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	addr, release, err := reserve()
	if err != nil {
		t.Fatalf("reserve a port for the proxy: %v", err)
	}
	p := &Proxy{t: t, upstream: hostPort(t, upstream), addr: addr, gate: make(chan struct{})}
	t.Cleanup(func() {
		p.Stop()
		p.goroutines.Wait()
		release()
	})
	p.Start()
	return p
}

// Addr returns the proxy's host:port. It stays the same for the proxy's life.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// Stop cuts every connection and refuses new ones until [Proxy.Start] or
// [Proxy.Hang]: a server that is down.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	_ = p.listener.Close()
	p.listener = nil
	p.cut()
}

// Start lets connections and bytes pass: after [Proxy.Stop] on the same
// address, after [Proxy.Hang] for the connections that were held too.
func (p *Proxy) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.passing() {
		close(p.gate)
	}
	p.listen()
}

// Hang accepts connections and holds every byte, also of connections that
// exist, until [Proxy.Start] or [Proxy.Stop]: a server that does not answer.
// Bytes sent before the call may still arrive.
func (p *Proxy) Hang() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.passing() {
		p.gate = make(chan struct{})
	}
	p.listen()
}

// Through returns the URL with the proxy's address in place of its host and
// port.
func Through(rawURL string, p *Proxy) string {
	p.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		p.t.Fatalf("lead a URL through the proxy: %v", err)
	}
	u.Host = p.Addr()
	return u.String()
}

func (p *Proxy) passing() bool {
	select {
	case <-p.gate:
		return true
	default:
		return false
	}
}

// listen opens the proxy's port if it is closed. The caller holds mu.
func (p *Proxy) listen() {
	p.t.Helper()
	if p.listener != nil {
		return
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.addr)
	if err != nil {
		p.t.Errorf("start the proxy: %v", err)
		return
	}
	p.addr = l.Addr().String()
	p.serve(l)
}

// serve accepts connections in the background. The caller holds mu.
func (p *Proxy) serve(l net.Listener) {
	live, cut := context.WithCancel(context.Background())
	p.listener, p.live, p.cut = l, live, cut
	p.goroutines.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.goroutines.Go(func() { p.relay(live, conn) })
		}
	})
}

// relay serves one connection until either side closes it or live ends.
func (p *Proxy) relay(live context.Context, down net.Conn) {
	defer closeQuietly(down)
	// Closing is what wakes the goroutines that read.
	stop := context.AfterFunc(live, func() { closeQuietly(down) })
	defer stop()

	if !p.await(live) {
		return
	}
	up, err := (&net.Dialer{}).DialContext(live, "tcp", p.upstream)
	if err != nil {
		return
	}
	defer closeQuietly(up)
	stopUp := context.AfterFunc(live, func() { closeQuietly(up) })
	defer stopUp()

	var both sync.WaitGroup
	both.Go(func() { p.pipe(live, up, down) })
	both.Go(func() { p.pipe(live, down, up) })
	both.Wait()
}

// pipe moves bytes one way while the gate is open, and closes both ends when
// there are no more.
func (p *Proxy) pipe(live context.Context, dst, src net.Conn) {
	defer closeQuietly(dst)
	defer closeQuietly(src)
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if !p.await(live) {
			return
		}
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await waits until bytes may pass and reports false when live ended first.
func (p *Proxy) await(live context.Context) bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return live.Err() == nil
	case <-live.Done():
		return false
	}
}

func hostPort(t testing.TB, upstream string) string {
	t.Helper()
	if !strings.Contains(upstream, "://") {
		return upstream
	}
	u, err := url.Parse(upstream)
	if err != nil || u.Port() == "" {
		t.Fatalf("a proxy needs the address of its upstream with the port: %q", upstream)
	}
	return u.Host
}

func closeQuietly(c io.Closer) { _ = c.Close() }
