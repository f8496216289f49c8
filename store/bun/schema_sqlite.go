package bunstore

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

func (sqlite) foldName(name string) string { return strings.ToLower(name) }

func (sqlite) traits() traits {
	return traits{
		noSchemas: "SQLite has no schemas: use Naming.Prefix",
		forward:   true,
		coerces:   true,
		anyValue:  true,
		addColumn: "ADD COLUMN ",
		restrict:  "RESTRICT",
		bareRefer: true,
		busy:      func(err error) bool { return strings.Contains(err.Error(), "database is locked") },
	}
}

func (sqlite) columnType(c columnDef) string {
	if c.like != "" && !c.strict {
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
		if !c.strict {
			return "date"
		}
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

// sqliteOrdinary is the condition that m is a table with rows of its own. Any
// question about the columns of another, or of a view, has SQLite load what it
// is made of, and fails where that is missing: they are the application's.
const sqliteOrdinary = `m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL %'`

// sqliteRowID is the condition that the column c of m is the number by which
// SQLite itself knows a row. It has no index, as the table is one.
const sqliteRowID = `(c.pk = 1 AND upper(c.type) = 'INTEGER' AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) AS k WHERE k.origin = 'pk'))`

func (sqlite) inspect(ctx context.Context, c conn, _ string) (*liveSchema, error) {
	live := newLiveSchema(sqlite{})
	declared := map[string]sqliteTable{}
	rows, err := c.QueryContext(ctx, `
SELECT m.name, NOT (`+sqliteOrdinary+`), m.sql FROM sqlite_master AS m WHERE m.type IN ('table', 'view')`)
	err = each(rows, err, func(rows *sql.Rows) error {
		var name, sql string
		var other bool
		if err := rows.Scan(&name, &other, &sql); err != nil {
			return err
		}
		declared[live.foldTable(name)] = parseSQLite(sql)
		live.addTable(name, other).strict = declared[live.foldTable(name)].strict
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT m.name, 0, c.name, c.type, c."notnull" = 0 AND NOT `+sqliteRowID+`,
	c.dflt_value IS NOT NULL OR c.hidden > 1 OR `+sqliteRowID+`, '', 0
FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
WHERE `+sqliteOrdinary+` AND c.hidden <> 1`)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT tbl, idx, uniq, 1, whole, 0, col, coll FROM (
	SELECT m.name AS tbl, l.name AS idx, l."unique" AS uniq, l.partial = 0 AS whole, COALESCE(x.name, '') AS col, x.coll AS coll, x.seqno AS n
	FROM sqlite_master AS m, pragma_index_list(m.name) AS l, pragma_index_xinfo(l.name) AS x
	WHERE `+sqliteOrdinary+` AND x.key = 1
	UNION ALL
	SELECT m.name, '', 1, 1, c.name, 'BINARY', 0
	FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
	WHERE `+sqliteOrdinary+` AND `+sqliteRowID+`
)
ORDER BY tbl, idx, n`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	live.foldSQLite(declared)
	// A reference that names no column is one to the primary key.
	rows, err = c.QueryContext(ctx, `
SELECT m.name, f."from", f."table",
	COALESCE(f."to", (SELECT p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
		WHERE `+sqliteOrdinary+` AND m.name = f."table" COLLATE NOCASE AND p.pk = 1), ''),
	CASE f.on_delete WHEN 'NO ACTION' THEN 'RESTRICT' ELSE f.on_delete END
FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE `+sqliteOrdinary+`
AND (SELECT COUNT(*) FROM pragma_foreign_key_list(m.name) AS o WHERE o.id = f.id) = 1`)
	if err := live.readReferences(rows, err); err != nil {
		return nil, err
	}
	return live, nil
}

// foldSQLite notes the collations of columns. An index that does not compare as
// its column does is none for it.
func (l *liveSchema) foldSQLite(declared map[string]sqliteTable) {
	for name, t := range l.tables {
		for folded, c := range t.columns {
			c.folds = declared[name].collations[folded]
		}
		for _, ix := range l.indexes[name] {
			for i, by := range ix.by {
				own := ""
				if c := t.columns[l.foldName(ix.columns[i])]; c != nil {
					own = c.folds
				}
				if by = exactSQLite(by); by != own {
					ix.full, ix.partial = false, false
				}
				if ix.by[i] = by; by == own {
					ix.by[i] = "" // the column's collation is warned of already
				}
			}
		}
	}
}

// exactSQLite is the name of a collation, empty for the one that compares bytes.
func exactSQLite(collation string) string {
	if collation = strings.ToUpper(collation); collation != "BINARY" {
		return collation
	}
	return ""
}

// sqliteTable is what SQLite tells of a table in no other way than by the
// statement that made it.
type sqliteTable struct {
	strict bool
	// collations are those of columns, by folded name, that take different texts
	// for equal.
	collations map[string]string
}

var sqliteToken = regexp.MustCompile(`--[^\n]*|/\*(?s:.*?)\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|` + "`(?:[^`]|``)*`" + `|[\w$\x{80}-\x{10ffff}]+|\S`)

// parseSQLite reads a statement that SQLite has taken.
func parseSQLite(statement string) sqliteTable {
	t := sqliteTable{collations: map[string]string{}}
	depth, column, last := 0, "", ""
	for _, token := range sqliteToken.FindAllString(statement, -1) {
		if strings.HasPrefix(token, "--") || strings.HasPrefix(token, "/*") {
			continue
		}
		switch {
		case token == "(":
			depth++
		case token == ")":
			depth--
		case depth == 0:
			t.strict = t.strict || (column != "" && strings.EqualFold(token, "STRICT"))
		case depth > 1:
		case last == "(" && column == "", last == ",":
			column = strings.ToLower(unquoteSQLite(token))
		case strings.EqualFold(last, "COLLATE"):
			if by := exactSQLite(unquoteSQLite(token)); by != "" {
				t.collations[column] = by
			}
		}
		last = token
	}
	return t
}

func unquoteSQLite(name string) string {
	if len(name) < 2 {
		return name
	}
	switch quote := name[:1]; quote {
	case "[":
		return name[1 : len(name)-1]
	case `"`, "`", "'":
		return strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
	}
	return name
}
