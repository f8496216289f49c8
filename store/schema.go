package store

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Type is what a field holds.
type Type uint8

// The types of fields and the Go value a [Record] holds for each.
const (
	String  Type = iota + 1 // string
	Bool                    // bool
	Int                     // int64
	Float                   // float64
	Time                    // time.Time, UTC, whole milliseconds
	JSON                    // json.RawMessage
	Strings                 // []string
)

func (t Type) String() string {
	names := [...]string{"invalid", "string", "bool", "int", "float", "time", "json", "strings"}
	if int(t) >= len(names) {
		return names[0]
	}
	return names[t]
}

// ID is the field every table has: its primary key, a [String] that
// [NewSchema] puts in front of the declared fields.
const ID = "id"

// Field is one column of a [Table], under its logical name.
type Field struct {
	// Name is the logical name, in camelCase: what Go code and the wire use.
	Name string
	Type Type
	// Required columns are never null.
	Required bool
	// Unique columns hold each value once; any number of rows may hold null.
	Unique bool
	// Indexed columns are quick to look up. Unique ones are anyway.
	Indexed bool
	// Input lets clients set the field in a request body. False, the default:
	// only the server sets it.
	Input bool
	// Returned sends the field to clients. False, the default: it stays on the
	// server.
	Returned bool
	// Default is the value of a new row that does not set the field: a value of
	// the field's type, or nil for none. The engine fills it in; it is no
	// default in the database.
	Default any
	// DefaultFunc makes the default where it differs from row to row. It wins
	// over Default.
	DefaultFunc func() any
	// Validate checks a value that a client sends, after its type; its error's
	// text is shown to the client.
	Validate func(v any) error
	// References points to the row of another table, or is nil.
	References *Reference

	column string
	id     IDKind
}

// DBName is the column's name in the database.
func (f *Field) DBName() string { return f.column }

// IDKind is how the database keeps the field if it is an id or refers to one,
// and 0 for any other.
func (f *Field) IDKind() IDKind { return f.id }

// Ordered tells whether values of the field can be compared and sorted.
func (f *Field) Ordered() bool { return f.Type != JSON && f.Type != Strings }

// OnDelete says what becomes of a row when the row it refers to is deleted.
type OnDelete uint8

// What a reference does on delete.
const (
	Cascade  OnDelete = iota // the row goes too
	SetNull                  // the field becomes null
	Restrict                 // the delete fails with [ErrReference]
)

// Reference makes a field point to a row of another table, by that row's
// unique field.
type Reference struct {
	Table    string // logical name
	Field    string // empty: the id
	OnDelete OnDelete
	// As is the name under which [Query.Join] returns the row. Empty: the
	// field's name without a trailing "Id", or the table's name where the field
	// does not end so.
	As string

	table *Table
}

// Target is the table that the reference points to.
func (r *Reference) Target() *Table { return r.table }

// Index covers several fields together.
type Index struct {
	Fields []string
	Unique bool
}

// Table is the logical description of one table. Declare it as a literal with
// Name, Fields and Indexes; use it with a [Store] as [Schema.Table] returns it.
type Table struct {
	Name    string // logical, singular, camelCase: "user"
	Fields  []*Field
	Indexes []Index

	name   string
	fields map[string]*Field
	schema *Schema
}

// DBName is the table's name in the database.
func (t *Table) DBName() string { return t.name }

// DBSchema is the schema, or database, that qualifies the table's name in the
// database; empty where the connection decides. See [Naming.Schema].
func (t *Table) DBSchema() string {
	if t.schema == nil {
		return ""
	}
	return t.schema.dbSchema
}

// Schema is the schema that the table is part of, nil for a declared table
// that no schema holds yet.
func (t *Table) Schema() *Schema { return t.schema }

// Field returns the field of that name, or nil.
func (t *Table) Field(name string) *Field { return t.fields[name] }

// Naming decides the names in the database. The functions get logical names.
type Naming struct {
	// Table and Column make the names; nil leaves the logical ones, unless both
	// are nil, which stands for [SnakePlural].
	Table  func(table string) string
	Column func(table, field string) string
	// Tables and Columns override single names: logical table to name, and
	// "table.field" to name.
	Tables  map[string]string
	Columns map[string]string
	// Prefix stands before every table name but those of Tables: "auth_".
	Prefix string
	// Schema is the PostgreSQL or SQL Server schema, or the MySQL database, that
	// holds the tables. It has to exist. Empty: where the connection looks
	// first. A database that has nothing of the kind refuses any other; names
	// mean nothing to a store in memory.
	Schema string
}

// SnakePlural names tables and columns as Go and SQL people expect:
// "users", "email_verified". It is what the zero [Naming] given to [NewSchema]
// stands for.
func SnakePlural() Naming {
	return Naming{
		Table:  func(t string) string { return plural(snake(t)) },
		Column: func(_, f string) string { return snake(f) },
	}
}

