package bunstore

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// dialect is where databases differ. Everything else is written once, in SQL
// that all of them understand.
type dialect interface {
	// appendPlaceholder writes the place of the n-th argument, counted from 1.
	appendPlaceholder(b []byte, n int) []byte
	// encode turns a canonical value of the type into what the driver binds.
	encode(t store.Type, v any) any
	// cast is what follows the place of a value of the field.
	cast(f *store.Field) string
	// received brings what the driver returned into the form that decode takes,
	// where it is not in it.
	received(values []any)

	// byteOrder is what follows a text column to have it compared byte by byte.
	byteOrder() string
	// fold writes a column as text whose ASCII letters, and no others, are in
	// lower case.
	fold(st *statement, f *store.Field)
	// nulls is what follows a column in ORDER BY to have nulls first ascending
	// and last descending.
	nulls(desc bool) string
	// equal writes the condition that the operand equals, or does not equal, the
	// canonical value. Null is neither.
	equal(st *statement, not bool, o operand, v any)
	// match writes the condition that a text operand contains, starts with or
	// ends with s.
	match(st *statement, op store.Op, o operand, s string)
	// anyOf writes the condition that the operand is, or is not, one of the
	// canonical values, where the database prepares statements in text that does
	// not depend on how many they are.
	anyOf(st *statement, not bool, o operand, values []any)
	// sum writes the value of a number column, null counting as 0, plus n.
	sum(st *statement, f *store.Field, n int64)
	// page writes LIMIT and OFFSET; a negative limit is none. Ordered tells
	// whether ORDER BY stands before it.
	page(st *statement, ordered bool, limit, offset int)

	// learn finds out what the text of queries with children depends on.
	learn(ctx context.Context, s *Store) error
	// childrenPrefix is what stands before a query with children.
	childrenPrefix() string
	// children writes a subquery for the rows that refer to the one of the query
	// around it, as text: a JSON array of arrays of values, or of objects with
	// the values under their positions. See [children.decode].
	children(st *statement, c *children)

	// makesIDs tells whether the database makes ids of the kind.
	makesIDs(kind store.IDKind) bool
	rowWriter

	// begin starts a transaction that may write, on a connection that is given
	// back to the pool when it has ended. It ends with ctx.
	begin(ctx context.Context, c bun.Conn) (bun.Tx, error)
	// fault says what a driver's error means.
	fault(err error) fault

	schemaDialect
}

// rowWriter is how rows are written. What it is given has been checked, and is
// canonical.
type rowWriter interface {
	// insert adds a row and returns it. The database makes the id of one that
	// comes without.
	insert(ctx context.Context, s *Store, t *store.Table, r store.Record) (store.Record, error)
	// update sets fields of all rows that match and returns how many those are.
	update(ctx context.Context, s *Store, t *store.Table, w store.Where, set store.Record) (int64, error)
	// take deletes one row that matches and returns it.
	take(ctx context.Context, s *Store, t *store.Table, w store.Where) (store.Record, error)
	// add changes one row that matches and returns it.
	add(ctx context.Context, s *Store, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error)
}

// conn is what statements run on: the pool or a transaction.
type conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}
