package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/ostiary/ostiary/store"
)

// txKey finds a pool's transaction in a context. It is the pool, not the
// store, so that two stores on one pool share a transaction instead of waiting
// for each other's connection.
type txKey struct{ pool *sql.DB }

// openTx is a transaction that [Store.Tx] has begun.
type openTx struct {
	// mu lets one statement at a time onto the connection, its rows included:
	// fn may use its context from several goroutines.
	mu    sync.Mutex
	conn  transaction
	fault func(error) fault
	// over is why no statement can run any more, nil while they can.
	over error
}

// use runs fn on the transaction.
func (x *openTx) use(fn func(conn) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over != nil {
		return x.over
	}
	err := fn(x.conn)
	if err != nil && x.fault(err).endsTx {
		x.over = &endedError{err}
	}
	return err
}

// end closes the transaction, and returns an error when a commit that was asked
// for has not happened.
func (x *openTx) end(ctx context.Context, commit bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	over := x.over
	x.over = errTxDone
	if !commit || over != nil || ctx.Err() != nil {
		// What a failed roll-back leaves behind goes with its connection.
		_ = x.conn.Rollback()
		if over == nil {
			over = ctx.Err()
		}
		return over
	}
	return x.conn.Commit()
}

var errTxDone = fmt.Errorf("%w: the transaction has ended", store.ErrInvalid)

// endedError is what statements get in a transaction that an earlier one has
// ended. The cause is the driver's error.
type endedError struct{ cause error }

func (e *endedError) Error() string {
	return "a statement of the transaction failed: " + e.cause.Error()
}

// Tx implements [store.Store]. On PostgreSQL it is read committed, whatever the
// server's default: the store's own statements check their conditions again
// after waiting for a row. A statement that failed there ends the transaction:
// even if fn returns nil, nothing is committed and the error is that
// statement's.
//
// A call made inside fn without the context given to it is no part of the
// transaction. On SQLite, where the transaction is the one writer, such a write
// waits until its own context is done; so does any call on a pool with one
// connection.
func (s *Store) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := s.supported(); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	if x := s.joined(ctx); x != nil {
		if err := x.use(func(conn) error { return nil }); err != nil {
			return fmt.Errorf("transaction: %w", s.failure(ctx, nil, err))
		}
		return fn(ctx)
	}
	if err := s.writer.enter(ctx); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	defer s.writer.leave()

	c, err := s.dialect.begin(ctx, s.db.DB)
	if err != nil {
		return fmt.Errorf("begin: %w", s.failure(ctx, nil, err))
	}
	x := &openTx{conn: c, fault: s.dialect.fault}
	ended := false
	// Deferred, so that a panic in fn and runtime.Goexit roll back as well.
	defer func() {
		if !ended {
			_ = x.end(ctx, false)
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{s.db.DB}, x)); err != nil {
		return err
	}
	ended = true
	if err := x.end(ctx, true); err != nil {
		return fmt.Errorf("commit: %w", s.failure(ctx, nil, err))
	}
	return nil
}

// joined returns the transaction that ctx belongs to, or nil.
func (s *Store) joined(ctx context.Context) *openTx {
	x, _ := ctx.Value(txKey{s.db.DB}).(*openTx)
	return x
}

// read runs fn in the context's transaction, or on the pool.
func (s *Store) read(ctx context.Context, fn func(conn) error) error {
	if err := ctx.Err(); err != nil {
		return err // nothing was sent, and an open transaction goes on
	}
	if x := s.joined(ctx); x != nil {
		return x.use(fn)
	}
	return fn(s.db.DB)
}

// write is read for a statement that writes.
func (s *Store) write(ctx context.Context, fn func(conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if x := s.joined(ctx); x != nil {
		return x.use(fn)
	}
	if err := s.writer.enter(ctx); err != nil {
		return err
	}
	defer s.writer.leave()
	return fn(s.db.DB)
}

// gate lets one at a time in, the others as they come and as long as their
// contexts last. The nil gate lets everybody in.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	if g == nil {
		return nil
	}
	// Of two ready cases select takes any.
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() {
	if g != nil {
		<-g
	}
}
