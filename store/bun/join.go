package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

var _ store.TxJoiner = (*Store)(nil)

// JoinTx implements [store.TxJoiner]: it returns a context with which the
// store's calls run in tx, a transaction that the application has begun on the
// store's pool and goes on to commit or roll back.
//
//	tx, err := db.BeginTx(ctx, nil)
//	...
//	joined, err := s.JoinTx(ctx, tx)
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

// IDB returns what the application's own queries run on: the transaction of
// ctx, which is that of [Store.Tx] or [Store.JoinTx], and [Store.DB] where ctx
// has none.
//
//	err := s.Tx(ctx, func(ctx context.Context) error {
//		...
//		_, err := s.IDB(ctx).NewInsert().Model(&row).Exec(ctx)
//		return err
//	})
//
// The transaction has one connection for these queries and for the store's
// calls: use it from one goroutine at a time, and read rows to their end before
// the next call. It is the store that ends a transaction which [Store.Tx] began;
// a transaction inside of it, by BeginTx or RunInTx, is a savepoint. When a query
// fails in it, return the error: the store has not seen it, and what becomes of
// the rest differs from database to database.
func (s *Store) IDB(ctx context.Context) bun.IDB {
	if x := s.joined(ctx); x != nil {
		return x.idb
	}
	return s.db
}

// plainTx is the bun.IDB of a transaction that began without Bun.
type plainTx struct {
	*bun.DB
	tx *sql.Tx
}

var errNoSavepoint = errors.New("bunstore: no transaction inside of an *sql.Tx; join a bun.Tx instead")

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
	return p.QueryGen().FormatQuery(query, args...)
}

func (p plainTx) NewValues(model any) *bun.ValuesQuery { return p.DB.NewValues(model).Conn(p.tx) }

func (p plainTx) NewSelect() *bun.SelectQuery { return p.DB.NewSelect().Conn(p.tx) }

func (p plainTx) NewInsert() *bun.InsertQuery { return p.DB.NewInsert().Conn(p.tx) }

func (p plainTx) NewUpdate() *bun.UpdateQuery { return p.DB.NewUpdate().Conn(p.tx) }

func (p plainTx) NewDelete() *bun.DeleteQuery { return p.DB.NewDelete().Conn(p.tx) }

func (p plainTx) NewMerge() *bun.MergeQuery { return p.DB.NewMerge().Conn(p.tx) }

func (p plainTx) NewRaw(query string, args ...any) *bun.RawQuery {
	return p.DB.NewRaw(query, args...).Conn(p.tx)
}

func (p plainTx) NewCreateTable() *bun.CreateTableQuery { return p.DB.NewCreateTable().Conn(p.tx) }

func (p plainTx) NewDropTable() *bun.DropTableQuery { return p.DB.NewDropTable().Conn(p.tx) }

func (p plainTx) NewCreateIndex() *bun.CreateIndexQuery { return p.DB.NewCreateIndex().Conn(p.tx) }

func (p plainTx) NewDropIndex() *bun.DropIndexQuery { return p.DB.NewDropIndex().Conn(p.tx) }

func (p plainTx) NewTruncateTable() *bun.TruncateTableQuery {
	return p.DB.NewTruncateTable().Conn(p.tx)
}

func (p plainTx) NewAddColumn() *bun.AddColumnQuery { return p.DB.NewAddColumn().Conn(p.tx) }

func (p plainTx) NewDropColumn() *bun.DropColumnQuery { return p.DB.NewDropColumn().Conn(p.tx) }

func (p plainTx) BeginTx(context.Context, *sql.TxOptions) (bun.Tx, error) {
	return bun.Tx{}, errNoSavepoint
}

func (p plainTx) RunInTx(context.Context, *sql.TxOptions, func(context.Context, bun.Tx) error) error {
	return errNoSavepoint
}
