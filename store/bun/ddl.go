package bunstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// arrange puts the changes in the order in which they can run, as statements.
func (p *plan) arrange() []step {
	if p.traits.commits {
		p.gather()
		return p.inTurn()
	}
	var steps []step
	for _, c := range slices.Concat(p.tables, p.columns, p.indexes, p.references) {
		steps = append(steps, step{c.table, p.statement(c)})
	}
	return steps
}

// gather moves each index into the statement that makes its table, or the one
// column that it is over.
func (p *plan) gather() {
	left := p.indexes[:0]
	for _, ix := range p.indexes {
		if into := p.maker(ix); into != nil {
			into.indexes = append(into.indexes, ix.indexes...)
		} else {
			left = append(left, ix)
		}
	}
	p.indexes = left
}

func (p *plan) maker(ix *change) *change {
	for _, c := range p.tables {
		if c.table == ix.table {
			return c
		}
	}
	for _, c := range p.columns {
		if fields := ix.indexes[0].fields; c.table == ix.table && len(fields) == 1 && c.columns[0].field.Name == fields[0] {
			return c
		}
	}
	return nil
}

// inTurn has each table and column made after those it refers to. In a circle
// that cannot be: the first of it is made without a check that the others exist.
func (p *plan) inTurn() []step {
	var steps []step
	waiting := slices.Concat(p.columns, p.tables)
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(c *change) bool { return !slices.ContainsFunc(waiting, c.needs) })
		inCircle := i < 0
		if inCircle {
			i = 0
			steps = append(steps, step{waiting[0].table, "SET foreign_key_checks = 0"})
		}
		steps = append(steps, step{waiting[i].table, p.statement(waiting[i])})
		if inCircle {
			steps = append(steps, step{waiting[0].table, "SET foreign_key_checks = 1"})
		}
		waiting = slices.Delete(waiting, i, i+1)
	}
	for _, c := range p.indexes {
		steps = append(steps, step{c.table, p.statement(c)})
	}
	return steps
}

// needs tells whether c refers to what other makes.
func (c *change) needs(other *change) bool {
	if c == other {
		return false
	}
	refs := slices.Clone(c.references)
	for _, column := range c.columns {
		if column.refer != nil {
			refs = append(refs, *column.refer)
		}
	}
	return slices.ContainsFunc(refs, func(r reference) bool {
		to := r.field.References
		return to.Target() == other.table && slices.ContainsFunc(other.columns, func(made columnDef) bool { return made.field.Name == to.Field })
	})
}

func (p *plan) statement(c *change) string {
	var sql string
	switch {
	case c.create:
		sql = p.createTable(c)
	case len(c.columns) > 0:
		sql = p.addColumn(c)
	case len(c.indexes) > 0:
		sql = p.createIndex(c.table, c.indexes[0])
	default:
		sql = "ALTER TABLE " + qualified(p.dialect, c.table) + " ADD " + p.foreignKey(c.references[0])
	}
	if p.traits.guard != nil {
		return p.traits.guard(c, sql)
	}
	return sql
}

func (p *plan) createTable(c *change) string {
	id := p.dialect.quote(c.table.Field(store.ID).DBName())
	primaryKey := "PRIMARY KEY (" + id + ")"
	if p.traits.namedPrimary {
		primaryKey = "CONSTRAINT " + p.dialect.quote(object{c.table, nil, primaryKeyKind}.name()) + " " + primaryKey
	}
	var parts []string
	for _, column := range c.columns {
		if strings.Contains(column.generated, "PRIMARY KEY") {
			primaryKey = ""
		}
		parts = append(parts, p.columnSQL(column))
	}
	if primaryKey != "" {
		parts = append(parts, primaryKey)
	}
	for _, ix := range c.indexes {
		parts = append(parts, p.inlineIndex(ix))
	}
	for _, ref := range c.references {
		parts = append(parts, p.foreignKey(ref))
	}
	sql := "CREATE TABLE " + qualified(p.dialect, c.table) + " (\n\t" + strings.Join(parts, ",\n\t") + "\n)"
	if p.traits.options != "" {
		sql += p.traits.options + p.live.collation
	}
	return sql
}

func (p *plan) columnSQL(c columnDef) string {
	sql := p.dialect.quote(c.field.DBName()) + " " + p.dialect.columnType(c)
	if c.field.Required {
		sql += " NOT NULL"
	}
	return sql + c.generated
}

func (p *plan) addColumn(c *change) string {
	def := c.columns[0]
	sql := "ALTER TABLE " + qualified(p.dialect, c.table) + " " + p.traits.addColumn + p.columnSQL(def)
	if def.fill != nil {
		sql += " DEFAULT " + p.dialect.literal(def.field.Type, def.fill)
	}
	for _, ix := range c.indexes {
		sql += ", ADD " + p.inlineIndex(ix)
	}
	switch {
	case def.refer == nil:
	case p.traits.commits:
		sql += ", ADD " + p.foreignKey(*def.refer)
	case p.traits.namedForeign:
		sql += " CONSTRAINT " + p.dialect.quote(def.refer.name) + " " + p.referring(*def.refer)
	default:
		sql += " " + p.referring(*def.refer)
	}
	return sql
}

func (p *plan) inlineIndex(ix indexDef) string {
	return uniqueWord(ix) + "INDEX " + p.dialect.quote(ix.name) + " (" + p.indexColumns(ix) + ")"
}

func (p *plan) createIndex(t *store.Table, ix indexDef) string {
	sql := "CREATE " + uniqueWord(ix) + "INDEX " + p.dialect.quote(ix.name) + " ON " + qualified(p.dialect, t) + " (" + p.indexColumns(ix) + ")"
	for i, column := range ix.present {
		sql += []string{" WHERE ", " AND "}[min(i, 1)] + p.dialect.quote(column) + " IS NOT NULL"
	}
	return sql
}

func uniqueWord(ix indexDef) string {
	if ix.unique {
		return "UNIQUE "
	}
	return ""
}

func (p *plan) indexColumns(ix indexDef) string {
	parts := make([]string, len(ix.columns))
	for i, name := range ix.columns {
		parts[i] = p.dialect.quote(name)
		if len(ix.prefix) > 0 && ix.prefix[i] > 0 {
			parts[i] += fmt.Sprintf("(%d)", ix.prefix[i])
		}
	}
	return strings.Join(parts, ", ")
}

func (p *plan) foreignKey(r reference) string {
	sql := "FOREIGN KEY (" + p.dialect.quote(r.field.DBName()) + ") " + p.referring(r)
	if r.name != "" {
		return "CONSTRAINT " + p.dialect.quote(r.name) + " " + sql
	}
	return sql
}

func (p *plan) referring(r reference) string {
	target := r.field.References.Target()
	column := target.Field(r.field.References.Field).DBName()
	return "REFERENCES " + qualified(p.dialect, target) + " (" + p.dialect.quote(column) + ") ON DELETE " + r.onDelete
}
