package bunstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/store"
)

var _ store.Planner = (*Store)(nil)

// Plan implements [store.Planner]: it tells what [Store.Migrate] would do, and
// does nothing.
//
// The statements add the tables, columns and indexes that are missing, then
// come the application's migrations that have not run, each as a comment with
// its name. What is there already is never changed or dropped. The warnings
// name what differs and stays as it is: a column of another type, one that may
// be null and should not, one without its foreign key, text that is compared
// without regard to case, a unique index that keeps more out than it should.
//
// A required column that is missing from a table with rows gets the field's
// Default in those, or what its DefaultFunc returns; without either the plan is
// refused, as it is when that refers to a row which is not there. So it is when
// the name of a missing table or index is taken, when what should be unique is
// not, when a view stands where a table should, when nothing keeps the ids of a
// table apart, and when a column cannot keep the ids of the policy, or has none
// made by the database where the policy leaves them to it. A function of
// [store.IDFunc] is called for one id where the column is not text, to see
// whether it fits.
func (s *Store) Plan(ctx context.Context, schema *store.Schema) (*store.Plan, error) {
	groups, err := s.ready(ctx, schema)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	var p *plan
	err = s.onPool(ctx, func(c conn) (err error) {
		if p, err = s.difference(ctx, c, schema, groups); err != nil {
			return err
		}
		return p.examine(ctx, c)
	})
	if err != nil {
		return nil, fmt.Errorf("plan: %w", s.failure(ctx, nil, err))
	}
	return p.report(), nil
}

// ready checks what needs no database, and puts the groups in order.
func (s *Store) ready(ctx context.Context, schema *store.Schema) ([]MigrationGroup, error) {
	if err := s.supported(); err != nil {
		return nil, err
	}
	if schema == nil {
		return nil, fmt.Errorf("%w: no schema", store.ErrInvalid)
	}
	if s.joined(ctx) != nil {
		return nil, fmt.Errorf("%w: inside a transaction", store.ErrInvalid)
	}
	if err := checkSchemaName(s.dialect, schema); err != nil {
		return nil, err
	}
	return orderGroups(s.groups)
}

// schemaName is the name of the database schema that holds the tables.
func schemaName(schema *store.Schema) string {
	if tables := schema.Tables(); len(tables) > 0 {
		return tables[0].DBSchema()
	}
	return ""
}

func checkSchemaName(d schemaDialect, schema *store.Schema) error {
	if instead := d.traits().noSchemas; instead != "" && schemaName(schema) != "" {
		return fmt.Errorf("%w: %s", store.ErrInvalid, instead)
	}
	return nil
}

// Script returns the statements that make all tables of the schema in an empty
// database: what [Store.Migrate] runs there. It connects to nothing. The dialect
// is "postgres", "sqlite", "mysql", "mariadb" or "mssql"; any other is
// [store.ErrInvalid]. SQL Server takes the script with QUOTED_IDENTIFIER on, as
// drivers have it, and sqlcmd with -I.
func Script(dialect string, schema *store.Schema) ([]string, error) {
	d, ok := map[string]schemaDialect{
		"postgres": postgres{}, "sqlite": sqlite{}, "mysql": mysql{}, "mariadb": mysql{}, "mssql": mssql{},
	}[dialect]
	if !ok {
		return nil, fmt.Errorf("%w: no dialect is called %q: there are postgres, sqlite, mysql, mariadb and mssql", store.ErrInvalid, dialect)
	}
	if schema == nil {
		return nil, fmt.Errorf("%w: no schema", store.ErrInvalid)
	}
	if err := checkSchemaName(d, schema); err != nil {
		return nil, err
	}
	live := newLiveSchema(d)
	live.collation = map[string]string{"mysql": mysqlCollation, "mariadb": mariadbCollation}[dialect]
	p := newPlan(d, live, schema)
	if len(p.refused) > 0 {
		return nil, p.report().Err()
	}
	return p.report().Statements, nil
}

// plan is the difference between a live database and a schema.
type plan struct {
	dialect schemaDialect
	traits  traits
	schema  *store.Schema
	live    *liveSchema
	lengths map[*store.Field]int
	// created are the tables to be made, by name, and added the columns.
	created map[string]bool
	added   map[*store.Field]bool
	// rules are the references that change rows on delete.
	rules []rule

	tables, columns, indexes, references []*change
	// filled, pointing and unique are what depends on the rows that are there:
	// columns that lack a value for them, columns whose value refers to a row, and
	// indexes.
	filled   []*store.Field
	pointing []columnDef
	unique   []uniqueRows
	owner    map[*store.Field]*store.Table

	steps             []step
	warnings, refused []string
	// history is the table of the application's migrations, pending those that
	// have not run, in order.
	history *step
	pending []pendingMigration
}

