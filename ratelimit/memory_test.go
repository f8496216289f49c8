package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/internal/testclock"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
)

func newMemory(t testing.TB, o ratelimit.MemoryOptions) *ratelimit.Memory {
	t.Helper()
	m := ratelimit.NewMemory(o)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func hit(t testing.TB, s ratelimit.Storage, key string, limit int, window time.Duration) ratelimit.Result {
	t.Helper()
	result, err := s.Hit(context.Background(), key, limit, window, time.Time{})
	if err != nil {
		t.Error(err)
	}
	return result
}

func TestMemoryLetsExactlyTheLimitThroughAtOnce(t *testing.T) {
	t.Parallel()
	m := newMemory(t, ratelimit.MemoryOptions{})
	if got := together(300, func(int) bool { return hit(t, m, "k", 20, time.Hour).Allowed }); got != 20 {
		t.Errorf("%d allowed, want 20", got)
	}
}

func TestMemoryIsExactForManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	const keys, limit = 50, 7
	m := newMemory(t, ratelimit.MemoryOptions{})
	got := together(keys*20, func(i int) bool { return hit(t, m, strconv.Itoa(i%keys), limit, time.Hour).Allowed })
	if got != keys*limit {
		t.Errorf("%d allowed, want %d", got, keys*limit)
	}
	if got := m.Len(); got != keys {
		t.Errorf("%d keys, want %d", got, keys)
	}
}

// plainLog says what the answer to a hit must be, in the simplest way.
type plainLog struct {
	limit   int
	window  time.Duration
	allowed []time.Time
}

func (l *plainLog) hit(now time.Time) ratelimit.Result {
	var inWindow []time.Time
	for _, at := range l.allowed[max(0, len(l.allowed)-l.limit):] {
		if now.Sub(at) < l.window {
			inWindow = append(inWindow, at)
		}
	}
	result := ratelimit.Result{Limit: l.limit, Window: l.window}
	if len(inWindow) == l.limit {
		result.RetryAfter = l.window - now.Sub(inWindow[0])
		result.Reset = result.RetryAfter
		return result
	}
	l.allowed = append(l.allowed, now)
	inWindow = append(inWindow, now)
	result.Allowed = true
	result.Remaining = l.limit - len(inWindow)
	result.Reset = l.window - now.Sub(inWindow[0])
	return result
}

func TestMemoryNeverHoldsMoreThanTheLimitInAnyWindow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		limit := []int{1, 2, 3, 5, 20, 100}[random.IntN(6)]
		window := []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}[random.IntN(4)]
		steps := []time.Duration{
			0, 0, 0, 1, window / time.Duration(limit), window/time.Duration(limit) - 1,
			window - 1, window, window + 1, 2 * window,
		}
		c := testclock.New()
		m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
		want := plainLog{limit: limit, window: window}
		for n := range 2000 {
			if random.IntN(3) == 0 {
				c.Advance(steps[random.IntN(len(steps))])
			} else {
				c.Advance(time.Duration(random.Int64N(1 + 2*int64(window)/int64(limit))))
			}
			if got, want := hit(t, m, "k", limit, window), want.hit(c.Now()); got != want {
				t.Fatalf("seed %d, hit %d, limit %d in %v:\n got %+v\nwant %+v", seed, n, limit, window, got, want)
			}
		}
		for i := limit; i < len(want.allowed); i++ {
			if length := want.allowed[i].Sub(want.allowed[i-limit]); length < window {
				t.Fatalf("seed %d: %d hits allowed within %v, limit %d in %v", seed, limit+1, length, limit, window)
			}
		}
	}
}

func TestMemoryAtAWindowsEdge(t *testing.T) {
	t.Parallel()
	const limit, window = 10, time.Minute
	for _, offset := range []time.Duration{0, 1, time.Millisecond, window / 2, window - time.Millisecond, window - 1} {
		c := testclock.New()
		m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
		c.Advance(offset)
		for range limit {
			hit(t, m, "k", limit, window)
		}
		for _, early := range []time.Duration{window - time.Nanosecond, 0} {
			c.Advance(early)
			if hit(t, m, "k", limit, window).Allowed {
				t.Errorf("offset %v: allowed within the window of a burst", offset)
			}
		}
		c.Advance(time.Nanosecond)
		allowed := 0
		for range 3 * limit {
			if hit(t, m, "k", limit, window).Allowed {
				allowed++
			}
		}
		if allowed != limit {
			t.Errorf("offset %v: %d allowed after the window, want %d", offset, allowed, limit)
		}
	}
}

