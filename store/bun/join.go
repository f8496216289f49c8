package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/ostiary/ostiary/store"
)

// JoinTx implements [store.TxJoiner]: it returns a context with which the
// store's calls run in tx, a transaction that the application has begun on the
// store's pool and goes on to commit or roll back.
//
// It is for calls of the store. To have the engine join, call auth.WithTx, which
// takes the same transactions and has cookies and hooks wait for the commit; the
// engine refuses the context that JoinTx returns.
//
// tx is a bun.Tx, a *bun.Tx or an *sql.Tx. One that Bun began on another pool
// is [store.ErrInvalid]; an *sql.Tx does not tell its pool and is believed.
// [Store.Tx] joins as well, and so does a call of another store on the same
// pool.
//
// Join a transaction once and hand the context on: the store lets one of its
// statements at a time onto the connection, but it cannot know of the
// application's. When a call fails with anything but [store.ErrNotFound] or
// [store.ErrInvalid], roll back; on PostgreSQL later calls fail with the same
// cause, unless the application rolls back to a savepoint of its own and joins
// again. Once the transaction has ended, calls are store.ErrInvalid.
//
// The isolation is what the application began with, on SQLite too: there, a
// transaction that was not begun with BEGIN IMMEDIATE can find the database
// locked when it comes to writing.
func (s *Store) JoinTx(ctx context.Context, tx any) (context.Context, error) {
	x, err := s.foreign(tx)
	if err != nil {
		return nil, fmt.Errorf("join a transaction: %w", err)
	}
	if outer := s.joined(ctx); outer != nil {
		if outer.conn != x.conn {
			return nil, fmt.Errorf("join a transaction: %w: the context belongs to another one", store.ErrInvalid)
		}
		// A savepoint in it, perhaps. The connection is the same.
		x.mu = outer.mu
	}
	return context.WithValue(ctx, txKey{s.db.DB}, x), nil
}

// foreign is what JoinTx puts into a context for a transaction that the
// application has begun.
func (s *Store) foreign(tx any) (*openTx, error) {
	if err := s.supported(); err != nil {
		return nil, err
	}
	x := &openTx{mu: new(sync.Mutex), fault: s.dialect.fault}
	switch tx := tx.(type) {
	case bun.Tx:
		x.conn, x.idb = tx.Tx, tx
	case *bun.Tx:
		if tx == nil {
			return nil, fmt.Errorf("%w: the *bun.Tx is nil", store.ErrInvalid)
		}
		x.conn, x.idb = tx.Tx, *tx
	case *sql.Tx:
		x.conn, x.idb = tx, plainTx{s.db, tx}
	default:
		return nil, fmt.Errorf("%w: a %T is no bun.Tx, *bun.Tx or *sql.Tx", store.ErrInvalid, tx)
	}
	if x.conn == nil {
		return nil, fmt.Errorf("%w: the %T was never begun", store.ErrInvalid, tx)
	}
	if db := x.idb.NewRaw("").DB(); db == nil || db.DB != s.db.DB {
		return nil, fmt.Errorf("%w: it was begun on another pool than the store's", store.ErrInvalid)
	}
	return x, nil
}

// IDB returns what the application's own queries run on: the transaction that
// ctx belongs to, or [Store.DB] where it belongs to none. It may be one of the
// engine's, as here, or one of [Store.Tx], or one that was joined.
//
//	err := auth.Database().Tx(ctx, func(ctx context.Context) error {
//		reply, err := auth.SignUpEmail(ctx, in)
//		if err != nil {
//			return err
//		}
//		_, err = s.IDB(ctx).NewInsert().Model(&Profile{UserID: reply.Value.User.ID}).Exec(ctx)
//		return err
//	})
//
// The transaction has one connection for these queries and for the store's
// calls: use it from one goroutine at a time, and read rows to their end before
// the next call. It is the store that ends a transaction which a Tx began; a
// transaction inside of it, by BeginTx or RunInTx, is a savepoint. When a query
// fails in it, return the error: the store has not seen it, and what becomes of
// the rest differs from database to database.
func (s *Store) IDB(ctx context.Context) bun.IDB {
	if x := s.joined(ctx); x != nil {
		return x.idb
	}
	return s.db
}

// plainTx is the bun.IDB of a transaction that began without Bun. The pool is
// not embedded: what Bun adds to the interface would run beside the transaction.
type plainTx struct {
	db *bun.DB
	tx *sql.Tx
}

var errNoSavepoint = errors.New("bunstore: no transaction inside of an *sql.Tx; join a bun.Tx instead")

func (p plainTx) Dialect() schema.Dialect { return p.db.Dialect() }

func (p plainTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.tx.QueryContext(ctx, p.format(query, args))
}

func (p plainTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.tx.ExecContext(ctx, p.format(query, args))
}

func (p plainTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return p.tx.QueryRowContext(ctx, p.format(query, args))
}

func (p plainTx) format(query string, args []any) string {
	return p.db.QueryGen().FormatQuery(query, args...)
}

func (p plainTx) NewValues(model any) *bun.ValuesQuery { return p.db.NewValues(model).Conn(p.tx) }

func (p plainTx) NewSelect() *bun.SelectQuery { return p.db.NewSelect().Conn(p.tx) }

func (p plainTx) NewInsert() *bun.InsertQuery { return p.db.NewInsert().Conn(p.tx) }

func (p plainTx) NewUpdate() *bun.UpdateQuery { return p.db.NewUpdate().Conn(p.tx) }

func (p plainTx) NewDelete() *bun.DeleteQuery { return p.db.NewDelete().Conn(p.tx) }

func (p plainTx) NewMerge() *bun.MergeQuery { return p.db.NewMerge().Conn(p.tx) }

func (p plainTx) NewRaw(query string, args ...any) *bun.RawQuery {
	return p.db.NewRaw(query, args...).Conn(p.tx)
}

func (p plainTx) NewCreateTable() *bun.CreateTableQuery { return p.db.NewCreateTable().Conn(p.tx) }

func (p plainTx) NewDropTable() *bun.DropTableQuery { return p.db.NewDropTable().Conn(p.tx) }

func (p plainTx) NewCreateIndex() *bun.CreateIndexQuery { return p.db.NewCreateIndex().Conn(p.tx) }

func (p plainTx) NewDropIndex() *bun.DropIndexQuery { return p.db.NewDropIndex().Conn(p.tx) }

func (p plainTx) NewTruncateTable() *bun.TruncateTableQuery {
	return p.db.NewTruncateTable().Conn(p.tx)
}

func (p plainTx) NewAddColumn() *bun.AddColumnQuery { return p.db.NewAddColumn().Conn(p.tx) }

func (p plainTx) NewDropColumn() *bun.DropColumnQuery { return p.db.NewDropColumn().Conn(p.tx) }

func (p plainTx) BeginTx(context.Context, *sql.TxOptions) (bun.Tx, error) {
	return bun.Tx{}, errNoSavepoint
}

func (p plainTx) RunInTx(context.Context, *sql.TxOptions, func(context.Context, bun.Tx) error) error {
	return errNoSavepoint
}