// step is one statement and the table that it changes.
type step struct {
	table *store.Table
	sql   string
}

// uniqueRows is an index that can only be made if no two rows are equal in it.
type uniqueRows struct {
	table *store.Table
	index indexDef
}

func newPlan(d schemaDialect, live *liveSchema, schema *store.Schema) *plan {
	p := &plan{
		dialect: d, traits: d.traits(), schema: schema, live: live,
		created: map[string]bool{}, added: map[*store.Field]bool{}, owner: map[*store.Field]*store.Table{},
	}
	p.lengths = keyLengths(schema, p.traits)
	p.liveRules()
	for _, t := range schema.Tables() {
		p.table(t)
	}
	p.steps = p.arrange()
	return p
}

// difference compares the live database with the schema and with what has run
// of the groups, which are in order.
func (s *Store) difference(ctx context.Context, c conn, schema *store.Schema, groups []MigrationGroup) (*plan, error) {
	live, err := s.dialect.inspect(ctx, c, schemaName(schema))
	if err != nil {
		return nil, err
	}
	p := newPlan(s.dialect, live, schema)
	if len(groups) == 0 {
		return p, nil
	}
	err = p.compareHistory(ctx, c, groups)
	return p, err
}

// empty tells that there is nothing to do.
func (p *plan) empty() bool {
	return len(p.steps) == 0 && len(p.refused) == 0 && p.history == nil && len(p.pending) == 0
}

func (p *plan) report() *store.Plan {
	out := &store.Plan{Warnings: p.warnings, Refused: p.refused}
	for _, step := range p.steps {
		out.Statements = append(out.Statements, step.sql)
	}
	if p.history != nil {
		out.Statements = append(out.Statements, p.history.sql)
	}
	for _, m := range p.pending {
		out.Statements = append(out.Statements, m.String())
	}
	return out
}

func (p *plan) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

func (p *plan) refuse(format string, args ...any) {
	p.refused = append(p.refused, fmt.Sprintf(format, args...))
}

func (p *plan) table(t *store.Table) {
	live := p.live.table(t.DBName())
	switch {
	case live == nil:
		if p.live.takenByOther(t.DBName()) {
			p.refuse("the name of table %q is taken by something that is no table: rename or drop that, or give the table another name", t.DBName())
			return
		}
		p.create(t)
	case live.view:
		p.refuse("%q is a view, and a table of that name is needed: rename the view, or give the table another name", t.DBName())
		return
	case p.live.column(t.DBName(), t.Field(store.ID).DBName()) == nil:
		p.refuse("table %q has no column %q and so is not the one that is needed: give ours another name, or the column", t.DBName(), t.Field(store.ID).DBName())
		return
	default:
		p.compare(t, live)
		p.addColumns(t)
	}
	// First the indexes over several columns, which may serve one of them too.
	for _, ix := range t.Indexes {
		p.index(t, ix.Fields, ix.Unique)
	}
	for _, f := range t.Fields {
		switch fieldKind(f, "") {
		case uniqueKind:
			p.index(t, []string{f.Name}, true)
		case indexKind:
			p.index(t, []string{f.Name}, false)
		}
	}
}

func (p *plan) create(t *store.Table) {
	p.created[t.DBName()] = true
	c := &change{table: t, create: true}
	for _, f := range t.Fields {
		c.columns = append(c.columns, p.column(t, f))
	}
	for _, f := range t.Fields {
		switch {
		case f.References == nil || !p.canEnforce(t, f):
		case p.canRefer(f):
			c.references = append(c.references, p.reference(t, f))
		default:
			p.refer(t, f)
		}
	}
	p.tables = append(p.tables, c)
}

func (p *plan) column(t *store.Table, f *store.Field) columnDef {
	p.added[f], p.owner[f] = true, t
	c := columnDef{field: f, length: p.lengths[f]}
	if f.Name == store.ID {
		c.generated = p.dialect.generated(p.schema.IDs())
	}
	if live := p.liveTarget(f); live != nil {
		c.like = live.typ
	}
	return c
}

