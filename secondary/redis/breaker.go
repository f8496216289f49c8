package redisstorage

import (
	"sync/atomic"
	"time"
)

// After breakAfter calls in a row without an answer, one call every probeEvery
// is sent, and the others fail at once.
const (
	breakAfter = 5
	probeEvery = time.Second
)

// breaker tells whether Redis is worth asking. Every answer counts, whatever it
// says: the breaker saves waiting, nothing else. It lets calls through at
// first.
type breaker struct {
	// start is any instant. Time since it is immune to changes of the wall
	// clock.
	start time.Time
	// silent is how many calls in a row had no answer.
	silent atomic.Int32
	// probeAt is when the next call may be sent once silent is breakAfter: a
	// time.Duration since start.
	probeAt atomic.Int64
}

func (b *breaker) allow(now time.Time) bool {
	if b.silent.Load() < breakAfter {
		return true
	}
	due, elapsed := b.probeAt.Load(), now.Sub(b.start)
	if elapsed < time.Duration(due) {
		return false
	}
	return b.probeAt.CompareAndSwap(due, int64(elapsed+probeEvery))
}

func (b *breaker) answered() {
	// The usual case writes nothing, so that callers do not share a cache line.
	if b.silent.Load() != 0 {
		b.silent.Store(0)
	}
}

func (b *breaker) unanswered(now time.Time) {
	// probeAt comes first: who sees silent reach its bound must see it.
	b.probeAt.Store(int64(now.Sub(b.start) + probeEvery))
	b.silent.Add(1)
}
