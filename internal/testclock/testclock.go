// Package testclock is a clock for tests: it stands still until it is moved.
// Only tests import it.
package testclock

import (
	"sync"
	"time"
)

// Clock stands still until it is moved. It is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// New returns a clock that shows some time of 2026, with milliseconds.
func New() *Clock {
	return &Clock{at: time.Date(2026, 11, 21, 6, 33, 54, 78_000_000, time.UTC)}
}

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
