package bunstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

func (sqlite) foldName(name string) string { return strings.ToLower(name) }

func (sqlite) traits() traits {
	return traits{
		noSchemas: "SQLite has no schemas: use Naming.Prefix",
		forward:   true,
		addColumn: "ADD COLUMN ",
		restrict:  "RESTRICT",
		busy:      func(err error) bool { return strings.Contains(err.Error(), "database is locked") },
	}
}

func (sqlite) columnType(c columnDef) string {
	if c.like != "" {
		return c.like
	}
	if c.field.IDKind() == store.SerialID {
		return "integer"
	}
	switch c.field.Type {
	case store.Bool, store.Int:
		return "integer"
	case store.Float:
		return "real"
	case store.Time:
		return "date"
	}
	return "text"
}

// generated also keeps SQLite from giving the number of a deleted row to
// another one.
func (sqlite) generated(ids store.IDs) string {
	if ids.Kind() == store.SerialID && ids.ByDatabase() {
		return " PRIMARY KEY AUTOINCREMENT"
	}
	return ""
}

func (d sqlite) literal(t store.Type, v any) string {
	switch v := d.encode(t, v).(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return quoteText(v)
	}
	return "NULL"
}

// kinds follows the rules of https://www.sqlite.org/datatype3.html section 3.1:
// a type is what its name contains.
func (sqlite) kinds(liveType string) kinds {
	name := strings.ToUpper(liveType)
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(name, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		return kindInt | kindBool | kindFloat
	case has("CHAR", "CLOB", "TEXT"):
		return kindText | kindTime | kindJSON
	case name == "", has("BLOB"):
		return kindText | kindTime | kindJSON | kindInt | kindBool | kindFloat
	case has("REAL", "FLOAT", "DOUBLE"):
		return kindFloat
	}
	// A number where the text is that of one, such as a date is not.
	return kindTime | kindJSON | kindInt | kindBool | kindFloat
}

// lockSchema has nothing left to do: the transaction is the only writer.
func (sqlite) lockSchema(context.Context, conn, string) error { return nil }

func (sqlite) inspect(ctx context.Context, c conn, _ string) (*liveSchema, error) {
	live := newLiveSchema(sqlite{})
	rows, err := c.QueryContext(ctx, `
SELECT m.name, m.type = 'view', c.name, c.type, c."notnull" = 0 AND c.pk = 0,
	c.dflt_value IS NOT NULL OR c.hidden > 1 OR c.pk = 1 AND upper(c.type) = 'INTEGER', '', 0
FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
WHERE m.type IN ('table', 'view') AND c.hidden <> 1`)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT m.name, l.name, l."unique", 1, l.partial = 0, COALESCE(x.name, '')
FROM sqlite_master AS m, pragma_index_list(m.name) AS l, pragma_index_xinfo(l.name) AS x
WHERE m.type = 'table' AND x.key = 1
ORDER BY m.name, l.name, x.seqno`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	// A reference that names no column is one to the primary key.
	rows, err = c.QueryContext(ctx, `
SELECT m.name, f."from", f."table",
	COALESCE(f."to", (SELECT p.name FROM pragma_table_info(f."table") AS p WHERE p.pk = 1), ''),
	CASE f.on_delete WHEN 'NO ACTION' THEN 'RESTRICT' ELSE f.on_delete END
FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table'
AND (SELECT COUNT(*) FROM pragma_foreign_key_list(m.name) AS o WHERE o.id = f.id) = 1`)
	if err := live.readReferences(rows, err); err != nil {
		return nil, err
	}
	return live, nil
}
