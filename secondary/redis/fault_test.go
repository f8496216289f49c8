package redisstorage_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
)

// bound is the longest a call may take when Redis does not answer.
const bound = 350 * time.Millisecond

// behindProxy opens one storage of each kind behind a proxy in front of Redis.
func behindProxy(t *testing.T, run func(*testing.T, *redisstorage.Storage, *testenv.Proxy)) {
	t.Helper()
	client := func(change func(*redis.Options)) func(*testing.T, string, string) *redisstorage.Storage {
		return func(t *testing.T, url, prefix string) *redisstorage.Storage {
			opt, err := redis.ParseURL(url)
			mustDo(t, err)
			if change != nil {
				change(opt)
			}
			c := redis.NewClient(opt)
			t.Cleanup(func() { _ = c.Close() })
			return redisstorage.New(c, redisstorage.WithPrefix(prefix))
		}
	}
	for name, open := range map[string]func(*testing.T, string, string) *redisstorage.Storage{
		"opened": func(t *testing.T, url, prefix string) *redisstorage.Storage {
			s, err := redisstorage.Open(url, redisstorage.WithPrefix(prefix))
			mustDo(t, err)
			return s
		},
		"client as it comes":           client(nil),
		"client that honours contexts": client(honouringContexts),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t)
			u, err := url.Parse(server)
			mustDo(t, err)
			p := testenv.NewProxy(t, u.Host)
			u.Host = p.Addr()
			s := open(t, u.String(), newPrefix(t, newClient(t, nil)))
			t.Cleanup(func() { mustDo(t, s.Close()) })
			run(t, s, p)
		})
	}
}

// timed returns how long f takes, less what the machine is late by meanwhile:
// other tests keep it busy.
func timed(f func()) time.Duration {
	const control = 300 * time.Millisecond
	late := make(chan time.Duration, 1)
	start := time.Now()
	go func() {
		<-time.After(control)
		late <- time.Since(start) - control
	}()
	f()
	took := time.Since(start)
	return took - <-late
}

// wantBounded makes every call, at once and then again, when Redis is left
// alone.
func wantBounded(t *testing.T, s *redisstorage.Storage, reasons ...string) {
	t.Helper()
	for range 2 {
		var wg sync.WaitGroup
		for _, c := range calls() {
			wg.Go(func() {
				var err error
				if took := timed(func() { err = c.make(t.Context(), s) }); took > bound {
					t.Errorf("%s took %s, want %s at most", c.name, took, bound)
				}
				checkUnavailable(t, c, err, reasons...)
			})
		}
		wg.Wait()
	}
}

func wantRecovery(t *testing.T, s *redisstorage.Storage) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patient)
	for {
		_, err := s.Increment(t.Context(), "recovery", time.Hour)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Redis is back, and yet: %v", err)
		}
		<-ticker.C
	}
}

func TestStoppedRedisIsUnavailableAndRecovers(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		mustDo(t, s.Ping(t.Context()))
		p.Stop()
		wantBounded(t, s, redisstorage.ReasonConnection, redisstorage.ReasonTimeout, redisstorage.ReasonSuspended)
		p.Start()
		wantRecovery(t, s)
	})
}

func TestHangingRedisIsUnavailableAndRecovers(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		mustDo(t, s.Ping(t.Context()))
		p.Hang()
		wantBounded(t, s, redisstorage.ReasonTimeout, redisstorage.ReasonSuspended)
		p.Start()
		wantRecovery(t, s)
	})
}

func TestRedisThatHangsFromTheStart(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		p.Hang()
		wantBounded(t, s, redisstorage.ReasonTimeout, redisstorage.ReasonSuspended)
		p.Start()
		wantRecovery(t, s)
	})
}

func TestSilentRedisIsLeftAlone(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		p.Hang()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { _, _ = s.Get(t.Context(), "key") })
		}
		wg.Wait()

		wantSuspended(t, s)
		p.Start()
		mustDo(t, s.Ping(t.Context()))
		if _, err := s.Get(t.Context(), "key"); !errors.Is(err, secondary.ErrNotFound) {
			t.Errorf("Get after a Ping that Redis answered: %v, want ErrNotFound", err)
		}
	})
}

func TestSilentRedisIsNoticedByCallersWithDeadlines(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		p.Hang()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				if _, err := s.Get(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Get: %v, want context.DeadlineExceeded", err)
				}
			})
		}
		wg.Wait()
		wantSuspended(t, s)
	})
}

// wantSuspended makes two calls at once. One a second is sent, so at least one
// of them is not.
func wantSuspended(t *testing.T, s *redisstorage.Storage) {
	t.Helper()
	for range 2 {
		_, err := s.Get(t.Context(), "key")
		var e *redisstorage.Error
		if errors.As(err, &e) && e.Reason == redisstorage.ReasonSuspended {
			return
		}
	}
	t.Error("calls go on waiting for a Redis that has not answered five of them")
}

