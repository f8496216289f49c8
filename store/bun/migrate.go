package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// Migrate implements [store.Store]: it runs what [Store.Plan] says, in one
// transaction and under a lock of the database, so that any number of processes
// may start at the same time. Either all of it happens or nothing.
//
// On PostgreSQL it works in the first schema of the search_path. It must not be
// called inside [Store.Tx].
func (s *Store) Migrate(ctx context.Context, schema *store.Schema) error {
	// Without the lock, for the usual start, which has nothing to do.
	steps, err := s.steps(ctx, schema)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if len(steps) == 0 {
		return nil
	}
	err = s.Tx(ctx, func(ctx context.Context) error {
		x := s.joined(ctx)
		return x.use(func(c conn) error {
			if err := s.dialect.lockSchema(ctx, c); err != nil {
				return s.failure(ctx, nil, err)
			}
			// Somebody else may have done it while the lock was theirs.
			steps, err := s.plan(ctx, c, schema)
			if err != nil {
				return err
			}
			for _, step := range steps {
				if _, err := c.ExecContext(ctx, step.sql); err != nil {
					return fmt.Errorf("%s: %w", step.sql, s.failure(ctx, step.table, err))
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Plan returns the statements that bring the live database to the schema, in
// the order in which they run, and runs none: the tables, columns and indexes
// that are missing. What is there already is never changed or dropped, and a
// type that differs is left as it is. No statements: nothing is missing.
//
// A required column that is missing from a table with rows gets the field's
// Default in those, or what its DefaultFunc returns. Without either, Plan and
// [Store.Migrate] fail before anything has run, as they do when the name of a
// missing index is taken by another one; the error names every such case and
// what to do.
func (s *Store) Plan(ctx context.Context, schema *store.Schema) ([]string, error) {
	steps, err := s.steps(ctx, schema)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	statements := make([]string, len(steps))
	for i, step := range steps {
		statements[i] = step.sql
	}
	return statements, nil
}

func (s *Store) steps(ctx context.Context, schema *store.Schema) ([]step, error) {
	if err := s.supported(); err != nil {
		return nil, err
	}
	if schema == nil {
		return nil, fmt.Errorf("%w: no schema", store.ErrInvalid)
	}
	if s.joined(ctx) != nil {
		return nil, fmt.Errorf("%w: inside a transaction", store.ErrInvalid)
	}
	return s.plan(ctx, s.db.DB, schema)
}

func (s *Store) plan(ctx context.Context, c conn, schema *store.Schema) ([]step, error) {
	live, err := s.dialect.inspect(ctx, c)
	if err != nil {
		return nil, s.failure(ctx, nil, err)
	}
	p := &plan{dialect: s.dialect, live: live, created: map[string]bool{}}
	for _, t := range schema.Tables() {
		p.table(t)
	}
	for _, needed := range p.filled {
		populated, err := hasRows(ctx, c, s.dialect, needed.table)
		if err != nil {
			return nil, s.failure(ctx, nil, err)
		}
		if populated {
			p.fail("table %q has rows and no column %q, which is required: give the field %q of %q a Default, or let it be null until all rows have a value",
				needed.table.DBName(), needed.field.DBName(), needed.field.Name, needed.table.Name)
		}
	}
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return slices.Concat(p.tables, p.columns, p.indexes, p.references), nil
}

func hasRows(ctx context.Context, c conn, d dialect, t *store.Table) (bool, error) {
	found := false
	rows, err := c.QueryContext(ctx, "SELECT 1 FROM "+qualified(d, t)+" LIMIT 1")
	err = each(rows, err, func(*sql.Rows) error { found = true; return nil })
	return found, err
}

// plan is the difference between a live database and a schema, in the making.
type plan struct {
	dialect schemaDialect
	live    *liveSchema
	created map[string]bool // tables made by now, by name

	tables, columns, indexes, references []step
	filled                               []neededColumn
	errs                                 []error
}

// step is one statement and the table that it changes.
type step struct {
	table *store.Table
	sql   string
}

// neededColumn can only be added to a table without rows.
type neededColumn struct {
	table *store.Table
	field *store.Field
}

func (p *plan) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

func (p *plan) table(t *store.Table) {
	if live := p.live.tables[p.dialect.foldName(t.DBName())]; live != nil {
		p.addColumns(t, live)
	} else {
		p.create(t)
	}
	// First the indexes over several columns, which may serve one of them too.
	for _, ix := range t.Indexes {
		p.index(t, ix.Fields, ix.Unique)
	}
	for _, f := range t.Fields {
		switch {
		case f.Name == store.ID:
		case f.Unique:
			p.index(t, []string{f.Name}, true)
		case f.Indexed || f.References != nil:
			p.index(t, []string{f.Name}, false)
		}
	}
}

func (p *plan) create(t *store.Table) {
	p.created[t.DBName()] = true
	var parts []string
	for _, f := range t.Fields {
		part := p.dialect.quote(f.DBName()) + " " + p.columnType(f)
		if f.Required {
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	parts = append(parts, "PRIMARY KEY ("+p.dialect.quote(t.Field(store.ID).DBName())+")")
	for _, f := range t.Fields {
		switch {
		case f.References == nil:
		case p.canRefer(f):
			parts = append(parts, p.foreignKey(f))
		default:
			p.refer(t, f)
		}
	}
	p.tables = append(p.tables, step{t, "CREATE TABLE " + qualified(p.dialect, t) + " (\n\t" + strings.Join(parts, ",\n\t") + "\n)"})
}

func (p *plan) refer(t *store.Table, f *store.Field) {
	p.references = append(p.references, step{t, "ALTER TABLE " + qualified(p.dialect, t) + " ADD " + p.foreignKey(f)})
}

// canRefer tells whether a column can be declared with its reference at once.
// If not, the reference comes last, when all tables and their unique indexes
// are there.
func (p *plan) canRefer(f *store.Field) bool {
	if p.dialect.forwardReferences() {
		return true
	}
	target := f.References.Target()
	exists := p.created[target.DBName()] || p.live.tables[p.dialect.foldName(target.DBName())] != nil
	return exists && f.References.Field == store.ID
}

func (p *plan) foreignKey(f *store.Field) string {
	return "FOREIGN KEY (" + p.dialect.quote(f.DBName()) + ") " + p.referring(f)
}

func (p *plan) referring(f *store.Field) string {
	ref := f.References
	action := map[store.OnDelete]string{store.Cascade: "CASCADE", store.SetNull: "SET NULL", store.Restrict: "RESTRICT"}[ref.OnDelete]
	return "REFERENCES " + qualified(p.dialect, ref.Target()) + " (" + p.dialect.quote(ref.Target().Field(ref.Field).DBName()) + ") ON DELETE " + action
}

// columnType is the field's type, or that of the live column it refers to: a
// database that another program made may keep ids as uuid or as numbers.
func (p *plan) columnType(f *store.Field) string {
	if f.References != nil {
		target := f.References.Target()
		if live := p.live.tables[p.dialect.foldName(target.DBName())]; live != nil {
			if t, ok := live.columns[p.dialect.foldName(target.Field(f.References.Field).DBName())]; ok {
				return t
			}
		}
	}
	return p.dialect.columnType(f.Type)
}

func (p *plan) addColumns(t *store.Table, live *liveTable) {
	for _, f := range t.Fields {
		if _, ok := live.columns[p.dialect.foldName(f.DBName())]; ok {
			continue
		}
		sql := "ALTER TABLE " + qualified(p.dialect, t) + " ADD COLUMN " + p.dialect.quote(f.DBName()) + " " + p.columnType(f)
		if f.Required {
			sql += " NOT NULL"
			if v := fillValue(f); v != nil {
				sql += " DEFAULT " + p.dialect.literal(f.Type, v)
			} else {
				p.filled = append(p.filled, neededColumn{t, f})
			}
		}
		if f.References != nil {
			if p.canRefer(f) {
				sql += " " + p.referring(f)
			} else {
				p.refer(t, f)
			}
		}
		p.columns = append(p.columns, step{t, sql})
	}
}

// fillValue is what rows that are there already get in a new required column.
func fillValue(f *store.Field) any {
	if f.DefaultFunc == nil {
		return f.Default
	}
	v, err := f.Type.Canonical(f.DefaultFunc())
	if err != nil {
		return nil
	}
	return v
}

func (p *plan) index(t *store.Table, fields []string, unique bool) {
	columns := columnNames(t, fields)
	name := indexName(t, fields, unique)
	if slices.ContainsFunc(p.live.indexes[p.dialect.foldName(t.DBName())], func(ix *liveIndex) bool {
		return ix.serves(columns, unique, p.dialect.foldName)
	}) {
		return
	}
	if p.live.names[p.dialect.foldName(name)] {
		p.fail("table %q lacks %s over %s, and its name %q is taken by something else: rename or drop that",
			t.DBName(), indexKind(unique), strings.Join(columns, ", "), name)
		return
	}
	sql := "CREATE "
	if unique {
		sql += "UNIQUE "
	}
	sql += "INDEX " + p.dialect.quote(name) + " ON " + qualified(p.dialect, t) + " (" + quotedList(p.dialect, columns) + ")"
	p.indexes = append(p.indexes, step{t, sql})
	p.live.addIndex(t.DBName(), &liveIndex{name: name, columns: columns, unique: unique, full: true})
}

func quotedList(d schemaDialect, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = d.quote(name)
	}
	return strings.Join(quoted, ", ")
}

func indexKind(unique bool) string {
	if unique {
		return "a unique index"
	}
	return "an index"
}

func columnNames(t *store.Table, fields []string) []string {
	columns := make([]string, len(fields))
	for i, name := range fields {
		columns[i] = t.Field(name).DBName()
	}
	return columns
}

// maxName is the most bytes PostgreSQL keeps of a name.
const maxName = 63

// indexName is the table, the columns and the kind of index. A name that is too
// long keeps its beginning and its kind, and a hash of the rest.
func indexName(t *store.Table, fields []string, unique bool) string {
	kind := "_idx"
	if unique {
		kind = "_uidx"
	}
	name := t.DBName() + "_" + strings.Join(columnNames(t, fields), "_")
	if len(name)+len(kind) <= maxName {
		return name + kind
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	hash := fmt.Sprintf("_%08x", h.Sum32())
	return name[:maxName-len(hash)-len(kind)] + hash + kind
}

// liveSchema is what a database has. Names in keys are folded.
type liveSchema struct {
	foldName func(string) string
	tables   map[string]*liveTable
	indexes  map[string][]*liveIndex // by table
	names    map[string]bool         // of tables and indexes
}

type liveTable struct {
	columns map[string]string // name to type
}

// liveIndex is an index that exists. A full one is over plain columns and of
// all rows.
type liveIndex struct {
	name         string
	columns      []string
	unique, full bool
}

func newLiveSchema(d schemaDialect) *liveSchema {
	return &liveSchema{
		foldName: d.foldName,
		tables:   map[string]*liveTable{},
		indexes:  map[string][]*liveIndex{},
		names:    map[string]bool{},
	}
}

// readColumns takes rows of table, column, type.
func (l *liveSchema) readColumns(rows *sql.Rows, err error) error {
	return each(rows, err, func(rows *sql.Rows) error {
		var table, column, columnType string
		if err := rows.Scan(&table, &column, &columnType); err != nil {
			return err
		}
		t := l.tables[l.foldName(table)]
		if t == nil {
			t = &liveTable{columns: map[string]string{}}
			l.tables[l.foldName(table)] = t
			l.names[l.foldName(table)] = true
		}
		t.columns[l.foldName(column)] = columnType
		return nil
	})
}

// readIndexes takes rows of table, index, unique, full, column, those of one
// index together and in its order. The column is empty where the index is over
// an expression.
func (l *liveSchema) readIndexes(rows *sql.Rows, err error) error {
	var last *liveIndex
	return each(rows, err, func(rows *sql.Rows) error {
		var table, column string
		var ix liveIndex
		if err := rows.Scan(&table, &ix.name, &ix.unique, &ix.full, &column); err != nil {
			return err
		}
		if last == nil || last.name != ix.name {
			last = &ix
			l.addIndex(table, last)
		}
		last.columns = append(last.columns, column)
		last.full = last.full && column != ""
		return nil
	})
}

func (l *liveSchema) addIndex(table string, ix *liveIndex) {
	table = l.foldName(table)
	l.indexes[table] = append(l.indexes[table], ix)
	l.names[l.foldName(ix.name)] = true
}

// serves tells whether the index does what one over the columns should: the
// same columns in any order where they are to be unique, and columns that begin
// with these where they are to be found.
func (ix *liveIndex) serves(columns []string, unique bool, fold func(string) string) bool {
	if !ix.full || len(ix.columns) < len(columns) {
		return false
	}
	same := func(a, b string) bool { return fold(a) == fold(b) }
	if !unique {
		return slices.EqualFunc(ix.columns[:len(columns)], columns, same)
	}
	return ix.unique && len(ix.columns) == len(columns) &&
		!slices.ContainsFunc(columns, func(wanted string) bool {
			return !slices.ContainsFunc(ix.columns, func(c string) bool { return same(c, wanted) })
		})
}
