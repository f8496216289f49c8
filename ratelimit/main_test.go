package ratelimit_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

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

// together runs f in n goroutines that start at the same moment and returns
// how many answered true.
func together(n int, f func(i int) bool) (yes int) {
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			if f(i) {
				mu.Lock()
				yes++
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return yes
}