// BetterAuth names tables and columns as the TypeScript library better-auth
// does: "user", "emailVerified".
func BetterAuth() Naming {
	return Naming{
		Table:  func(t string) string { return t },
		Column: func(_, f string) string { return f },
	}
}

func (n Naming) tableName(t string) string {
	if name, ok := n.Tables[t]; ok {
		return name
	}
	if n.Table == nil {
		return n.Prefix + t
	}
	return n.Prefix + n.Table(t)
}

func (n Naming) columnName(t, f string) string {
	if name, ok := n.Columns[t+"."+f]; ok {
		return name
	}
	if n.Column == nil {
		return f
	}
	return n.Column(t, f)
}

// Schema is a checked set of tables with their names in the database. It does
// not change after [NewSchema] and is safe for concurrent use.
type Schema struct {
	tables           []*Table
	byName           map[string]*Table
	ids              IDs
	dbSchema, prefix string
}

// IDs is the policy by which new rows get their ids.
func (s *Schema) IDs() IDs { return s.ids }

// Prefix is that of [Naming], for tables which a store makes for itself.
func (s *Schema) Prefix() string { return s.prefix }

// Tables returns all tables, each after those it refers to where no cycle
// forbids that.
func (s *Schema) Tables() []*Table { return slices.Clone(s.tables) }

// Table returns the table of that logical name, or nil.
func (s *Schema) Table(name string) *Table { return s.byName[name] }

