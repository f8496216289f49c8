// Package bunstore is a [store.Store] on Bun, for PostgreSQL and SQLite.
//
// An application that has a *bun.DB shares it:
//
//	auth, err := core.New(core.Config{Store: bunstore.New(db), ...})
//
// One that has none opens a store from a URL, and finds the *bun.DB for its
// own queries in [Store.DB]:
//
//	s, err := bunstore.Open("postgres://app:secret@db.internal/app")
//	s, err := bunstore.Open("sqlite:app.db")
//
// Either way [Store.Migrate] makes the tables; [Store.Plan] prints what it
// would do.
//
// The one thing to know: the store's statements do not go through Bun's query
// builder. Bun writes the values into the text of a statement, so every call
// is a text that the server has not seen: over pgx that costs a round trip to
// prepare it, on each call, and fills the statement cache with what is never
// used again. The store writes text that depends on the shape of a call only,
// sends the values as arguments, and so prepares each shape once a connection.
// Looking up a session with its user is one statement and one round trip. The
// price is that query hooks of the *bun.DB do not see these statements; a
// tracer on the driver does.
//
// # SQLite
//
// SQLite has one writer at a time. The store lets its own writers queue in the
// process, where they wait as long as their context lets them, and opens
// transactions with BEGIN IMMEDIATE. Other processes are waited for as long as
// the connection's busy time-out says. A *bun.DB given to [New] needs one, and
// foreign keys switched on, on every connection; with modernc.org/sqlite:
//
//	file:app.db?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)
//
// [Open] does all of that by itself.
package bunstore

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"

	"github.com/ostiary/ostiary/store"
)

// Store is a [store.Store] on a *bun.DB. Make one with [New] or [Open]. It is
// safe for concurrent use.
type Store struct {
	db          *bun.DB
	owned       bool // Open made db, Close closes it
	dialect     dialect
	writer      gate // nil where the database takes concurrent writers
	projections projections
}

var _ store.Store = (*Store)(nil)

// New returns a store on db, which stays the application's: [Store.Close]
// leaves it open. The drivers that are tested are pgx's stdlib for PostgreSQL and
// modernc.org/sqlite for SQLite, which are those of [Open].
//
// Every method of a store on another database than these two fails with
// [store.ErrInvalid].
func New(db *bun.DB) *Store {
	s := &Store{db: db}
	switch db.Dialect().Name() {
	case bundialect.PG:
		s.dialect = postgres{}
	case bundialect.SQLite:
		s.dialect = sqlite{}
		s.writer = newGate()
	}
	return s
}

// DB returns the *bun.DB that the store works on, for the application's own
// queries and to size its pool (SetMaxOpenConns and its kin). Queries made with
// it inside [Store.Tx] are no part of that transaction.
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