func TestCallersWhoLeaveAtOnceSayNothingAboutRedis(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		mustDo(t, s.Ping(t.Context()))
		p.Hang()
		for left, tries := 10, 200; left > 0; tries-- {
			if tries == 0 {
				t.Fatal("the machine is too slow for callers to leave at once")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			start := time.Now()
			_, err := s.Get(ctx, "key")
			cancel()
			if time.Since(start) > 50*time.Millisecond {
				// This one did wait for Redis: begin anew.
				p.Start()
				mustDo(t, s.Ping(t.Context()))
				p.Hang()
				left = 10
				continue
			}
			left--
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get: %v, want context.DeadlineExceeded", err)
			}
		}
		p.Start()
		_, err := s.Get(t.Context(), "key")
		var e *redisstorage.Error
		if errors.As(err, &e) && e.Reason == redisstorage.ReasonSuspended {
			t.Errorf("Get: %v, though nobody waited for Redis", err)
		}
	})
}

func TestCallersOwnEndIsItsError(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		mustDo(t, s.Ping(t.Context()))
		p.Hang()
		var wg sync.WaitGroup
		for _, c := range calls() {
			cancelled, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			late, cancelLate := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancelLate()
			for _, ctx := range []context.Context{cancelled, late} {
				wg.Go(func() {
					var err error
					took := timed(func() { err = c.make(ctx, s) })
					if !errors.Is(err, ctx.Err()) || errors.Is(err, secondary.ErrUnavailable) {
						t.Errorf("%s: %v, want %v and nothing else", c.name, err, ctx.Err())
					}
					if took > bound {
						t.Errorf("%s took %s for a caller who left after 30ms", c.name, took)
					}
				})
			}
		}
		wg.Wait()
	})
}

func TestUnavailableIsNoDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	behindProxy(t, func(t *testing.T, s *redisstorage.Storage, p *testenv.Proxy) {
		p.Hang()
		_, err := s.Get(t.Context(), "key")
		if !errors.Is(err, secondary.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get: %v, want ErrUnavailable and no context error", err)
		}
	})
}

// stuck makes the commands of a client hang, whatever their context.
type stuck struct {
	release  chan struct{}
	now, max atomic.Int64
	// spoilt is set if a command's value is not "value" any more.
	spoilt atomic.Bool
}

func (h *stuck) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *stuck) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		n := h.now.Add(1)
		defer h.now.Add(-1)
		for m := h.max.Load(); n > m && !h.max.CompareAndSwap(m, n); m = h.max.Load() {
		}
		<-h.release
		for _, arg := range cmd.Args() {
			if value, ok := arg.([]byte); ok && string(value) != "value" {
				h.spoilt.Store(true)
			}
		}
		return nil
	}
}

func (h *stuck) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func newStuckClient(t *testing.T) (*redis.Client, *stuck) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { mustDo(t, client.Close()) })
	h := &stuck{release: make(chan struct{})}
	client.AddHook(h)
	return client, h
}

func TestStuckClientPilesUpNoGoroutines(t *testing.T) {
	t.Parallel()
	client, h := newStuckClient(t)
	s := redisstorage.New(client)
	value := []byte("value")
	var wg sync.WaitGroup
	for range 3000 {
		wg.Go(func() {
			if err := s.Set(t.Context(), "key", value, time.Hour); !errors.Is(err, secondary.ErrUnavailable) {
				t.Errorf("Set: %v, want ErrUnavailable", err)
			}
		})
	}
	wg.Wait()
	if n := h.max.Load(); n > 512 {
		t.Errorf("%d calls in flight at once, want 512 at most", n)
	}

	value[0] = 'X' // the caller's again, although commands still hang
	close(h.release)
	eventually(t, "let go of the commands", func() error {
		if n := h.now.Load(); n > 0 {
			return fmt.Errorf("%d hang", n)
		}
		return nil
	})
	if h.spoilt.Load() {
		t.Error("a command uses the slice of a caller that has returned")
	}
}

func TestCallerCanLeaveAStuckClient(t *testing.T) {
	t.Parallel()
	client, h := newStuckClient(t)
	defer close(h.release)
	s := redisstorage.New(client, redisstorage.WithTimeout(patient))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	start := time.Now()
	if _, err := s.Get(ctx, "key"); !errors.Is(err, context.Canceled) || time.Since(start) > patient/2 {
		t.Errorf("Get cancelled after 10ms: %v after %s, want context.Canceled at once", err, time.Since(start))
	}
}

// server speaks just enough of the protocol of Redis to answer wrongly.
type server struct {
	net.Listener
	// answer returns what to send, raw; false cuts the connection.
	answer func(words []string) (string, bool)
	wg     sync.WaitGroup
}

func newServer(t *testing.T, answer func(words []string) (string, bool)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustDo(t, err)
	s := &server{Listener: l, answer: answer}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.wg.Wait()
	})
	return s
}

