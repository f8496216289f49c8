package secondary_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/secondary/secondarytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newMemory(t testing.TB, opt secondary.MemoryOptions) *secondary.Memory {
	t.Helper()
	m := secondary.NewMemory(opt)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	for name, maxEntries := range map[string]int{"one shard": 1000, "many shards": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secondarytest.Run(t, func(t *testing.T) secondarytest.Subject {
				c := newClock()
				m := newMemory(t, secondary.MemoryOptions{Now: c.Now, MaxEntries: maxEntries})
				return secondarytest.Subject{Storage: m, Now: c.Now, Advance: c.Advance}
			})
		})
	}
}

func TestMemoryConformsOnTheRealClock(t *testing.T) {
	t.Parallel()
	secondarytest.Run(t, func(t *testing.T) secondarytest.Subject {
		return secondarytest.Subject{Storage: newMemory(t, secondary.MemoryOptions{})}
	})
}

func TestMemoryRemovesExpiredEntriesUntouched(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := newMemory(t, secondary.MemoryOptions{Now: c.Now})
	for i := range 10_000 {
		key := fmt.Sprint("key ", i)
		mustDo(t, m.Set(t.Context(), key, []byte("value"), time.Minute))
		mustDo(t, m.AddMember(t.Context(), "set "+key, "member", c.Now().Add(time.Minute)))
	}
	mustDo(t, m.Set(t.Context(), "kept", []byte("value"), time.Hour))
	c.Advance(time.Minute)

	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for m.Len() > 1 {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%d entries are held long after all but one have expired", m.Len())
		}
	}
	if _, err := m.Get(t.Context(), "kept"); err != nil {
		t.Errorf("Get of a live key after the sweep: %v", err)
	}
	if n := m.Evicted(); n != 0 {
		t.Errorf("Evicted = %d after entries expired, want 0", n)
	}
}

func TestMemoryMakesRoom(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := newMemory(t, secondary.MemoryOptions{Now: c.Now, MaxEntries: 3})
	set := func(key string, ttl time.Duration) {
		t.Helper()
		mustDo(t, m.Set(t.Context(), key, []byte(key), ttl))
	}
	wantHeld := func(evicted uint64, want ...string) {
		t.Helper()
		for _, key := range want {
			if _, err := m.Get(t.Context(), key); err != nil {
				t.Errorf("Get(%q): %v, want the value", key, err)
			}
		}
		if n := m.Len(); n > 3 {
			t.Errorf("%d entries are held, want 3 at most", n)
		}
		if n := m.Evicted(); n != evicted {
			t.Errorf("Evicted = %d, want %d", n, evicted)
		}
	}

	set("hour", time.Hour)
	set("minute", time.Minute)
	set("second", time.Second)
	set("second", time.Second) // an overwrite needs no room
	wantHeld(0, "hour", "minute", "second")

	c.Advance(time.Second)
	set("day", 24*time.Hour) // the expired one goes
	wantHeld(0, "hour", "minute", "day")

	set("week", 7*24*time.Hour) // the one that expires soonest goes
	wantHeld(1, "hour", "day", "week")

	set("brief", time.Millisecond) // a new entry stays even if it is the soonest
	wantHeld(2, "day", "week", "brief")

	mustDo(t, m.AddMember(t.Context(), "set", "member", c.Now().Add(time.Hour)))
	wantHeld(3, "day", "week")
	if members, err := m.Members(t.Context(), "set"); err != nil || len(members) != 1 {
		t.Errorf("Members = %q, %v; want the one added", members, err)
	}
}

