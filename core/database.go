package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Database is the engine's way to its [store.Store]: tables by their logical
// names, every call under a time-out, identifiers and defaults filled in, and
// work that has to wait for a commit. Changes run the hooks of their table, see
// [DatabaseHook]. Plugins reach their tables through it.
// It is safe for concurrent use.
type Database struct {
	store   store.Store
	schema  *store.Schema
	timeout time.Duration
	random  io.Reader
	log     *slog.Logger
	hooks   map[string]*rowHooks // by table; see compileRowHooks
}

// Schema is the merged description of all tables.
func (d *Database) Schema() *store.Schema { return d.schema }

func (d *Database) table(name string) (*store.Table, error) {
	t := d.schema.Table(name)
	if t == nil {
		return nil, fmt.Errorf("%w: there is no table %q", store.ErrInvalid, name)
	}
	return t, nil
}

// bounded derives the context of one call. What the time-out of this layer
// ends is reported as unavailable, what the caller's own context ends as that
// context's error.
func (d *Database) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.timeout, store.ErrUnavailable)
}

func outcome(ctx context.Context, doing, table string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, table, timedOut(ctx, err))
}

func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// Create inserts a row, after giving it an id and the defaults of the fields
// it leaves out. See [store.Store].
func (d *Database) Create(ctx context.Context, table string, r store.Record) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	r, err = d.complete(t, r)
	if err != nil {
		return nil, err
	}
	if d.hooksCreate(t) {
		row, err := d.createHooked(ctx, t, r)
		return row, outcome(ctx, "create", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Create(ctx, t, r)
	return row, outcome(ctx, "create", table, err)
}

// complete returns a copy of r with an id and with the defaults of the fields
// that are absent.
func (d *Database) complete(t *store.Table, r store.Record) (store.Record, error) {
	r = r.Clone()
	if r == nil {
		r = store.Record{}
	}
	if _, ok := r[store.ID]; !ok && !d.schema.IDs().ByDatabase() {
		id, err := d.newID(t)
		if err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
		r[store.ID] = id
	}
	for _, f := range t.Fields {
		if _, ok := r[f.Name]; ok {
			continue
		}
		if v := defaultOf(f); v != nil {
			r[f.Name] = v
		}
	}
	return r, nil
}

func (d *Database) newID(t *store.Table) (string, error) {
	return d.schema.IDs().New(d.random, t.Name)
}

func defaultOf(f *store.Field) any {
	if f.DefaultFunc != nil {
		return f.DefaultFunc()
	}
	return f.Default
}

// FindOne returns the first matching row or [store.ErrNotFound].
func (d *Database) FindOne(ctx context.Context, table string, q store.Query) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.FindOne(ctx, t, q)
	return row, outcome(ctx, "find", table, err)
}

// FindMany returns the matching rows.
func (d *Database) FindMany(ctx context.Context, table string, q store.Query) ([]store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.store.FindMany(ctx, t, q)
	return rows, outcome(ctx, "list", table, err)
}

// Count returns how many rows match.
func (d *Database) Count(ctx context.Context, table string, w store.Where) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Count(ctx, t, w)
	return n, outcome(ctx, "count", table, err)
}