func (s *server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for {
		words, err := readCommand(r)
		if err != nil {
			return
		}
		reply, ok := "-ERR unknown command\r\n", true
		if name := strings.ToLower(words[0]); name != "hello" && name != "client" {
			reply, ok = s.answer(words)
		}
		if !ok {
			return
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		size, err := readLength(r)
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:size])
	}
	return words, nil
}

func readLength(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.Trim(line, "*$\r\n"))
}

func openServer(t *testing.T, answer func(words []string) (string, bool)) *redisstorage.Storage {
	t.Helper()
	s, err := redisstorage.Open("redis://" + newServer(t, answer).Addr().String())
	mustDo(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestErrorsOfRedisAreUnavailable(t *testing.T) {
	t.Parallel()
	for reply, reason := range map[string]string{
		"-READONLY You can't write against a read only replica.":                                 "READONLY",
		"-LOADING Redis is loading the dataset in memory":                                        "LOADING",
		"-OOM command not allowed when used memory > 'maxmemory'.":                               "OOM",
		"-NOAUTH Authentication required.":                                                       "NOAUTH",
		"-CLUSTERDOWN The cluster is down":                                                       "CLUSTERDOWN",
		"-MOVED 3999 127.0.0.1:1":                                                                "MOVED",
		"-WRONGTYPE Operation against a key holding the wrong kind of value":                     "WRONGTYPE",
		"-BUSY Redis is busy running a script.":                                                  "BUSY",
		"-ERR unknown command 'GETDEL', with args beginning with: 'secret-key' ":                 "ERR",
		"-ERR secret-value":                                                                      "ERR",
		"-secret-value":                                                                          "ERR",
		"-ERR Error running script (call to f_1): @user_script:1: WRONGTYPE secret-value":        "ERR",
		"-ERR max number of clients reached":                                                     "ERR",
		"-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk": "MISCONF",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			s := openServer(t, func([]string) (string, bool) { return reply + "\r\n", true })
			// More calls than it takes to be left alone: an error is an answer.
			wantUnavailable(t, s, reason)
		})
	}
}

func TestRepliesThatMakeNoSenseAreUnavailable(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"text for numbers": "+secret-value\r\n",
		"no type":          "secret-value\r\n",
		"bad length":       "$secret-value\r\n",
		"nested":           "*1\r\n*1\r\n+secret-value\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openServer(t, func([]string) (string, bool) { return reply, true })
			_, incrementErr := s.Increment(t.Context(), "secret-key", time.Hour)
			_, hitErr := s.Hit(t.Context(), "secret-key", 1, time.Hour, time.Time{})
			for _, err := range []error{incrementErr, hitErr} {
				if !errors.Is(err, secondary.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, want ErrUnavailable and no word of the reply", err)
				}
			}
		})
	}
	s := openServer(t, func([]string) (string, bool) { return "*1\r\n:1\r\n", true })
	if _, err := s.Hit(t.Context(), "key", 1, time.Hour, time.Time{}); !errors.Is(err, secondary.ErrUnavailable) {
		t.Errorf("Hit with a reply of one number: %v, want ErrUnavailable", err)
	}
}

func TestScriptsThatRedisDoesNotKnowAreSentWhole(t *testing.T) {
	t.Parallel()
	var sent []string
	s := openServer(t, func(words []string) (string, bool) {
		sent = append(sent, words[0])
		if strings.EqualFold(words[0], "evalsha") {
			return "-NOSCRIPT No matching script. Please use EVAL.\r\n", true
		}
		return ":7\r\n", true
	})
	n, err := s.Increment(t.Context(), "key", time.Hour)
	if n != 7 || err != nil {
		t.Errorf("Increment = %d, %v; want 7, nil", n, err)
	}
	if got := fmt.Sprint(sent); !strings.EqualFold(got, "[evalsha eval]") {
		t.Errorf("sent %s, want evalsha and eval", got)
	}
}

// TestChangesAreSentOnce: a command whose answer was lost may have had its
// effect. Sent again, GETDEL would find nothing and SET would bring back what
// was deleted meanwhile.
func TestChangesAreSentOnce(t *testing.T) {
	t.Parallel()
	for _, c := range calls() {
		if c.name == "Get" || c.name == "Ping" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var received atomic.Int64
			srv := newServer(t, func([]string) (string, bool) {
				received.Add(1)
				return "", false
			})
			client := redis.NewClient(&redis.Options{Addr: srv.Addr().String(), MaxRetries: 3})
			defer func() { _ = client.Close() }()
			s := redisstorage.New(client)
			err := c.make(t.Context(), s)
			var e *redisstorage.Error
			if !errors.As(err, &e) || e.Reason != redisstorage.ReasonConnection {
				t.Errorf("%v, want unavailable because of the connection", err)
			}
			if n := received.Load(); n != 1 {
				t.Errorf("sent %d times, want once", n)
			}
		})
	}
}
