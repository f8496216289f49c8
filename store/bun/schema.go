package bunstore

import (
	"context"

	"github.com/ostiary/ostiary/store"
)

// schemaDialect is where databases differ in what they say of tables.
type schemaDialect interface {
	// quote is a name as the text of statements has it.
	quote(name string) string
	// foldName is the form in which two names are the same to the database.
	foldName(name string) string
	// columnType is the type of a new column.
	columnType(t store.Type) string
	// literal is the value in SQL text, for the default of a new column.
	literal(t store.Type, v any) string
	// forwardReferences tells whether a new table can refer to one that does
	// not exist yet.
	forwardReferences() bool
	// lockSchema lets one migration at a time into the transaction's database.
	lockSchema(ctx context.Context, c conn) error
	// inspect reads the live tables.
	inspect(ctx context.Context, c conn) (*liveSchema, error)
}
