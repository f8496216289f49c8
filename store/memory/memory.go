// Package memory is a [store.Store] that keeps its rows in the process's own
// memory: for tests, for trying things out, and as the reference of what a
// store does.
//
//	auth, err := core.New(core.Config{Store: memory.New(), ...})
//
// The one thing to know: the rows go when the process does, and no other
// process sees them.
//
// Names in the database mean nothing here: the store goes by the logical ones
// and takes every [store.Naming], also one with a Schema. Where the database is
// to make the ids it makes them; numbers are counted for each table and never
// come twice.
//
// One lock guards everything, and a transaction holds it from its beginning to
// its end. A call made inside [Store.Tx] without the context that Tx handed
// out therefore waits until its own context is done.
package memory

import (
	"context"
	"fmt"
	"maps"

	"github.com/ostiary/ostiary/store"
)

// Store is a [store.Store] in memory. Make one with [New]. It is safe for
// concurrent use. Lookups by id, by a unique or indexed field and by all
// fields of an index are quick; every other condition reads the whole table.
type Store struct {
	lock      lock
	tables    map[string]*table
	referrers map[string][]referrer // by the table referred to
	created   uint64                // rows so far; those without a sort come in this order
}

var _ store.Store = (*Store)(nil)

// New returns an empty store. It has no tables until [Store.Migrate] is called.
func New() *Store {
	return &Store{lock: make(lock, 1), tables: map[string]*table{}}
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	var out store.Record
	err := s.statement(ctx, "create", t, func(x *tx, tab *table) error {
		rec, err := t.Canonical(r)
		if err != nil {
			return err
		}
		if err := tab.makeID(t, rec); err != nil {
			return err
		}
		stored, err := x.create(tab, rec)
		if err != nil {
			return err
		}
		out = project(t, stored.rec, nil)
		return nil
	})
	return out, err
}

// FindOne implements [store.Store].
func (s *Store) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	q.Limit = 1
	var out store.Record
	err := s.statement(ctx, "find one", t, func(_ *tx, tab *table) error {
		found, err := s.find(t, tab, q)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return store.ErrNotFound
		}
		out = found[0]
		return nil
	})
	return out, err
}

// FindMany implements [store.Store]. Rows without a sort come in the order in
// which they were created.
func (s *Store) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	var out []store.Record
	err := s.statement(ctx, "find many", t, func(_ *tx, tab *table) (err error) {
		out, err = s.find(t, tab, q)
		return err
	})
	return out, err
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	var n int64
	err := s.statement(ctx, "count", t, func(_ *tx, tab *table) error {
		w, err := t.CanonicalWhere(w)
		if err != nil {
			return err
		}
		n = int64(len(tab.match(t, w)))
		return nil
	})
	return n, err
}

// Update implements [store.Store]. An empty set is [store.ErrInvalid].
func (s *Store) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	var n int64
	err := s.statement(ctx, "update", t, func(x *tx, tab *table) error {
		if len(set) == 0 {
			return fmt.Errorf("%w: nothing to write", store.ErrInvalid)
		}
		set, err := t.Canonical(set)
		if err != nil {
			return err
		}
		rows, err := writable(t, tab, w)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if _, err := x.update(tab, r, set); err != nil {
				return err
			}
		}
		n = int64(len(rows))
		return nil
	})
	return n, err
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	var n int64
	err := s.statement(ctx, "delete", t, func(x *tx, tab *table) error {
		rows, err := writable(t, tab, w)
		if err != nil {
			return err
		}
		if err := x.delete(tab, rows...); err != nil {
			return err
		}
		n = int64(len(rows))
		return nil
	})
	return n, err
}

// Take implements [store.Store].
func (s *Store) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	var out store.Record
	err := s.statement(ctx, "take", t, func(x *tx, tab *table) error {
		rows, err := writable(t, tab, w)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return store.ErrNotFound
		}
		out = project(t, rows[0].rec, nil)
		return x.delete(tab, rows[0])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Add implements [store.Store]. A sum that the field cannot hold is
// [store.ErrInvalid].
func (s *Store) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	var out store.Record
	err := s.statement(ctx, "add", t, func(x *tx, tab *table) error {
		if len(delta) == 0 && len(set) == 0 {
			return fmt.Errorf("%w: nothing to write", store.ErrInvalid)
		}
		set, err := t.Canonical(set)
		if err != nil {
			return err
		}
		if err := checkDelta(t, delta, set); err != nil {
			return err
		}
		rows, err := writable(t, tab, w)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return store.ErrNotFound
		}
		if err := addTo(set, t, rows[0].rec, delta); err != nil {
			return err
		}
		changed, err := x.update(tab, rows[0], set)
		if err != nil {
			return err
		}
		out = project(t, changed.rec, nil)
		return nil
	})
	return out, err
}

// Tx implements [store.Store]. Other callers, readers among them, wait until
// it ends.
func (s *Store) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if joined, ok := ctx.Value(txKey{s}).(*tx); ok {
		if err := joined.check(ctx); err != nil {
			return fmt.Errorf("transaction: %w", err)
		}
		return fn(ctx)
	}
	if err := s.lock.acquire(ctx); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	defer s.lock.release()

	x, commit := newTx(s), false
	// Deferred, so that a panic in fn and runtime.Goexit roll back as well.
	defer func() { x.end(commit) }()
	if err := fn(context.WithValue(ctx, txKey{s}, x)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	commit = true
	return nil
}

// Migrate implements [store.Store]. An index that the rows already there
// violate is a [store.DuplicateError], and nothing is changed.
func (s *Store) Migrate(ctx context.Context, schema *store.Schema) error {
	if schema == nil {
		return fmt.Errorf("migrate: %w: no schema", store.ErrInvalid)
	}
	if _, inside := ctx.Value(txKey{s}).(*tx); inside {
		return fmt.Errorf("migrate: %w: inside a transaction", store.ErrInvalid)
	}
	if err := s.lock.acquire(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer s.lock.release()

	tables := maps.Clone(s.tables)
	for _, t := range schema.Tables() {
		tab, err := tables[t.Name].migrated(t)
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		tables[t.Name] = tab
	}
	s.tables, s.referrers = tables, referrers(tables)
	return nil
}

// Ping implements [store.Store]. It fails only when the context is done.
func (s *Store) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements [store.Store]. There is nothing to release.
func (s *Store) Close() error { return nil }

// statement runs fn on the table, in the context's transaction or on its own.
// When fn fails, nothing that it did remains.
func (s *Store) statement(ctx context.Context, op string, t *store.Table, fn func(*tx, *table) error) error {
	if t == nil || t.Schema() == nil {
		return fmt.Errorf("%s: %w: the table is of no schema", op, store.ErrInvalid)
	}
	run := func() error {
		x, joined := ctx.Value(txKey{s}).(*tx)
		if !joined {
			if err := s.lock.acquire(ctx); err != nil {
				return err
			}
			defer s.lock.release()
			x = newTx(s)
		}
		return x.statement(ctx, func() error {
			tab := s.tables[t.Name]
			if err := tab.covers(t); err != nil {
				return err
			}
			return fn(x, tab)
		})
	}
	if err := run(); err != nil {
		return fmt.Errorf("%s in %s: %w", op, t.Name, err)
	}
	return nil
}

// lock is a mutex whose waiters give up when their context is done.
type lock chan struct{}

func (l lock) acquire(ctx context.Context) error {
	// Of two ready cases select takes any: without this a done context could
	// still get the lock.
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }
