// Package store is the contract between Ostiary and a primary database.
//
// A [Store] keeps rows of logical tables. It knows nothing of users or
// sessions: it is handed a [Table] with each call and does about ten things
// with it, so one implementation serves the core tables, the application's
// additional fields and every plugin's tables alike.
//
// Applications pick an implementation and pass it to the engine:
//
//	auth, err := core.New(core.Config{Store: bunstore.New(db), ...})
//
// Authors of a store implement [Store] and run package storetest against it.
// The one thing to know: names in this package are logical ("emailVerified"
// on "user"). What they are called in the database is decided by the
// [Naming] of the [Schema]; a store reads it with [Table.DBName] and
// [Field.DBName].
package store

import "context"

// Store keeps rows of logical tables in a database.
//
// Every method is safe for concurrent use and honours its context. Every
// table passed in comes from a compiled [Schema] (see [NewSchema]); a table
// that does not is an error, never a panic.
//
// Methods called with a context that [Store.Tx] handed out run in that
// transaction. All others run on their own.
//
// Records passed in and returned hold canonical values only (see [Record]);
// a store converts at its edge. A store never keeps or changes a Record or a
// condition it was given, and never returns one it keeps.
//
// Errors are the few of this package, wrapped: [ErrNotFound], [ErrDuplicate]
// (as a [DuplicateError]), [ErrReference], [ErrUnavailable], [ErrConflict],
// [ErrInvalid]; and the context's own error once it is done. Whatever stops
// the database from answering (refused, reset, timed out, shutting down) is
// ErrUnavailable: callers turn it into "try later", never into "no such row".
type Store interface {
	// Create inserts a row and returns it as stored. Fields that the record
	// leaves out are null, except for the id, left out or nil: the database makes it
	// where the schema's [IDs] say so, and elsewhere it is [ErrInvalid]. It fails with a [DuplicateError] when a unique
	// field or index already holds the value.
	Create(ctx context.Context, t *Table, r Record) (Record, error)

	// FindOne returns the first row that the query matches, or [ErrNotFound].
	// Limit is ignored.
	FindOne(ctx context.Context, t *Table, q Query) (Record, error)

	// FindMany returns the rows that the query matches, in the order of its
	// Sort, at most [Query.Limit] of them ([DefaultLimit] when zero). No match
	// is an empty result, not an error.
	FindMany(ctx context.Context, t *Table, q Query) ([]Record, error)

	// Count returns how many rows the condition matches; the zero Where
	// counts all.
	Count(ctx context.Context, t *Table, w Where) (int64, error)

	// Update writes the fields of set into every row that the condition
	// matches, and returns how many matched, whether their values changed or
	// not. The zero Where is [ErrInvalid]: say [All] to mean all.
	Update(ctx context.Context, t *Table, w Where, set Record) (int64, error)

	// Delete removes every row that the condition matches and returns how many
	// they were. The zero Where is [ErrInvalid]: say [All] to mean all.
	Delete(ctx context.Context, t *Table, w Where) (int64, error)

	// Take deletes one row that the condition matches and returns it. Among
	// any number of concurrent callers at most one gets a given row; the others
	// get another matching row or [ErrNotFound]. The zero Where is
	// [ErrInvalid].
	Take(ctx context.Context, t *Table, w Where) (Record, error)

	// Add changes one row atomically and returns it as it is afterwards: each
	// number in delta is added to the field (null counts as 0), each field in
	// set is assigned. The condition guards the change: it is checked and the
	// row written as one step, so concurrent callers never pass a guard that
	// another one's change has made false. [ErrNotFound] when no row matches.
	// With an empty delta it is a compare-and-set. The zero Where, and a call
	// with neither delta nor set, are [ErrInvalid].
	Add(ctx context.Context, t *Table, w Where, delta map[string]int64, set Record) (Record, error)

	// Tx runs fn in a transaction: all of its changes become visible together
	// when fn returns nil, and none do when it returns an error or panics (the
	// panic goes on). Calls made with the context given to fn join it; so does
	// a nested Tx, which then commits nothing by itself. A store whose
	// database has one connection must not need a second one here.
	//
	// A failed statement may end the transaction: fn returns its error and
	// does not go on. A transaction that lost against a concurrent one is
	// [ErrConflict]; it is the caller who knows whether fn can run again.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error

	// Migrate brings the database to the schema: it adds the tables, columns
	// and indexes that are missing and changes or drops nothing. Any number of
	// processes may call it at the same time.
	Migrate(ctx context.Context, s *Schema) error

	// Ping reports whether the database answers: nil or [ErrUnavailable].
	Ping(ctx context.Context) error

	// Close releases what the store itself opened. It does not close a
	// connection pool that the application handed in.
	Close() error
}
