package redisstorage_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func hit(t testing.TB, s *redisstorage.Storage, key string, limit int, window time.Duration, now time.Time) ratelimit.Result {
	t.Helper()
	result, err := s.Hit(t.Context(), key, limit, window, now)
	mustDo(t, err)
	return result
}

// hitTogether makes n hits at the same time and returns how many were allowed.
func hitTogether(s *redisstorage.Storage, key string, limit, n int) (int, error) {
	var allowed atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-start
			result, err := s.Hit(context.Background(), key, limit, time.Minute, time.Time{})
			if err != nil {
				failed.Store(&err)
			}
			if result.Allowed {
				allowed.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(allowed.Load()), nil
}

func TestHitIsExactAmongCallers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*redis.Options){"as it comes": nil, "honouring contexts": honouringContexts} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, newClient(t, change), redisstorage.WithTimeout(patient))
			allowed, err := hitTogether(s, "client", 20, 300)
			if allowed != 20 || err != nil {
				t.Errorf("%d of 300 hits were allowed, %v; want 20", allowed, err)
			}
		})
	}
}

// hitterEnv makes the test binary one of the processes of
// TestHitIsExactAmongProcesses; it holds the prefix.
const hitterEnv = "OSTIARY_TEST_HITTER_PREFIX"

func runHitter() int {
	opt, err := redis.ParseURL(os.Getenv(testenv.RedisEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	client := redis.NewClient(opt)
	defer func() { _ = client.Close() }()
	s := redisstorage.New(client, redisstorage.WithPrefix(os.Getenv(hitterEnv)), redisstorage.WithTimeout(patient))
	if err := s.Ping(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	allowed, err := hitTogether(s, "client", 20, 300)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, allowed)
	return 0
}

func TestHitIsExactAmongProcesses(t *testing.T) {
	t.Parallel()
	testenv.Redis(t)
	prefix := newPrefix(t, newClient(t, nil))
	type hitter struct {
		cmd *exec.Cmd
		in  io.Writer
		out *bufio.Reader
	}
	hitters := make([]hitter, 2)
	for i := range hitters {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), hitterEnv+"="+prefix)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		mustDo(t, err)
		out, err := cmd.StdoutPipe()
		mustDo(t, err)
		mustDo(t, cmd.Start())
		hitters[i] = hitter{cmd, in, bufio.NewReader(out)}
	}
	for _, h := range hitters {
		if line, err := h.out.ReadString('\n'); line != "ready\n" {
			t.Fatalf("a process is not ready: %q, %v", line, err)
		}
	}
	for _, h := range hitters {
		_, err := fmt.Fprintln(h.in, "go")
		mustDo(t, err)
	}
	total := 0
	for _, h := range hitters {
		var n int
		_, err := fmt.Fscan(h.out, &n)
		mustDo(t, err)
		mustDo(t, h.cmd.Wait())
		total += n
	}
	if total != 20 {
		t.Errorf("two processes were allowed %d of 600 hits, want 20", total)
	}
}

// TestHitMatchesTheModel compares every answer with that of a log kept here,
// at instants that lie on, just before and just behind the edges of windows.
func TestHitMatchesTheModel(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 0))
		key := fmt.Sprint("client ", seed)
		limit := 1 + random.IntN(6)
		// No shorter than the test runs, as Redis drops the log by its own clock.
		window := time.Duration(5+random.IntN(55)) * time.Minute
		now := epoch
		var log []time.Time
		for i := range 300 {
			now = nextInstant(random, now, log, window)
			held := after(log, now.Add(-window))
			want := ratelimit.Result{Limit: limit, Window: window}
			if len(held) < limit {
				want.Allowed = true
				log = append(log, now)
				held = append(held, now)
			}
			want.Remaining = limit - len(held)
			want.Reset = held[0].Add(window).Sub(now)
			if !want.Allowed {
				want.RetryAfter = (want.Reset + time.Millisecond - 1).Truncate(time.Millisecond)
			}
			if got := hit(t, s, key, limit, window, now); got != want {
				t.Fatalf("seed %d, hit %d, %s after the last: %+v, want %+v", seed, i, now.Sub(epoch), got, want)
			}
		}
		for _, from := range log {
			held := 0
			for _, at := range log {
				if !at.Before(from) && at.Before(from.Add(window)) {
					held++
				}
			}
			if held > limit {
				t.Fatalf("seed %d: %d hits in a window, want %d at most", seed, held, limit)
			}
		}
	}
}

// nextInstant goes on by nothing, a little, or to the edge of a held hit's
// window, a microsecond before or behind it.
func nextInstant(random *rand.Rand, now time.Time, log []time.Time, window time.Duration) time.Time {
	next := now
	switch held := after(log, now.Add(-window)); {
	case random.IntN(3) == 0:
	case random.IntN(2) == 0 && len(held) > 0:
		next = held[random.IntN(len(held))].Add(window + time.Duration(random.IntN(3)-1)*time.Microsecond)
	default:
		next = now.Add(time.Duration(random.Int64N(int64(window / 3))).Truncate(time.Microsecond))
	}
	if next.Before(now) {
		return now
	}
	return next
}

