package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// onPool runs fn on the pool, for which it waits no longer than it may, and each
// of its statements for as long as the store lets it.
func (s *Store) onPool(ctx context.Context, fn func(conn) error) error {
	// database/sql bounds the wait for a connection by the context alone. Where
	// that ends soon enough, as it does in the requests of the engine, nothing
	// has to be added to it.
	if endsWithin(ctx, s.acquire) && endsWithin(ctx, s.limit) {
		return fn(s.db.DB)
	}
	c := &pooled{store: s}
	defer c.release()
	return fn(c)
}

// endsWithin reports whether the context ends that soon by itself. Zero is no
// bound, which every context keeps.
func endsWithin(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	end, ok := ctx.Deadline()
	return ok && time.Until(end) <= d
}

// pooled is a connection of the pool that is waited for as long as the store
// says, from its first statement to its release.
type pooled struct {
	store *Store
	held  *sql.Conn
	timed
}

func (p *pooled) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = p.statement(ctx, func() (err error) {
		rows, err = p.timed.QueryContext(ctx, query, args...) //nolint:sqlclosecheck,rowserrcheck // the caller's
		return err
	})
	return rows, err
}

func (p *pooled) ExecContext(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = p.statement(ctx, func() (err error) {
		result, err = p.timed.ExecContext(ctx, query, args...)
		return err
	})
	return result, err
}

// statement runs fn, and if it is the first to find that the connection is
// dead, before anything was sent, on another one: what database/sql does for a
// statement on the pool.
func (p *pooled) statement(ctx context.Context, fn func() error) error {
	if p.held != nil {
		return fn()
	}
	return p.store.again(func() error {
		c, err := p.store.conn(ctx)
		if err != nil {
			return err
		}
		// The wait for the connection is no part of what the statement may take.
		p.timed.conn, p.timed.limit = c.Conn, p.store.limit
		if err := fn(); err != nil {
			_ = c.Close()
			return err
		}
		p.held = c.Conn
		return nil
	})
}

func (p *pooled) release() {
	p.timed.release()
	if p.held != nil {
		_ = p.held.Close()
	}
}

// again runs fn until it finds a connection that is not dead.
func (s *Store) again(fn func() error) error {
	err := fn()
	if !errors.Is(err, driver.ErrBadConn) {
		return err
	}
	// Each attempt has taken a dead connection out of the pool.
	for range s.db.Stats().OpenConnections + 1 {
		if err = fn(); !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	return err
}

// conn takes a connection out of the pool.
func (s *Store) conn(ctx context.Context) (bun.Conn, error) {
	if endsWithin(ctx, s.acquire) {
		return s.db.Conn(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, s.acquire)
	defer cancel()
	c, err := s.db.Conn(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return c, fmt.Errorf("%w: no connection within %v", store.ErrUnavailable, s.acquire)
	}
	return c, err
}

// inTx runs fn in the transaction, each of its statements for as long as the
// store lets it.
func (s *Store) inTx(x *openTx, fn func(conn) error) error {
	if s.limit == 0 || x.patient {
		return x.use(fn)
	}
	return x.use(func(c conn) error {
		t := &timed{conn: c, limit: s.limit}
		defer t.release()
		return fn(t)
	})
}

// timed is a conn whose statements end after a while, if there is a limit. What
// they return can be read until its release.
type timed struct {
	conn
	limit time.Duration
	ends  []context.CancelFunc
}

func (t *timed) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(t.bounded(ctx), query, args...)
}

func (t *timed) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.conn.ExecContext(t.bounded(ctx), query, args...)
}

func (t *timed) bounded(ctx context.Context) context.Context {
	if endsWithin(ctx, t.limit) {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	t.ends = append(t.ends, cancel)
	return ctx
}

func (t *timed) release() {
	for _, cancel := range t.ends {
		cancel()
	}
}

// gate lets one at a time in, the others as they come. The nil gate lets
// everybody in.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits as long as the context lasts, and no longer than limit if that
// is not zero.
func (g gate) enter(ctx context.Context, limit time.Duration) error {
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
	default:
	}
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return fmt.Errorf("%w: other writers were not done within %v", store.ErrUnavailable, limit)
	}
}

func (g gate) leave() {
	if g != nil {
		<-g
	}
}
