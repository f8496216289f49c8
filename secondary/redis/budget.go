package redisstorage

import (
	"context"
	"sync"
	"time"
)

// budgetStep is how much later than its deadline a budget's Done channel may
// close. Connections obey the deadline itself.
const budgetStep = 25 * time.Millisecond

// budgets makes contexts that all last equally long. A context of package
// context costs a timer, a channel and an entry in its parent for each call;
// these share one timer and one channel among all that begin within a
// budgetStep, and a call then costs one allocation.
type budgets struct {
	length time.Duration

	mu      sync.Mutex
	done    chan struct{} // of the contexts that begin before renewal
	renewal time.Time
}

// begin returns the context of a call that begins now. One whose own deadline
// comes first is returned as it is.
func (b *budgets) begin(parent context.Context, now time.Time) context.Context {
	deadline := now.Add(b.length)
	if d, ok := parent.Deadline(); ok && d.Before(deadline) {
		return parent
	}
	return &budget{Context: parent, deadline: deadline, done: b.channel(now)}
}

func (b *budgets) channel(now time.Time) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.renewal) {
		done := make(chan struct{})
		time.AfterFunc(b.length+budgetStep, func() { close(done) })
		b.done, b.renewal = done, now.Add(budgetStep)
	}
	return b.done
}

// budget is its parent with an earlier end. The parent's cancellation shows in
// Err, not in Done: go-redis does not interrupt a read for it either, and a
// budget is short.
type budget struct {
	context.Context
	deadline time.Time
	done     <-chan struct{}
}

func (b *budget) Deadline() (time.Time, bool) { return b.deadline, true }

func (b *budget) Done() <-chan struct{} { return b.done }

func (b *budget) Err() error {
	if err := b.Context.Err(); err != nil {
		return err
	}
	select {
	case <-b.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