func after(log []time.Time, instant time.Time) []time.Time {
	var held []time.Time
	for _, at := range log {
		if at.After(instant) {
			held = append(held, at)
		}
	}
	return held
}

func TestRefusedHitsChangeNothing(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	hit(t, s, "client", 2, time.Minute, epoch)
	hit(t, s, "client", 2, time.Minute, epoch.Add(10*time.Second))
	for i := range 49 {
		result := hit(t, s, "client", 2, time.Minute, epoch.Add(time.Duration(11+i)*time.Second-time.Nanosecond))
		if result.Allowed || result.RetryAfter != time.Duration(49-i)*time.Second+time.Millisecond {
			t.Fatalf("hit %d: %+v, want it refused until the oldest is a minute old", i, result)
		}
	}
	if result := hit(t, s, "client", 2, time.Minute, epoch.Add(time.Minute)); !result.Allowed || result.Reset != 10*time.Second {
		t.Errorf("a hit when the oldest is a minute old: %+v, want it allowed", result)
	}
}

func TestHitByTheClockOfRedis(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	const window = 300 * time.Millisecond
	start := time.Now()
	for range 2 {
		if result := hit(t, s, "client", 2, window, time.Time{}); !result.Allowed {
			t.Fatalf("%+v, want it allowed", result)
		}
	}
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	refused := 0
	for !hit(t, s, "client", 2, window, time.Time{}).Allowed {
		refused++
		if time.Since(start) > patient {
			t.Fatal("a client is never let in again")
		}
		<-ticker.C
	}
	if waited := time.Since(start); waited < window || refused == 0 {
		t.Errorf("let in again after %s and %d refusals, want %s", waited, refused, window)
	}
}

func TestHitAfterTheLimitWasLowered(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	for i := range 5 {
		hit(t, s, "client", 5, time.Minute, epoch.Add(time.Duration(i)*time.Second))
	}
	now := epoch.Add(10 * time.Second)
	got := hit(t, s, "client", 2, time.Minute, now)
	want := ratelimit.Result{Limit: 2, Window: time.Minute, Reset: 53 * time.Second, RetryAfter: 53 * time.Second}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if result := hit(t, s, "client", 2, time.Minute, now.Add(got.RetryAfter-time.Millisecond)); result.Allowed {
		t.Error("allowed a millisecond before RetryAfter has passed")
	}
	if result := hit(t, s, "client", 2, time.Minute, now.Add(got.RetryAfter)); !result.Allowed {
		t.Error("refused when RetryAfter has passed")
	}
}

func TestHitWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	for range 2 {
		hit(t, s, "client", 3, time.Minute, epoch)
	}
	if result := hit(t, s, "client", 3, time.Minute, epoch.Add(-time.Hour)); !result.Allowed || result.Reset != time.Minute {
		t.Errorf("an hour back: %+v, want the third hit at the same instant", result)
	}
	if result := hit(t, s, "client", 3, time.Minute, epoch.Add(-time.Hour)); result.Allowed || result.RetryAfter > time.Minute {
		t.Errorf("an hour back: %+v, want it refused for a minute at most", result)
	}
	if result := hit(t, s, "client", 3, time.Minute, epoch.Add(time.Minute)); !result.Allowed || result.Remaining != 2 {
		t.Errorf("a minute on: %+v, want all three hits gone", result)
	}
}

func TestHitKeepsKeysApart(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	long := strings.Repeat("x", 128)
	keys := []string{"", "a", "a b", "{a}", "a\nb", "\xff", long, long + "x", long + "y", strings.Repeat(long, 1000)}
	for _, key := range keys {
		if result := hit(t, s, key, 1, time.Minute, epoch); !result.Allowed {
			t.Errorf("the first hit of a key of %d bytes was refused", len(key))
		}
	}
	for _, key := range keys {
		if result := hit(t, s, key, 1, time.Minute, epoch); result.Allowed {
			t.Errorf("the second hit of a key of %d bytes was allowed", len(key))
		}
	}
	stored := keysUnder(t, client, prefix)
	if len(stored) != len(keys) {
		t.Errorf("%d keys in Redis, want %d", len(stored), len(keys))
	}
	for _, key := range stored {
		if len(key) > len(prefix)+200 {
			t.Errorf("a key in Redis has %d bytes", len(key))
		}
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > time.Minute+2*time.Millisecond {
			t.Errorf("%q has %s to live, want the window", key, ttl)
		}
	}
}

func TestHitRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil))
	for _, test := range []struct {
		limit  int
		window time.Duration
	}{{0, time.Minute}, {-1, time.Minute}, {1, 0}, {1, -time.Second}} {
		result, err := s.Hit(t.Context(), "client", test.limit, test.window, epoch)
		if result.Allowed || !errors.Is(err, secondary.ErrInvalid) {
			t.Errorf("Hit with limit %d in %s = %+v, %v; want ErrInvalid", test.limit, test.window, result, err)
		}
	}
}