func TestMemoryLetsAHammeringClientInOnceItsOldestHitLeaves(t *testing.T) {
	t.Parallel()
	const limit, window = 3, 10 * time.Second
	c := testclock.New()
	m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
	for range limit {
		hit(t, m, "k", limit, window)
		c.Advance(time.Second)
	}
	for range 70 { // 7 seconds
		if result := hit(t, m, "k", limit, window); result.Allowed || result.RetryAfter <= 0 {
			t.Fatalf("%+v while three hits are in the window", result)
		}
		c.Advance(100 * time.Millisecond)
	}
	if result := hit(t, m, "k", limit, window); !result.Allowed || result.Reset != time.Second {
		t.Errorf("%+v after the oldest hit has left", result)
	}
	if result := hit(t, m, "k", limit, window); result.Allowed || result.RetryAfter != time.Second {
		t.Errorf("%+v with the next hit still in the window", result)
	}
}

func TestMemoryTakesTheCallersInstant(t *testing.T) {
	t.Parallel()
	m := newMemory(t, ratelimit.MemoryOptions{})
	start := testclock.New().Now()
	at := func(d time.Duration) ratelimit.Result {
		result, err := m.Hit(context.Background(), "k", 2, time.Minute, start.Add(d))
		if err != nil {
			t.Error(err)
		}
		return result
	}
	at(0)
	at(20 * time.Second)
	if result := at(30 * time.Second); result.Allowed || result.RetryAfter != 30*time.Second {
		t.Errorf("third: %+v", result)
	}
	// A caller that comes late counts from the hit before it.
	if result := at(10 * time.Second); result.Allowed || result.RetryAfter != 40*time.Second {
		t.Errorf("late: %+v", result)
	}
	if result := at(time.Minute); !result.Allowed || result.Remaining != 0 {
		t.Errorf("after the window: %+v", result)
	}
}

func TestMemoryJudgesByTheLatestLimit(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
	for range 5 {
		hit(t, m, "k", 5, time.Minute)
		c.Advance(time.Second)
	}
	// Three of the five must leave before a limit of three has room.
	if result := hit(t, m, "k", 3, time.Minute); result.Allowed || result.RetryAfter != 57*time.Second {
		t.Errorf("lowered limit: %+v", result)
	}
	c.Advance(57 * time.Second)
	if result := hit(t, m, "k", 3, time.Minute); !result.Allowed || result.Remaining != 0 {
		t.Errorf("lowered limit, later: %+v", result)
	}
	if result := hit(t, m, "k", 10, time.Minute); !result.Allowed || result.Remaining != 6 {
		t.Errorf("raised limit: %+v", result)
	}
}

func TestMemoryRefusesWrongCalls(t *testing.T) {
	t.Parallel()
	m := newMemory(t, ratelimit.MemoryOptions{})
	for _, call := range []struct {
		limit  int
		window time.Duration
	}{{0, time.Second}, {-1, time.Second}, {1, 0}, {1, -time.Second}, {1 << 30, time.Second}, {1, 1 << 62}} {
		result, err := m.Hit(context.Background(), "k", call.limit, call.window, time.Time{})
		if !errors.Is(err, secondary.ErrInvalid) || result.Allowed {
			t.Errorf("%d in %v: %+v, %v", call.limit, call.window, result, err)
		}
	}
}

func TestMemoryAtItsBoundRefusesNewKeysAndKeepsTheOld(t *testing.T) {
	t.Parallel()
	const maxKeys = 10_000
	c := testclock.New()
	m := newMemory(t, ratelimit.MemoryOptions{MaxKeys: maxKeys, Now: c.Now})
	for range 3 {
		hit(t, m, "limited", 3, time.Minute)
	}
	hit(t, m, "known", 3, time.Minute)

	allowed := 0
	for i := range 200_000 {
		result := hit(t, m, "spoofed "+strconv.Itoa(i), 3, time.Minute)
		if result.Allowed {
			allowed++
		} else if result.RetryAfter != time.Second || result.Limit != 3 || result.Remaining != 0 {
			t.Fatalf("refused new key: %+v", result)
		}
	}
	if want := maxKeys - 2; allowed != want {
		t.Errorf("%d new keys allowed, want %d", allowed, want)
	}
	if got := m.Len(); got != maxKeys {
		t.Errorf("%d keys held, want %d", got, maxKeys)
	}
	if hit(t, m, "limited", 3, time.Minute).Allowed {
		t.Error("the flood freed a client that had reached its limit")
	}
	if result := hit(t, m, "known", 3, time.Minute); !result.Allowed || result.Remaining != 1 {
		t.Errorf("the flood touched a client that was known: %+v", result)
	}
}

