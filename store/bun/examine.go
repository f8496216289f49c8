package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// examine asks the rows that are there whether what is planned is safe.
func (p *plan) examine(ctx context.Context, c conn) error {
	for _, f := range p.filled {
		t := p.owner[f]
		found, err := p.hasRows(ctx, c, t, "")
		if err != nil {
			return err
		}
		if found {
			p.refuse("table %q has rows and no column %q, which is required: give the field %q of %q a Default, or let it be null until all rows have a value",
				t.DBName(), f.DBName(), f.Name, t.Name)
		}
	}
	for _, def := range p.pointing {
		if err := p.examineTarget(ctx, c, def); err != nil {
			return err
		}
	}
	for _, u := range p.unique {
		sql := p.repeated(u)
		if sql == "" {
			continue
		}
		n, err := number(ctx, c, sql)
		if err != nil {
			return err
		}
		if n > 0 {
			p.refuse("table %q lacks a unique index over %s, and its rows are not unique: %s; mend the rows first",
				u.table.DBName(), strings.Join(u.index.columns, ", "), occurrences(n))
		}
	}
	return nil
}

// examineTarget looks for the row that rows which are there are to refer to.
func (p *plan) examineTarget(ctx context.Context, c conn, def columnDef) error {
	f, t := def.field, p.owner[def.field]
	target := f.References.Target()
	column := target.Field(f.References.Field).DBName()
	found, err := p.hasRows(ctx, c, t, "")
	switch {
	case err != nil || !found:
		return err
	case p.traits.bareRefer:
		p.refuse("table %q has rows, and no column %q can be added to them that refers to %q and has a value: let the field %q of %q be null until all rows have one",
			t.DBName(), f.DBName(), target.DBName(), f.Name, t.Name)
		return nil
	}
	if p.live.column(target.DBName(), column) != nil {
		found, err = p.hasRows(ctx, c, target, " WHERE "+p.dialect.quote(column)+" = "+p.dialect.literal(f.Type, def.fill))
		if err != nil || found {
			return err
		}
	}
	p.refuse("table %q has rows, and the default of its new column %q refers to no row of %q: add that row first, or let the field %q of %q be null until all rows have a value",
		t.DBName(), f.DBName(), target.DBName(), f.Name, t.Name)
	return nil
}

// hasRows tells whether the table has rows under the condition, empty for any.
func (p *plan) hasRows(ctx context.Context, c conn, t *store.Table, where string) (bool, error) {
	n, err := number(ctx, c, "SELECT CASE WHEN EXISTS (SELECT 1 FROM "+qualified(p.dialect, t)+where+") THEN 1 ELSE 0 END")
	return n > 0, err
}

func occurrences(n int64) string {
	if n == 1 {
		return "1 value occurs more than once"
	}
	return fmt.Sprintf("%d values occur more than once", n)
}

// repeated counts the values that more than one row has. Rows with null in any
// of the columns are unlike all others. It is empty where no two rows can be
// equal.
func (p *plan) repeated(u uniqueRows) string {
	var conditions, groups []string
	for i, name := range u.index.fields {
		f := u.table.Field(name)
		if p.added[f] {
			if !f.Required || fillValue(f) == nil {
				return ""
			}
			continue // the same in all rows
		}
		column := p.dialect.quote(f.DBName())
		conditions = append(conditions, column+" IS NOT NULL")
		if len(u.index.prefix) > 0 && u.index.prefix[i] > 0 {
			column = fmt.Sprintf("LEFT(%s, %d)", column, u.index.prefix[i])
		}
		groups = append(groups, column)
	}
	sql := "SELECT COUNT(*) FROM (SELECT COUNT(*) AS n FROM " + qualified(p.dialect, u.table)
	if len(groups) > 0 {
		sql += " WHERE " + strings.Join(conditions, " AND ") + " GROUP BY " + strings.Join(groups, ", ")
	}
	return sql + " HAVING COUNT(*) > 1) r"
}

func number(ctx context.Context, c conn, query string) (n int64, err error) {
	rows, err := c.QueryContext(ctx, query)
	err = each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}
