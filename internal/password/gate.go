package password

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// gate lets work through in the order of arrival, so much at a time. What
// waits for its turn waits in a bounded queue and for a bounded time.
type gate struct {
	places  *semaphore.Weighted
	size    int64
	queue   int64
	maxWait time.Duration

	running, waiting atomic.Int64
	total            atomic.Uint64
}

func newGate(size, queue int, maxWait time.Duration) *gate {
	return &gate{
		places:  semaphore.NewWeighted(int64(size)),
		size:    int64(size),
		queue:   int64(queue),
		maxWait: maxWait,
	}
}

// run calls work when it has so many of the gate's places, or all of them when
// there are fewer. Without having called it, it returns ErrBusy or an error
// that wraps the context's.
//
// The places belong to the work: they are given back when it has ended, not
// when the context has.
func (g *gate) run(ctx context.Context, places int, work func()) error {
	n := min(int64(places), g.size)
	if !g.places.TryAcquire(n) {
		if err := g.wait(ctx, n); err != nil {
			return err
		}
	}
	defer g.places.Release(n)
	if err := ctx.Err(); err != nil {
		return waitError(err)
	}
	g.total.Add(1)
	g.running.Add(1)
	defer g.running.Add(-1)
	work()
	return nil
}

func (g *gate) wait(ctx context.Context, n int64) error {
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.queue {
		return ErrBusy
	}
	limited, cancel := context.WithTimeout(ctx, g.maxWait)
	defer cancel()
	if err := g.places.Acquire(limited, n); err != nil {
		if err := ctx.Err(); err != nil {
			return waitError(err)
		}
		return ErrBusy
	}
	return nil
}

func waitError(err error) error {
	return fmt.Errorf("password: wait to compute a hash: %w", err)
}

func (g *gate) stats() Stats {
	return Stats{
		Running: int(g.running.Load()),
		Waiting: int(min(g.waiting.Load(), g.queue)),
		Total:   g.total.Load(),
	}
}
