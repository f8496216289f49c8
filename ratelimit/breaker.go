package ratelimit

import (
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// probeEvery is how often a storage that failed is tried again.
	probeEvery = time.Second
	// logEvery is how often a failing storage is logged at most.
	logEvery = 30 * time.Second
)

// breaker keeps callers from a storage that does not answer: after a failure
// one caller a second may try it, until one succeeds.
type breaker struct {
	now    func() time.Time
	logger *slog.Logger
	epoch  time.Time

	open     atomic.Bool
	probeAt  atomic.Int64 // since epoch, while open
	failures atomic.Int64 // since the last line logged
	logAt    atomic.Int64 // since epoch
}

func newBreaker(now func() time.Time, logger *slog.Logger) *breaker {
	return &breaker{now: now, logger: logger, epoch: now()}
}

func (b *breaker) elapsed() int64 { return int64(b.now().Sub(b.epoch)) }

// ready reports whether the caller may ask the storage.
func (b *breaker) ready() bool {
	if !b.open.Load() {
		return true
	}
	now, probeAt := b.elapsed(), b.probeAt.Load()
	return now >= probeAt && b.probeAt.CompareAndSwap(probeAt, now+int64(probeEvery))
}

// failed records that the storage did not answer.
func (b *breaker) failed() {
	b.probeAt.Store(b.elapsed() + int64(probeEvery))
	b.open.Store(true)
}

func (b *breaker) answered() {
	if b.open.Load() && b.open.CompareAndSwap(true, false) {
		b.logger.Info("rate limit storage answers again")
	}
}

// report logs an error of the storage, or counts it until it is time for the
// next line.
func (b *breaker) report(err error) {
	failures := b.failures.Add(1)
	now, logAt := b.elapsed(), b.logAt.Load()
	if now < logAt || !b.logAt.CompareAndSwap(logAt, now+int64(logEvery)) {
		return
	}
	b.failures.Add(-failures)
	b.logger.Error("rate limit storage failed, counting in this process where the rule allows", "error", err, "failures", failures)
}