// reserved are names of fields that JavaScript clients take for something else.
var reserved = map[string]bool{"__proto__": true, "constructor": true, "prototype": true}

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// NewSchema compiles tables into a schema. Tables of the same name are merged
// in order, which is how plugins add fields to tables of others. The
// declarations are copied, never changed. The zero naming is [SnakePlural], the
// zero ids are [RandomIDs].
//
// Every problem found is reported, joined into one error: names that clash or
// that no database takes, fields without a type, references and indexes to
// nothing.
func NewSchema(n Naming, ids IDs, tables ...Table) (*Schema, error) {
	if n.Table == nil && n.Column == nil {
		preset := SnakePlural()
		n.Table, n.Column = preset.Table, preset.Column
	}
	s := &Schema{byName: map[string]*Table{}, ids: ids, dbSchema: n.Schema, prefix: n.Prefix}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	for _, decl := range tables {
		if !validName.MatchString(decl.Name) {
			fail("table %q: the name must be letters, digits and _, 63 at most", decl.Name)
			continue
		}
		t := s.byName[decl.Name]
		if t == nil {
			t = &Table{Name: decl.Name, schema: s, fields: map[string]*Field{}}
			t.add(&Field{Name: ID, Type: String, Required: true, Unique: true, Returned: true, id: ids.Kind()})
			s.byName[t.Name] = t
			s.tables = append(s.tables, t)
		}
		for _, f := range decl.Fields {
			switch {
			case f == nil:
				fail("table %q: a field is nil", t.Name)
			case !validName.MatchString(f.Name):
				fail("table %q: field name %q must be letters, digits and _, 63 at most", t.Name, f.Name)
			case reserved[f.Name]:
				fail("table %q: field name %q is reserved", t.Name, f.Name)
			case t.fields[f.Name] != nil:
				fail("table %q: field %q is declared twice", t.Name, f.Name)
			case f.Type < String || f.Type > Strings:
				fail("table %q: field %q has no type", t.Name, f.Name)
			case (f.Unique || f.Indexed) && (f.Type == JSON || f.Type == Strings):
				fail("table %q: field %q is %s, which cannot be indexed", t.Name, f.Name, f.Type)
			default:
				copied := *f
				copied.id, copied.column = 0, "" // it may come from another schema
				if f.References != nil {
					ref := *f.References
					copied.References = &ref
				}
				if d, err := f.Type.Canonical(f.Default); err != nil {
					fail("table %q: default of field %q: %w", t.Name, f.Name, err)
				} else {
					copied.Default = d
				}
				t.add(&copied)
			}
		}
		t.Indexes = append(t.Indexes, slices.Clone(decl.Indexes)...)
	}
	errs = append(errs, s.name(n)...)
	errs = append(errs, s.link()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.order()
	return s, nil
}

func (t *Table) add(f *Field) {
	t.Fields = append(t.Fields, f)
	t.fields[f.Name] = f
}

// name gives every table and column its name in the database. Names are
// compared without case, as some databases do.
func (s *Schema) name(n Naming) (errs []error) {
	if n.Schema != "" && !validName.MatchString(n.Schema) {
		errs = append(errs, fmt.Errorf("naming: %q is no name of a database schema", n.Schema))
	}
	// A misspelled override would leave a table or a column under another name
	// than the one that is there already.
	for t := range n.Tables {
		if s.byName[t] == nil {
			errs = append(errs, fmt.Errorf("naming: Tables names %q, which is no table", t))
		}
	}
	for c := range n.Columns {
		table, field, _ := strings.Cut(c, ".")
		if t := s.byName[table]; t == nil || t.fields[field] == nil {
			errs = append(errs, fmt.Errorf("naming: Columns names %q, which is no field of a table, such as \"user.email\"", c))
		}
	}
	if n.Prefix != "" && !validName.MatchString(n.Prefix) {
		errs = append(errs, fmt.Errorf("naming: %q is no beginning of a name that a database takes", n.Prefix))
	}
	taken := map[string]string{}
	for _, t := range s.tables {
		t.name = n.tableName(t.Name)
		if !validName.MatchString(t.name) || strings.HasPrefix(foldName(t.name), "sqlite_") {
			errs = append(errs, fmt.Errorf("table %q: %q is no name a database takes", t.Name, t.name))
		}
		if other, ok := taken[foldName(t.name)]; ok {
			errs = append(errs, fmt.Errorf("tables %q and %q are both named %q in the database", other, t.Name, t.name))
		}
		taken[foldName(t.name)] = t.Name
		columns := map[string]string{}
		for _, f := range t.Fields {
			f.column = n.columnName(t.Name, f.Name)
			if !validName.MatchString(f.column) {
				errs = append(errs, fmt.Errorf("table %q: column %q of field %q is no name a database takes", t.Name, f.column, f.Name))
			}
			if other, ok := columns[foldName(f.column)]; ok {
				errs = append(errs, fmt.Errorf("table %q: fields %q and %q are both named %q in the database", t.Name, other, f.Name, f.column))
			}
			columns[foldName(f.column)] = f.Name
		}
	}
	return errs
}

// link resolves references and checks indexes.
func (s *Schema) link() (errs []error) {
	defer s.linkIDs()
	for _, t := range s.tables {
		joins := map[string]bool{}
		for _, f := range t.Fields {
			ref := f.References
			if ref == nil {
				continue
			}
			if ref.Field == "" {
				ref.Field = ID
			}
			ref.table = s.byName[ref.Table]
			if ref.table == nil {
				errs = append(errs, fmt.Errorf("table %q: field %q refers to table %q, which does not exist", t.Name, f.Name, ref.Table))
				continue
			}
			target := ref.table.Field(ref.Field)
			switch {
			case target == nil || !target.Unique:
				errs = append(errs, fmt.Errorf("table %q: field %q refers to %s.%s, which is no unique field", t.Name, f.Name, ref.Table, ref.Field))
			case target.Type != f.Type:
				errs = append(errs, fmt.Errorf("table %q: field %q is %s and refers to %s.%s, which is %s", t.Name, f.Name, f.Type, ref.Table, ref.Field, target.Type))
			}
			if ref.OnDelete == SetNull && f.Required {
				errs = append(errs, fmt.Errorf("table %q: field %q is required and cannot be set null on delete", t.Name, f.Name))
			}
			if ref.As == "" {
				ref.As = joinName(f.Name, ref.Table)
			}
			if t.fields[ref.As] != nil || joins[ref.As] {
				errs = append(errs, fmt.Errorf("table %q: field %q joins as %q, which is taken already; set As", t.Name, f.Name, ref.As))
			}
			joins[ref.As] = true
		}
		for _, ix := range t.Indexes {
			if len(ix.Fields) == 0 {
				errs = append(errs, fmt.Errorf("table %q: an index has no fields", t.Name))
			}
			for i, name := range ix.Fields {
				if slices.Contains(ix.Fields[:i], name) {
					errs = append(errs, fmt.Errorf("table %q: an index names %q twice", t.Name, name))
				}
				if f := t.fields[name]; f == nil || f.Type == JSON || f.Type == Strings {
					errs = append(errs, fmt.Errorf("table %q: an index names %q, which is no field that can be indexed", t.Name, name))
				}
			}
		}
	}
	return errs
}

// linkIDs makes the fields that refer to an id what the id is. A field may
// refer to a unique one that itself refers to an id.
func (s *Schema) linkIDs() {
	for changed := true; changed; {
		changed = false
		for _, t := range s.tables {
			for _, f := range t.Fields {
				if f.id != 0 || f.References == nil || f.References.table == nil {
					continue
				}
				if target := f.References.table.Field(f.References.Field); target != nil && target.id != 0 {
					f.id, changed = target.id, true
				}
			}
		}
	}
}

// order puts each table behind those it refers to.
func (s *Schema) order() {
	sorted := make([]*Table, 0, len(s.tables))
	seen := map[*Table]bool{}
	var visit func(*Table)
	visit = func(t *Table) {
		if seen[t] {
			return
		}
		seen[t] = true
		for _, f := range t.Fields {
			if f.References != nil {
				visit(f.References.table)
			}
		}
		sorted = append(sorted, t)
	}
	for _, t := range s.tables {
		visit(t)
	}
	s.tables = sorted
}
