package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// txKey finds a pool's transaction in a context. It is the pool, not the
// store, so that two stores on one pool share a transaction instead of waiting
// for each other's connection.
type txKey struct{ pool *sql.DB }

// openTx is the transaction of a context: one that [Store.Tx] has begun, or one
// of the application's that [Store.JoinTx] has joined.
type openTx struct {
	// mu lets one statement of the store at a time onto the connection, its
	// rows included: fn may use its context from several goroutines.
	mu *sync.Mutex
	// conn is bare: through Bun, values would go into the text of statements.
	conn  *sql.Tx
	idb   bun.IDB
	fault func(error) fault
	// patient lets statements run as long as their contexts last.
	patient bool
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

// begunTx is a transaction that ends with the call that began it.
type begunTx struct {
	openTx
	held bun.Conn
	// cancel ends the context that the transaction has begun with, which is what
	// drivers carry out its end with, too.
	cancel context.CancelFunc
	// limit is how long the end may take, zero for as long as the context lasts.
	limit time.Duration
}

// end closes the transaction, and returns an error when a commit that was asked
// for has not happened, or not for certain.
func (x *begunTx) end(ctx context.Context, commit bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	over := x.over
	x.over = errTxDone
	if over == nil {
		over = ctx.Err()
	}
	if commit && over == nil {
		return x.finish(ctx, x.conn.Commit)
	}
	// What a failed roll-back leaves behind goes with its connection.
	_ = x.finish(ctx, x.conn.Rollback)
	return over
}

// finish ends the transaction and gives the connection back. Not every driver
// lets go of a server that is silent when the context ends. This does, and
// leaves the rest to the driver's own time-outs.
func (x *begunTx) finish(ctx context.Context, end func() error) error {
	ended := make(chan error, 1)
	go func() {
		err := end()
		_ = x.held.Close()
		x.cancel()
		ended <- err
	}()
	var late <-chan time.Time
	if x.limit > 0 {
		timer := time.NewTimer(x.limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	case <-late:
		x.cancel()
	}
	// Mostly it is the driver that has seen the context end, and is quick.
	patience := time.NewTimer(cancelTimeout)
	defer patience.Stop()
	select {
	case err := <-ended:
		return err
	case <-patience.C:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, x.limit)
}

var errTxDone = fmt.Errorf("%w: the transaction has ended", store.ErrInvalid)

// endedError is what statements get in a transaction that an earlier one has
// ended. The cause is the driver's error.
type endedError struct{ cause error }

func (e *endedError) Error() string {
	return "a statement of the transaction failed: " + e.cause.Error()
}

// Tx implements [store.Store]. On PostgreSQL and MySQL it is read committed,
// whatever the server's default: the store's own statements check their
// conditions again after waiting for a row. A statement that failed on
// PostgreSQL ends the transaction: even if fn returns nil, nothing is committed
// and the error is that statement's.
//
// The application's own queries become part of the transaction through
// [Store.IDB]; to have the store join a transaction of the application's, see
// [Store.JoinTx].
//
// It is for calls of the store. The engine refuses the context of fn: it would
// not learn of the commit that its cookies and hooks have to wait for. With an
// engine on the store, use auth.Database().Tx instead.
//
// A call made inside fn without the context given to it is no part of the
// transaction. On SQLite, where the transaction is the one writer, such a write
// waits in vain, for as long as [AcquireTimeout] says; so does any call on a
// pool with one connection.
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
	if err := s.writer.enter(ctx, s.acquire); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	defer s.writer.leave()

	x, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", s.failure(ctx, nil, err))
	}
	ended := false
	// Deferred, so that a panic in fn and runtime.Goexit roll back as well.
	defer func() {
		if !ended {
			_ = x.end(ctx, false)
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{s.db.DB}, &x.openTx)); err != nil {
		return err
	}
	ended = true
	if err := x.end(ctx, true); err != nil {
		return fmt.Errorf("commit: %w", s.failure(ctx, nil, err))
	}
	return nil
}

// begin begins a transaction, on a connection for which it waits no longer than
// it may, the answer to BEGIN included. On SQLite that has the time-out of the
// connection instead.
func (s *Store) begin(ctx context.Context) (*begunTx, error) {
	x := &begunTx{openTx: openTx{mu: new(sync.Mutex), fault: s.dialect.fault}, limit: s.limit}
	// It lasts as long as the transaction, so what bounds the begin cannot be its
	// deadline.
	begun, cancel := context.WithCancel(ctx)
	x.cancel = cancel
	inTime := func() bool { return true }
	if s.writer == nil && !endsWithin(ctx, s.acquire) {
		inTime = time.AfterFunc(s.acquire, cancel).Stop
	}
	err := s.again(func() error {
		c, err := s.conn(begun)
		if err != nil {
			return err
		}
		tx, err := s.dialect.begin(begun, c)
		if err != nil {
			_ = c.Close()
			return err
		}
		x.held, x.conn, x.idb = c, tx.Tx, tx
		return nil
	})
	late := !inTime()
	if err == nil && !late {
		return x, nil
	}
	if err == nil {
		err = x.end(begun, false)
	}
	cancel()
	if late && ctx.Err() == nil {
		err = fmt.Errorf("%w: no transaction within %v", store.ErrUnavailable, s.acquire)
	}
	return nil, err
}

// InTx implements [store.TxJoiner]: it reports whether ctx belongs to a
// transaction on the store's pool, which is one of [Store.Tx] or one that
// [Store.JoinTx] has joined, also after that has ended.
func (s *Store) InTx(ctx context.Context) bool { return s.joined(ctx) != nil }

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
		return s.inTx(x, fn)
	}
	return s.onPool(ctx, fn)
}

// write is read for a statement that writes.
func (s *Store) write(ctx context.Context, fn func(conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if x := s.joined(ctx); x != nil {
		return s.inTx(x, fn)
	}
	if err := s.writer.enter(ctx, s.acquire); err != nil {
		return err
	}
	defer s.writer.leave()
	return s.onPool(ctx, fn)
}