// Update changes every matching row and returns how many matched.
func (d *Database) Update(ctx context.Context, table string, w store.Where, set store.Record) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	if d.hooksUpdate(t) {
		n, err := d.updateHooked(ctx, t, w, set)
		return n, outcome(ctx, "update", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Update(ctx, t, w, set)
	return n, outcome(ctx, "update", table, err)
}

// Delete removes every matching row and returns how many there were.
func (d *Database) Delete(ctx context.Context, table string, w store.Where) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	if d.hooksDelete(t) {
		n, err := d.deleteHooked(ctx, t, w)
		return n, outcome(ctx, "delete", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Delete(ctx, t, w)
	return n, outcome(ctx, "delete", table, err)
}

// Take removes one matching row and returns it; at most one caller gets it.
func (d *Database) Take(ctx context.Context, table string, w store.Where) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	if d.hooksDelete(t) {
		row, err := d.takeHooked(ctx, t, w)
		return row, outcome(ctx, "take", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Take(ctx, t, w)
	return row, outcome(ctx, "take", table, err)
}

// Add changes one matching row under its guard and returns it; see
// [store.Store].
func (d *Database) Add(ctx context.Context, table string, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	if d.hooksUpdate(t) {
		row, err := d.addHooked(ctx, t, w, delta, set)
		return row, outcome(ctx, "change", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Add(ctx, t, w, delta, set)
	return row, outcome(ctx, "change", table, err)
}

type commitKey struct{}

// commitQueue holds what waits for the outermost transaction.
type commitQueue struct {
	mu   sync.Mutex
	work []func(context.Context) error
	over bool
}

// add keeps work for after the commit; false when that is past.
func (q *commitQueue) add(work func(context.Context) error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.work = append(q.work, work)
	return true
}

// end closes the queue and returns what is in it.
func (q *commitQueue) end() []func(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	work := q.work
	q.work = nil
	return work
}

const (
	// maxTries is how often a transaction is begun that loses against others.
	maxTries = 4
	minPause = 10 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// Tx runs fn in a transaction; a nested call joins the outer one. A
// transaction that loses against a concurrent one is run again, whole, a few
// times: fn must not keep anything from a run that failed. Work given to
// [Database.AfterCommit] inside fn runs once the outermost transaction has
// committed, and not at all otherwise.
//
// The first error of that work is returned and ends it: the transaction has
// happened, but not everything that belongs to it.
func (d *Database) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if _, nested := ctx.Value(commitKey{}).(*commitQueue); nested {
		return d.store.Tx(ctx, fn)
	}
	for try := 1; ; try++ {
		err := d.try(ctx, fn)
		if try == maxTries || !errors.Is(err, store.ErrConflict) {
			return err
		}
		// The pause differs so that those who collided do not do so again.
		pause := minPause + rand.N(maxPause-minPause) //nolint:gosec // no secret
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (d *Database) try(ctx context.Context, fn func(ctx context.Context) error) error {
	queue := &commitQueue{}
	defer queue.end()
	bounded, cancel := d.bounded(context.WithValue(ctx, commitKey{}, queue))
	defer cancel()
	if err := d.store.Tx(bounded, fn); err != nil {
		return timedOut(bounded, err) // most often what fn returned, which says what failed
	}
	return queue.run(ctx)
}

// run does what has waited for the commit.
func (q *commitQueue) run(ctx context.Context) error {
	// A client that goes away now must not leave the rest undone.
	ctx = context.WithoutCancel(ctx)
	for _, work := range q.end() {
		if err := work(ctx); err != nil {
			return fmt.Errorf("after commit: %w", err)
		}
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
//	…                                // the application's own statements on tx
//	if err := tx.Commit(); err != nil { … }
//	err = committed()
//
// What has to wait for the commit, such as cookies, copies in the secondary
// storage and hooks that run after changes, happens when committed is called,
// which the application does once its commit has succeeded. After a roll-back it
// is not called. The application retries what loses against a concurrent
// transaction. Where it has no transaction of its own yet, [Database.Tx] does
// all of this.
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
	if _, nested := ctx.Value(commitKey{}).(*commitQueue); nested {
		return nil, nil, fmt.Errorf("join transaction: %w: the context belongs to one already", store.ErrInvalid)
	}
	joined, err = joiner.JoinTx(ctx, tx)
	if err != nil {
		return nil, nil, fmt.Errorf("join transaction: %w", err)
	}
	queue := &commitQueue{}
	return context.WithValue(joined, commitKey{}, queue), func() error { return queue.run(ctx) }, nil
}

// AfterCommit runs fn once the transaction that ctx belongs to has committed;
// at once where there is none. It is not cut short when the caller goes away.
// Writes to secondary storage belong here, so
// that a roll-back leaves nothing behind.
func (d *Database) AfterCommit(ctx context.Context, fn func(ctx context.Context) error) error {
	if queue, ok := ctx.Value(commitKey{}).(*commitQueue); ok && queue.add(fn) {
		return nil
	}
	return fn(context.WithoutCancel(ctx))
}
