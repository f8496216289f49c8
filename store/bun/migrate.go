package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// Migrate implements [store.Store]: it does what [Store.Plan] says, under a lock
// of the database for which it waits as long as the context lasts, so that any
// number of processes may start at the same time. The lock goes with its
// connection: a process that is killed leaves none behind.
//
// On PostgreSQL, SQLite and SQL Server the tables are brought to the schema in
// one transaction, and either all of that happens or nothing. MySQL and MariaDB
// commit each statement; there a table is made by one statement with all that
// belongs to it, and a migration that was interrupted is completed by the next.
// No single change of a table may take longer there than [StatementTimeout] and
// five seconds: a store that migrates large tables is better given none. The
// groups of migrations follow, see [MigrationGroup].
//
// Nothing is run, and the error is a [*store.UnsafeError], as long as the plan
// is refused. The tables are made in the schema that [store.Naming] names, and
// without it where the connection looks first: in the first schema of
// PostgreSQL's search_path. Migrate must not be called inside [Store.Tx].
func (s *Store) Migrate(ctx context.Context, schema *store.Schema) error {
	groups, err := s.ready(ctx, schema)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// Without the lock, for the usual start, which has nothing to do.
	var p *plan
	err = s.onPool(ctx, func(c conn) (err error) {
		p, err = s.difference(ctx, c, schema, groups)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", s.failure(ctx, nil, err))
	}
	if p.empty() {
		return nil
	}
	err = s.alone(ctx, schemaName(schema), func(turn turn) error {
		if err := turn(func(ctx context.Context, db migrating) error { return s.bring(ctx, db.conn, schema, groups) }); err != nil {
			return err
		}
		return s.runGroups(turn, schema, groups)
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// bring runs what the plan says of tables. Somebody else may have done it while
// the lock was theirs.
func (s *Store) bring(ctx context.Context, c conn, schema *store.Schema, groups []MigrationGroup) error {
	p, err := s.difference(ctx, c, schema, groups)
	if err == nil {
		err = p.examine(ctx, c)
	}
	if err != nil {
		return s.failure(ctx, nil, err)
	}
	if err := p.report().Err(); err != nil {
		return err
	}
	steps := p.steps
	if p.history != nil {
		steps = append(steps, *p.history)
	}
	for _, step := range steps {
		if _, err := c.ExecContext(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.sql, s.failure(ctx, step.table, err))
		}
	}
	return nil
}

// migrating is the database as a migration sees it: the same connection, bare
// and through Bun.
type migrating struct {
	conn
	idb bun.IDB
}

// turn runs fn while nobody else migrates. All that fn does is one transaction
// where tables can be made in one.
type turn func(fn func(ctx context.Context, db migrating) error) error

// alone runs fn, whose turns are its own.
func (s *Store) alone(ctx context.Context, schema string, fn func(turn) error) error {
	if s.dialect.traits().commits {
		return s.onLockedConn(ctx, schema, fn)
	}
	return fn(func(do func(context.Context, migrating) error) error { return s.lockedTx(ctx, schema, do) })
}

// onLockedConn runs fn with the lock held by a connection, which is thrown away
// then, with the lock and what was set on it.
func (s *Store) onLockedConn(ctx context.Context, schema string, fn func(turn) error) error {
	c, err := s.conn(ctx)
	if err != nil {
		return s.failure(ctx, nil, err)
	}
	// Ended first: rows and transactions that a migration has left open would
	// keep the connection otherwise.
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		discard(c.Conn)
	}()
	if err := s.dialect.lockSchema(ctx, c.Conn, schema); err != nil {
		return s.failure(ctx, nil, err)
	}
	return fn(func(do func(context.Context, migrating) error) error { return do(ctx, migrating{c.Conn, c}) })
}

// discard closes the connection to the server at once, and waits a moment for
// what still uses it: rows that a migration has left open, under a context that
// does not end with the migration, keep their place in the pool.
func discard(c *sql.Conn) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = c.Raw(func(raw any) error {
			if open, ok := raw.(driver.Conn); ok {
				_ = open.Close()
			}
			return driver.ErrBadConn
		})
		_ = c.Close()
	}()
	patience := time.NewTimer(cancelTimeout)
	defer patience.Stop()
	select {
	case <-gone:
	case <-patience.C:
	}
}

// lockedTx runs fn in a transaction that holds the lock. Calls of the store with
// the context that fn gets are part of it.
func (s *Store) lockedTx(ctx context.Context, schema string, fn func(context.Context, migrating) error) error {
	if err := s.writer.enter(ctx, 0); err != nil {
		return err
	}
	defer s.writer.leave()
	x, err := s.beginPatiently(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", s.failure(ctx, nil, err))
	}
	// What changes tables takes as long as they are large.
	x.patient, x.limit = true, 0
	ended := false
	// Deferred, so that a panic in fn rolls back as well.
	defer func() {
		if !ended {
			_ = x.end(ctx, false)
		}
	}()
	if err := s.dialect.lockSchema(ctx, x.conn, schema); err != nil {
		return s.failure(ctx, nil, err)
	}
	if err := fn(context.WithValue(ctx, txKey{s.db.DB}, &x.openTx), migrating{x.conn, x.idb}); err != nil {
		return err
	}
	ended = true
	if err := x.end(ctx, true); err != nil {
		return fmt.Errorf("commit: %w", s.failure(ctx, nil, err))
	}
	return nil
}

// beginPatiently begins a transaction as soon as nobody else is writing, however
// long the connection itself would wait for that.
func (s *Store) beginPatiently(ctx context.Context) (*begunTx, error) {
	busy := s.dialect.traits().busy
	for {
		x, err := s.begin(ctx)
		if err == nil || busy == nil || !busy(err) {
			return x, err
		}
		pause := time.NewTimer(busyPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}