// liveTarget is the live column that the field refers to, or nil. A database
// that another program made may keep ids as uuid or as numbers.
func (p *plan) liveTarget(f *store.Field) *liveColumn {
	if f.References == nil {
		return nil
	}
	target := f.References.Target()
	return p.live.column(target.DBName(), target.Field(f.References.Field).DBName())
}

func (p *plan) addColumns(t *store.Table) {
	for _, f := range t.Fields {
		if p.live.column(t.DBName(), f.DBName()) != nil {
			continue
		}
		def := p.column(t, f)
		def.collation = p.live.collation
		def.strict = p.live.table(t.DBName()).strict
		if f.Required {
			def.fill = fillValue(f)
			if def.fill == nil {
				p.filled = append(p.filled, f)
			}
		}
		c := &change{table: t}
		refers := f.References != nil && p.canEnforce(t, f)
		switch {
		case !refers:
		case p.canRefer(f):
			ref := p.reference(t, f)
			def.refer = &ref
		default:
			p.refer(t, f)
		}
		if refers && def.fill != nil {
			p.pointing = append(p.pointing, def)
		}
		c.columns = []columnDef{def}
		p.columns = append(p.columns, c)
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

// refer makes the reference last, when all tables and their unique indexes are
// there.
func (p *plan) refer(t *store.Table, f *store.Field) {
	p.references = append(p.references, &change{table: t, references: []reference{p.reference(t, f)}})
}

// canEnforce tells whether there can be a foreign key: a unique index that
// leaves rows without a value out is none to refer to.
func (p *plan) canEnforce(t *store.Table, f *store.Field) bool {
	target := f.References.Target().Field(f.References.Field)
	if !p.traits.oneNull || target.Required {
		return true
	}
	p.warn("column %q of table %q gets no foreign key, as %q of %q may be null: rows may refer to nothing",
		f.DBName(), t.DBName(), target.DBName(), f.References.Target().DBName())
	return false
}

// canRefer tells whether a column can be declared with its reference at once.
func (p *plan) canRefer(f *store.Field) bool {
	if p.traits.forward {
		return true
	}
	target := f.References.Target()
	exists := p.created[target.DBName()] || p.live.table(target.DBName()) != nil
	return exists && f.References.Field == store.ID
}

func (p *plan) reference(t *store.Table, f *store.Field) reference {
	r := reference{field: f, onDelete: p.onDelete(t, f)}
	if p.traits.namedForeign {
		r.name = object{t, []string{f.Name}, foreignKind}.name()
	}
	return r
}

func (p *plan) index(t *store.Table, fields []string, unique bool) {
	columns := columnNames(t, fields)
	if unique {
		p.warnStricter(t, fields, columns)
	}
	if p.live.serving(t.DBName(), columns, unique) != nil {
		return
	}
	o := indexObject(t, fields, unique)
	def := indexDef{name: o.name(), fields: fields, columns: columns, unique: unique}
	if p.live.taken(t.DBName(), def.name) && o.ambiguous() {
		def.name = o.hashed()
	}
	if p.live.taken(t.DBName(), def.name) {
		p.refuse("table %q lacks %s over %s, and its name %q is taken by something else: rename or drop that",
			t.DBName(), indexNoun(unique), strings.Join(columns, ", "), def.name)
	}
	if unique {
		p.warnPartial(t, columns)
	}
	p.shape(t, &def)
	p.indexes = append(p.indexes, &change{table: t, indexes: []indexDef{def}})
	p.live.addIndex(t.DBName(), &liveIndex{name: def.name, columns: columns, unique: unique, full: true})
	if unique && p.live.table(t.DBName()) != nil {
		p.unique = append(p.unique, uniqueRows{t, def})
	}
}

// shape fits an index to what the database can have in one.
func (p *plan) shape(t *store.Table, def *indexDef) {
	if p.traits.oneNull && def.unique {
		for _, name := range def.fields {
			if f := t.Field(name); !f.Required {
				def.present = append(def.present, f.DBName())
			}
		}
	}
	if p.traits.keyBytes > 0 {
		p.shorten(t, def)
	}
}

func indexNoun(unique bool) string {
	if unique {
		return "a unique index"
	}
	return "an index"
}

func quotedList(d schemaDialect, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = d.quote(name)
	}
	return strings.Join(quoted, ", ")
}
