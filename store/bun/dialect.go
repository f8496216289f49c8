package bunstore

import (
	"context"
	"database/sql"

	"github.com/ostiary/ostiary/store"
)

// dialect is where databases differ. Everything else is written once, in SQL
// that all of them understand.
type dialect interface {
	// appendPlaceholder writes the place of the n-th argument, counted from 1.
	appendPlaceholder(b []byte, n int) []byte
	// encode turns a canonical value of the type into what the driver binds.
	encode(t store.Type, v any) any
	// byteOrder is what follows a text column to have it compared byte by byte.
	byteOrder() string
	// match writes the condition that a text operand contains, starts with or
	// ends with s.
	match(st *statement, op store.Op, o operand, s string)
	// anyOf writes the condition that the operand is, or is not, one of the
	// canonical values, in text that does not depend on how many they are.
	anyOf(st *statement, not bool, o operand, values []any)
	// sum writes the value of a number column, null counting as 0, plus n.
	sum(st *statement, f *store.Field, n int64)
	// page writes LIMIT and OFFSET; a negative limit is none.
	page(st *statement, limit, offset int)
	// pick writes a subquery for the id of one row that matches, locked where
	// the database has row locks. With free set it prefers a row that nobody
	// else holds, and waits for one only where there is no other.
	pick(st *statement, t *store.Table, w store.Where, free bool)

	// begin starts a transaction that may write.
	begin(ctx context.Context, db *sql.DB) (transaction, error)
	// fault says what a driver's error means.
	fault(err error) fault

	schemaDialect
}

// conn is what statements run on: the pool or a transaction.
type conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// transaction is a conn with an end.
type transaction interface {
	conn
	Commit() error
	Rollback() error
}
