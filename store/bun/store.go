// Package bunstore is a [store.Store] on Bun, for PostgreSQL, MySQL, MariaDB and
// SQLite, and for SQL Server, of which see below.
//
// An application that has a *bun.DB shares it:
//
//	auth, err := core.New(core.Config{Store: bunstore.New(db), ...})
//
// One that has none opens a store from a URL, and finds the *bun.DB for its
// own queries in [Store.DB]:
//
//	s, err := bunstore.Open("postgres://app:secret@db.internal/app")
//	s, err := bunstore.Open("mysql://app:secret@db.internal/app", bunstore.MaxOpen(20))
//	s, err := bunstore.Open("sqlite:app.db")
//
// Either way [Store.Migrate] makes the tables, and then runs the [Migrations]
// of the application; [Store.Plan] tells what it would do.
//
// What the application writes in one transaction with the engine, it writes
// through [Store.IDB] inside auth.Database().Tx; a transaction that it has begun
// itself the engine joins by auth.WithTx. [Store.Tx] and [Store.JoinTx] are the
// same for calls of the store alone: contexts of theirs the engine refuses,
// because it would not learn of the commit.
//
// The one thing to know: the store's statements do not go through Bun's query
// builder. Bun writes the values into the text of a statement, so every call
// is a text that the server has not seen: over pgx that costs a round trip to
// prepare it, on each call, and fills the statement cache with what is never
// used again. The store writes text that depends on the shape of a call only,
// sends the values as arguments, and so prepares each shape once a connection.
// Looking up a session with its user is one statement and one round trip. The
// price is that query hooks of the *bun.DB do not see these statements, only
// that a transaction begins; a tracer on the driver sees all.
//
// # SQLite
//
// SQLite has one writer at a time. The store lets its own writers queue in the
// process, where they wait as long as [AcquireTimeout] lets them, and opens
// transactions with BEGIN IMMEDIATE. Other processes are waited for as long as
// the connection's busy time-out says. A *bun.DB given to [New] needs one, and
// foreign keys switched on, on every connection; with modernc.org/sqlite:
//
//	file:app.db?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)
//
// [Open] does all of that by itself.
//
// # MySQL and MariaDB
//
// A *bun.DB given to [New] needs a collation of utf8mb4 and a strict sql_mode of
// go-sql-driver/mysql: without the latter the server cuts values short. With a
// time_zone other than '+00:00' a TIMESTAMP that another program wrote is
// misread. [Open] sets these, and besides ClientFoundRows and InterpolateParams,
// without which an Update, and every statement, takes more round trips.
//
// Neither server returns what a statement has written, so [Store.Take] and
// [Store.Add] are a transaction of three or four there.
//
// # SQL Server
//
// The statements for SQL Server have been checked against files of what they
// should be, and on no server. Try them on one of yours before you rely on them.
package bunstore

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"

	"github.com/ostiary/ostiary/store"
)

// Store is a [store.Store] on a *bun.DB. Make one with [New] or [Open]. It is
// safe for concurrent use.
type Store struct {
	db      *bun.DB
	owned   bool // Open made db, Close closes it
	dialect dialect
	writer  gate // nil where the database takes concurrent writers
	// acquire and limit bound the wait for a connection and, where the
	// server does not do it, each statement; zero does not.
	acquire, limit time.Duration
	invalid        error            // what is wrong with the options of New
	groups         []MigrationGroup // the application's own migrations
	projections    projections
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.TxJoiner = (*Store)(nil)
)

// New returns a store on db, which stays the application's: [Store.Close]
// leaves it open, and only the options for its pool that are given change that.
// The drivers that are tested are pgx's stdlib for PostgreSQL,
// go-sql-driver/mysql for MySQL and MariaDB, and modernc.org/sqlite for SQLite,
// which are those of [Open].
//
// Every method of a store on a database that it does not know fails with
// [store.ErrInvalid].
func New(db *bun.DB, given ...Option) *Store {
	o, err := settings(given)
	if err != nil {
		return &Store{db: db, invalid: err}
	}
	o.apply(db.DB)
	return newStore(db, o)
}

func newStore(db *bun.DB, o *options) *Store {
	s := &Store{db: db, acquire: o.acquire, groups: o.groups}
	if o.statement != nil {
		s.limit = *o.statement
	}
	switch db.Dialect().Name() {
	case bundialect.PG:
		s.dialect = postgres{}
	case bundialect.SQLite:
		s.dialect = sqlite{}
		s.writer = newGate()
	case bundialect.MySQL:
		s.dialect = newMySQL()
	case bundialect.MSSQL:
		s.dialect = mssql{}
	}
	return s
}

// DB returns the *bun.DB that the store works on, for the application's own
// queries. Queries made with it inside [Store.Tx] are no part of that
// transaction: see [Store.IDB].
func (s *Store) DB() *bun.DB { return s.db }

// Ping implements [store.Store]: it asks the database for an answer.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.supported(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	err := s.read(ctx, func(c conn) error { return drain(c.QueryContext(ctx, "SELECT 1")) })
	if err == nil {
		return nil
	}
	return fmt.Errorf("ping: %w", s.unanswered(ctx, err))
}

// Close implements [store.Store]. It closes the pool that [Open] made and does
// nothing to one that was given to [New].
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

func (s *Store) supported() error {
	if s.invalid != nil {
		return s.invalid
	}
	if s.dialect == nil {
		return fmt.Errorf("%w: bunstore does not know the database of %s", store.ErrInvalid, s.db)
	}
	return nil
}

// check reports a table that no schema holds.
func (s *Store) check(t *store.Table) error {
	if t == nil || t.Schema() == nil {
		return fmt.Errorf("%w: the table is of no schema", store.ErrInvalid)
	}
	return s.supported()
}

// doing puts what was being done in front of an error.
func doing(op string, t *store.Table, err error) error {
	if t == nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s in %s: %w", op, t.Name, err)
}
