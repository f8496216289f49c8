package core

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary/store"
)

const (
	// maxTries is how often a transaction is begun that loses against others.
	maxTries = 4
	minPause = 10 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// Tx runs fn in a transaction; a nested call joins the outer one, and its
// failure is the failure of the whole. A transaction that loses against a
// concurrent one is run again, whole, three times at most: fn must not keep
// anything from a run that failed. Work given to [Database.AfterCommit] inside
// fn runs once the outermost transaction has committed, and not at all
// otherwise.
//
// The first error of that work is returned and ends it: the transaction has
// happened, but not everything that belongs to it. Hooks after changes run all
// the same.
//
// A transaction that is not ours, begun on the store itself, is
// [store.ErrInvalid]: nobody could tell when it commits. See [Auth.WithTx].
func (d *Database) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if queue := d.queueOf(ctx); queue != nil {
		return d.nested(ctx, queue, fn)
	}
	if err := d.foreignTx(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		queue, err := d.try(ctx, fn)
		if err == nil {
			return queue.run(ctx)
		}
		if try == maxTries || !errors.Is(err, store.ErrConflict) {
			return err
		}
		// The pause differs so that those who collided do not do so again.
		if pause(ctx, minPause+rand.N(maxPause-minPause)) != nil { //nolint:gosec // no secret
			return err
		}
	}
}

// try runs fn in a transaction of its own, once, and returns what waits for the
// commit that has happened.
func (d *Database) try(ctx context.Context, fn func(ctx context.Context) error) (*commitQueue, error) {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	expire := time.AfterFunc(d.timeout, func() { cancel(store.ErrUnavailable) })
	defer expire.Stop()

	queue := &commitQueue{progress: func() { expire.Reset(d.timeout) }}
	// Of no effect after a commit.
	defer queue.rollBack()
	err := d.store.Tx(context.WithValue(bounded, commitKey{d}, queue), func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return queue.failure()
	})
	if err != nil {
		return nil, timedOut(bounded, err) // most often what fn returned, which says what failed
	}
	queue.commit()
	return queue, nil
}

func (d *Database) nested(ctx context.Context, queue *commitQueue, fn func(ctx context.Context) error) error {
	if err := queue.failure(); err != nil {
		return err
	}
	err := errors.New("panic in a transaction")
	// Deferred for a panic that somebody recovers.
	defer func() { queue.fail(err) }()
	err = d.store.Tx(ctx, fn)
	return err
}

// foreignTx reports a context of a transaction that was begun on the store,
// past the engine.
func (d *Database) foreignTx(ctx context.Context) error {
	if joiner, ok := d.store.(store.TxJoiner); ok && joiner.InTx(ctx) {
		return fmt.Errorf("%w: the context belongs to a transaction that the engine did not begin; use its Database().Tx, or join it with WithTx", store.ErrInvalid)
	}
	return nil
}