func TestMemoryAtItsBoundTakesNewKeysSoonAfterOthersExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, ratelimit.MemoryOptions{MaxKeys: 10})
		for i := range 10 {
			hit(t, m, strconv.Itoa(i), 3, 5*time.Second)
		}
		for range 5 {
			if hit(t, m, "new", 3, 5*time.Second).Allowed {
				t.Fatal("more keys than the bound")
			}
			wait(time.Second)
		}
		wait(time.Second)
		if !hit(t, m, "new", 3, 5*time.Second).Allowed {
			t.Error("still refused a second after all others have expired")
		}
	})
}

func TestMemorySweepsExpiredKeysUntouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, ratelimit.MemoryOptions{})
		wait(time.Minute)
		for i := range 1000 {
			hit(t, m, strconv.Itoa(i), 3, 10*time.Second)
		}
		for range 2 {
			hit(t, m, "long", 2, time.Hour)
		}
		wait(10*time.Second - 1)
		if got := m.Len(); got != 1001 {
			t.Errorf("%d keys before the window has passed, want 1001", got)
		}
		wait(30 * time.Second)
		if got := m.Len(); got != 1 {
			t.Errorf("%d keys 30 seconds after the window, want 1", got)
		}
		if hit(t, m, "long", 2, time.Hour).Allowed {
			t.Error("the sweep freed a key whose window has not passed")
		}
		wait(time.Hour)
		if got := m.Len(); got != 0 {
			t.Errorf("%d keys at last, want none", got)
		}
		// Sweeping starts anew with the next key.
		hit(t, m, "again", 3, time.Second)
		wait(31 * time.Second)
		if got := m.Len(); got != 0 {
			t.Errorf("%d keys after a pause, want none", got)
		}
	})
}

// wait moves the clock of a synctest bubble and lets what is due run.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestMemoryResetForgetsAllCounts(t *testing.T) {
	t.Parallel()
	m := newMemory(t, ratelimit.MemoryOptions{})
	for i := range 100 {
		hit(t, m, strconv.Itoa(i), 1, time.Hour)
	}
	m.Reset()
	if got := m.Len(); got != 0 {
		t.Errorf("%d keys, want none", got)
	}
	for i := range 100 {
		if !hit(t, m, strconv.Itoa(i), 1, time.Hour).Allowed {
			t.Fatalf("key %d is still counted", i)
		}
	}
}

func TestClosedMemoryStillCounts(t *testing.T) {
	t.Parallel()
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{MaxKeys: 1})
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if !hit(t, m, "k", 1, time.Hour).Allowed || hit(t, m, "k", 1, time.Hour).Allowed || hit(t, m, "new", 1, time.Hour).Allowed {
		t.Error("a closed Memory does not count")
	}
}

func TestMemoryDoesNotAllocateOnAKeyInUse(t *testing.T) {
	c := testclock.New()
	m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
	for range 200 {
		hit(t, m, "k", 100, time.Second)
	}
	allocs := testing.AllocsPerRun(2000, func() {
		c.Advance(7 * time.Millisecond)
		hit(t, m, "k", 100, time.Second)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestMemoryOfAKeyIsSmallAndFreed(t *testing.T) {
	const keys = 100_000
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("rule POST /sign-in|%013d", i) // 32 bytes and more
	}
	c := testclock.New()
	// One hit sets the memory up, sweep or not, so that the rest is the keys'.
	m := newMemory(t, ratelimit.MemoryOptions{Now: c.Now})
	empty := heap()
	for _, name := range names {
		hit(t, m, name, 100, time.Minute)
	}
	if perKey := (heap() - empty) / keys; perKey > 150 {
		t.Errorf("%d bytes a key, want 150 at most", perKey)
	} else {
		t.Logf("%d bytes a key with one hit", perKey)
	}
	m.Reset()
	if left := heap() - empty; left > 100_000 {
		t.Errorf("%d bytes held after all keys are gone", left)
	}
	runtime.KeepAlive(names)
	runtime.KeepAlive(m)
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
