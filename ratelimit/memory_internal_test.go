package ratelimit

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fill returns a Memory with keys that expire a minute after the clock's
// present reading.
func fill(tb testing.TB, keys int, now *time.Time) *Memory {
	tb.Helper()
	m := NewMemory(MemoryOptions{MaxKeys: keys, Now: func() time.Time { return *now }})
	tb.Cleanup(func() { _ = m.Close() })
	for i := range keys {
		if _, err := m.Hit(context.Background(), strconv.Itoa(i), 3, time.Minute, time.Time{}); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

func TestSweepFreesMemory(t *testing.T) {
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := heap()
	m := fill(t, 100_000, &now)
	full := heap() - before

	// A few stay, in every shard: the maps must shrink all the same.
	now = now.Add(30 * time.Second)
	for i := range 5000 {
		if _, err := m.Hit(context.Background(), strconv.Itoa(i), 3, time.Minute, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(30 * time.Second)
	m.sweep()
	if got := m.Len(); got != 5000 {
		t.Errorf("%d keys after the sweep, want 5000", got)
	}
	if left := heap() - before; left > full/8 {
		t.Errorf("%d of %d bytes held by a twentieth of the keys", left, full)
	}
	runtime.KeepAlive(m)
}

func TestMemoryStaysExactWhileItIsSweptAndFull(t *testing.T) {
	t.Parallel()
	const limit, maxKeys = 50, 600
	m := NewMemory(MemoryOptions{MaxKeys: maxKeys})
	t.Cleanup(func() { _ = m.Close() })
	var callers, sweeps sync.WaitGroup
	var allowed atomic.Int64
	stop := make(chan struct{})
	sweeps.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				m.sweep()
			}
		}
	})
	if result, err := m.Hit(context.Background(), "hot", limit+1, time.Hour, time.Time{}); err != nil || !result.Allowed {
		t.Fatalf("first hit: %+v, %v", result, err)
	}
	for i := range 16 {
		callers.Go(func() {
			for n := range 1000 {
				if result, _ := m.Hit(context.Background(), "hot", limit+1, time.Hour, time.Time{}); result.Allowed {
					allowed.Add(1)
				}
				_, _ = m.Hit(context.Background(), strconv.Itoa(i*1000+n), 2, time.Microsecond, time.Time{})
				if got := m.Len(); got > maxKeys+16 {
					t.Errorf("%d keys held, %d are the most", got, maxKeys)
				}
			}
		})
	}
	callers.Wait()
	close(stop)
	sweeps.Wait()
	if got := allowed.Load(); got != limit {
		t.Errorf("%d allowed, want %d", got, limit)
	}
	held := 0
	for i := range m.shards {
		held += len(m.shards[i].logs)
	}
	if got := m.Len(); got != held {
		t.Errorf("Len is %d, the shards hold %d", got, held)
	}
}

// BenchmarkSweep reports how long a sweep of nothing but expired keys keeps a
// shard's callers waiting, in the mean.
func BenchmarkSweep(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			shards := 1
			for b.Loop() {
				b.StopTimer()
				now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
				m := fill(b, keys, &now)
				now = now.Add(time.Minute)
				shards = len(m.shards)
				b.StartTimer()
				m.sweep()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*shards), "µs/shard")
		})
	}
}