// WithTx lets calls join a transaction that the application has begun on the
// same database, so that a user is signed up together with the application's
// own rows or not at all. Everything called with the context that it returns
// runs in tx. For a [bunstore.Store], tx is a bun.Tx or a *sql.Tx.
//
//	tx, err := db.BeginTx(ctx, nil)
//	…
//	defer tx.Rollback()
//	joined, committed, err := auth.WithTx(ctx, tx)
//	…
//	reply, err := auth.SignUpEmail(joined, in)
//	if err != nil { return err }     // which rolls back: a call that failed may have done a part
//	…                                // the application's own statements on tx
//	if err := tx.Commit(); err != nil { … }
//	err = committed()
//	reply.Apply(w)
//
// What has to wait for the commit, such as cookies, copies in the secondary
// storage and hooks that run after changes, happens when committed is called,
// which the application does once its commit has succeeded. After a roll-back it
// is not called. If a call has failed inside the transaction, committed fails
// with that error and does nothing. The application retries what loses against
// a concurrent transaction. Where it has no transaction of its own yet,
// [Database.Tx] does all of this.
//
// A store that cannot join, a tx that is none of its database, and a ctx that
// belongs to a transaction already are [store.ErrInvalid].
//
// [bunstore.Store]: https://pkg.go.dev/github.com/ostiary/ostiary/store/bun#Store
func (a *Auth) WithTx(ctx context.Context, tx any) (joined context.Context, committed func() error, err error) {
	joiner, ok := a.cfg.Store.(store.TxJoiner)
	if !ok {
		return nil, nil, fmt.Errorf("join transaction: %w: a %T cannot join transactions of the application", store.ErrInvalid, a.cfg.Store)
	}
	if a.db.queueOf(ctx) != nil || joiner.InTx(ctx) {
		return nil, nil, fmt.Errorf("join transaction: %w: the context belongs to one already", store.ErrInvalid)
	}
	joined, err = joiner.JoinTx(ctx, tx)
	if err != nil {
		return nil, nil, fmt.Errorf("join transaction: %w", err)
	}
	queue := &commitQueue{progress: func() {}}
	committed = func() error {
		if err := queue.failure(); err != nil {
			return fmt.Errorf("a call in the transaction failed, and it should have been rolled back: %w", err)
		}
		queue.commit()
		return queue.run(ctx)
	}
	return context.WithValue(joined, commitKey{a.db}, queue), committed, nil
}

// AfterCommit runs fn once the transaction that ctx belongs to has committed;
// at once where there is none. It is not cut short when the caller goes away.
// Writes to secondary storage belong here, so that a roll-back leaves nothing
// behind. A transaction that has been rolled back, or is none of the engine's, is
// [store.ErrInvalid].
func (d *Database) AfterCommit(ctx context.Context, fn func(ctx context.Context) error) error {
	queue := d.queueOf(ctx)
	if queue == nil {
		if err := d.foreignTx(ctx); err != nil {
			return err
		}
		return fn(context.WithoutCancel(ctx))
	}
	switch queue.add(fn) {
	case txOpen:
		return nil
	case txCommitted:
		return fn(context.WithoutCancel(ctx))
	}
	return fmt.Errorf("%w: the transaction was rolled back", store.ErrInvalid)
}

// commitKey finds an engine's transaction in a context.
type commitKey struct{ db *Database }

func (d *Database) queueOf(ctx context.Context) *commitQueue {
	queue, _ := ctx.Value(commitKey{d}).(*commitQueue)
	return queue
}

// commitQueue holds what waits for the outermost transaction.
type commitQueue struct {
	// progress lets the transaction go on for as long again as it may rest.
	progress func()

	mu     sync.Mutex
	state  txState
	work   []func(context.Context) error // in order, up to the first error
	told   []func(context.Context)       // hooks after changes, each for itself
	failed error                         // of a nested transaction
}

type txState uint8

const (
	txOpen txState = iota
	txCommitted
	txRolledBack
)

// add keeps work for after the commit if that is still to come.
func (q *commitQueue) add(work func(context.Context) error) txState {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state == txOpen {
		q.work = append(q.work, work)
	}
	return q.state
}

// tell keeps a hook for after the commit and all work; false when that is past.
func (q *commitQueue) tell(hook func(context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state != txOpen {
		return false
	}
	q.told = append(q.told, hook)
	return true
}

func (q *commitQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed == nil {
		q.failed = err
	}
}

func (q *commitQueue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failed
}

func (q *commitQueue) commit() { q.end(txCommitted) }

func (q *commitQueue) rollBack() { q.end(txRolledBack) }

func (q *commitQueue) end(state txState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state == txOpen {
		q.state = state
	}
}

// run does what has waited for the commit, once.
func (q *commitQueue) run(ctx context.Context) error {
	q.mu.Lock()
	work, told := q.work, q.told
	q.work, q.told = nil, nil
	q.mu.Unlock()

	// A client that goes away now must not leave the rest undone.
	ctx = context.WithoutCancel(ctx)
	var err error
	for _, do := range work {
		if err = do(ctx); err != nil {
			err = fmt.Errorf("after commit: %w", err)
			break
		}
	}
	for _, tell := range told {
		tell(ctx)
	}
	return err
}
