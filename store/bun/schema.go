package bunstore

import (
	"context"

	"github.com/ostiary/ostiary/store"
)

// schemaDialect is where databases differ in what they say of tables.
type schemaDialect interface {
	// quote is a name as the text of statements has it.
	quote(name string) string
	// foldName is the form in which two names of columns or indexes are the
	// same to the database.
	foldName(name string) string
	// traits are what the statements that make tables have to heed.
	traits() traits
	// columnType is the type of a new column.
	columnType(c columnDef) string
	// generated is what follows the type of an id that the database makes, and
	// empty where it makes none.
	generated(ids store.IDs) string
	// literal is the value in SQL text, for the default of a new column.
	literal(t store.Type, v any) string
	// kinds tells what a live column of the type can hold.
	kinds(liveType string) kinds
	// inspect reads the live tables of the database schema of that name, of the
	// one where the connection looks first for the empty name.
	inspect(ctx context.Context, c conn, schema string) (*liveSchema, error)
	// lockSchema lets one migration at a time into the database schema of that
	// name: for as long as the transaction lasts where tables are made in one, or
	// else for as long as the connection does.
	lockSchema(ctx context.Context, c conn, schema string) error
}

// traits are what the statements that make tables have to heed.
type traits struct {
	// noSchemas says what to do without them where a database has none.
	noSchemas string
	// forward tells that a new table can refer to one that does not exist yet.
	forward bool
	// commits tells that each statement commits by itself. It then makes a table
	// with everything that belongs to it, so that one that exists is whole
	// wherever a migration was interrupted.
	commits bool
	// keyBytes are the most bytes that an index holds of a row, and charBytes
	// the most of a character; 0 for any number.
	keyBytes, charBytes int
	// prefixes tells that an index can be over the beginning of text.
	prefixes bool
	// namedForeign and namedPrimary tell which keys get names of ours.
	namedForeign, namedPrimary bool
	// oneNull tells that a unique index takes null for a value like others.
	oneNull bool
	// onePath tells that no row may be reached on two ways, nor any table refer
	// to itself, by references that change rows on delete.
	onePath bool
	// coerces tells that text and numbers compare, and that a column of text takes
	// numbers; anyValue that a column keeps what it is given, of whichever type,
	// unless it is the key that counts or the table is strict.
	coerces, anyValue bool
	// bareRefer tells that a column which refers to a row cannot be added with a
	// value to rows that are there.
	bareRefer bool
	// addColumn and restrict are words that differ, options what follows a new
	// table before the collation of its text.
	addColumn, restrict, options string
	// busy recognizes that somebody else is writing and was waited for in vain;
	// nil where the wait is the context's.
	busy func(error) bool
	// guard lets a statement do nothing if what it makes is there; nil where
	// none does.
	guard func(c *change, sql string) string
}

// columnDef is a column to be made.
type columnDef struct {
	field *store.Field
	// like is the type of the live column that this one refers to.
	like string
	// length is the most characters of text that is part of an index, 0 where
	// there is no limit.
	length int
	// strict tells that the table takes no type but SQLite's own.
	strict bool
	// collation is that of text where the table's own may be another one.
	collation string
	// fill is what rows that are there get, nil for null.
	fill any
	// generated is what follows the type.
	generated string
	refer     *reference
}

// reference is a foreign key to be made.
type reference struct {
	field    *store.Field
	name     string
	onDelete string
}

// indexDef is an index to be made.
type indexDef struct {
	name    string
	fields  []string
	columns []string
	// prefix is how many characters of each column count, 0 for all.
	prefix []int
	unique bool
	// present lists the columns that a row must have a value in to be part of
	// the index.
	present []string
}

// change is one statement in the making: it creates a table, adds a column with
// what belongs to it, an index or a reference.
type change struct {
	table      *store.Table
	create     bool
	columns    []columnDef
	indexes    []indexDef
	references []reference
}

// kinds are the types of values that a column can hold.
type kinds uint8

const (
	kindText kinds = 1 << iota
	kindBool
	kindInt
	kindFloat
	kindTime
	kindJSON
	kindUUID
)

// kindOf is what a field needs a column to hold, any of these.
func kindOf(f *store.Field) kinds {
	switch f.IDKind() {
	case store.UUIDID:
		return kindUUID | kindText
	case store.SerialID:
		return kindInt
	}
	switch f.Type {
	case store.Bool:
		return kindBool
	case store.Int:
		return kindInt
	case store.Float:
		return kindFloat
	case store.Time:
		return kindTime
	case store.JSON, store.Strings:
		return kindJSON
	}
	return kindText
}

// kindName is what a field holds, as a warning says it.
func kindName(f *store.Field) string {
	if k := f.IDKind(); k != 0 {
		return k.String() + " ids"
	}
	return "the type " + f.Type.String()
}