func TestMemoryStaysBoundedUnderLoad(t *testing.T) {
	t.Parallel()
	const most = 70_000
	m := newMemory(t, secondary.MemoryOptions{MaxEntries: most})
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := range 12_500 {
				if _, err := m.Increment(t.Context(), fmt.Sprint(caller, " ", i), time.Hour); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	held := m.Len()
	if held > most || held < most*9/10 {
		t.Errorf("%d of 100,000 entries are held, want about %d", held, most)
	}
	if got := m.Evicted(); got != uint64(100_000-held) {
		t.Errorf("Evicted = %d, want the %d that are not held", got, 100_000-held)
	}
}

func TestMemoryIncrementsOnlyNumbers(t *testing.T) {
	t.Parallel()
	m := newMemory(t, secondary.MemoryOptions{})
	for _, test := range []struct {
		value string
		want  int64
		err   error
	}{
		{"41", 42, nil},
		{"-1", 0, nil},
		{"", 0, secondary.ErrInvalid},
		{"text", 0, secondary.ErrInvalid},
		{fmt.Sprint(math.MaxInt64), 0, secondary.ErrInvalid},
	} {
		mustDo(t, m.Set(t.Context(), "key", []byte(test.value), time.Hour))
		got, err := m.Increment(t.Context(), "key", time.Hour)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("Increment of %q = %d, %v; want %d, %v", test.value, got, err, test.want, test.err)
		}
		if err != nil && strings.Contains(err.Error(), "text") {
			t.Errorf("the error tells the value: %v", err)
		}
	}
}

func TestMemoryTakesAnyTTL(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := newMemory(t, secondary.MemoryOptions{Now: c.Now})
	c.Advance(time.Hour)
	mustDo(t, m.Set(t.Context(), "key", []byte("value"), math.MaxInt64))
	mustDo(t, m.AddMember(t.Context(), "set", "member", time.Unix(math.MaxInt32*1000, 0)))
	if _, err := m.Get(t.Context(), "key"); err != nil {
		t.Errorf("Get of a key with the greatest time to live: %v", err)
	}
	if members, err := m.Members(t.Context(), "set"); err != nil || len(members) != 1 {
		t.Errorf("Members = %q, %v; want one", members, err)
	}
}

func TestMemoryIsUnavailableOnceClosed(t *testing.T) {
	t.Parallel()
	m := secondary.NewMemory(secondary.MemoryOptions{})
	mustDo(t, m.Set(t.Context(), "key", []byte("value"), time.Hour))
	for range 2 {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if n := m.Len(); n != 0 {
		t.Errorf("a closed storage holds %d entries, want 0", n)
	}
	ctx := t.Context()
	_, getErr := m.Get(ctx, "key")
	_, setIfExistsErr := m.SetIfExists(ctx, "key", nil, time.Hour)
	_, takeErr := m.Take(ctx, "key")
	_, incrementErr := m.Increment(ctx, "key", time.Hour)
	_, membersErr := m.Members(ctx, "key")
	for name, err := range map[string]error{
		"Get":          getErr,
		"Set":          m.Set(ctx, "key", nil, time.Hour),
		"SetIfExists":  setIfExistsErr,
		"Delete":       m.Delete(ctx, "key"),
		"Take":         takeErr,
		"Increment":    incrementErr,
		"AddMember":    m.AddMember(ctx, "key", "member", time.Now().Add(time.Hour)),
		"RemoveMember": m.RemoveMember(ctx, "key", "member"),
		"Members":      membersErr,
		"Ping":         m.Ping(ctx),
	} {
		if !errors.Is(err, secondary.ErrUnavailable) {
			t.Errorf("%s of a closed storage: %v, want ErrUnavailable", name, err)
		}
	}
}

func TestMemoryCloseBesideCallers(t *testing.T) {
	t.Parallel()
	m := secondary.NewMemory(secondary.MemoryOptions{})
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				err := m.Set(context.Background(), fmt.Sprint(caller, i%100), nil, time.Hour)
				if errors.Is(err, secondary.ErrUnavailable) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() { _ = m.Close() })
	wg.Wait()
}

func TestMemoryDeletesOverlappingKeysWithoutDeadlock(t *testing.T) {
	t.Parallel()
	m := newMemory(t, secondary.MemoryOptions{})
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			for i := range 200 {
				from := (caller*7 + i) % 50
				if err := m.Delete(t.Context(), append(keys[from:], keys[:from]...)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	m := newMemory(b, secondary.MemoryOptions{})
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("session %032d", i)
		mustDo(b, m.Set(b.Context(), keys[i], make([]byte, 512), time.Hour))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for i := 0; pb.Next(); i++ {
			if _, err := m.Get(ctx, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMemoryIncrement(b *testing.B) {
	m := newMemory(b, secondary.MemoryOptions{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, err := m.Increment(ctx, "counter", time.Hour); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
