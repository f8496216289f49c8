package bunstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

// mssqlCollation compares text by its bytes, like the other databases.
const mssqlCollation = " COLLATE Latin1_General_100_BIN2"

func (mssql) quote(name string) string { return "[" + name + "]" }

func (mssql) foldName(name string) string { return strings.ToLower(name) }

func (mssql) traits() traits {
	return traits{
		// What an index that is not the table's order takes; nvarchar is 2 bytes.
		keyBytes: 1700, charBytes: 2,
		namedForeign: true,
		namedPrimary: true,
		oneNull:      true,
		onePath:      true,
		coerces:      true,
		addColumn:    "ADD ",
		restrict:     "NO ACTION",
		guard:        mssqlGuard,
	}
}

// columnType keeps a UUID as text: as uniqueidentifier it would be ordered by
// its last bytes first, and compared as what the text of a parameter converts
// to.
func (mssql) columnType(c columnDef) string {
	if c.like != "" {
		return c.like
	}
	switch c.field.IDKind() {
	case store.UUIDID:
		return nvarchar(uuidLength)
	case store.SerialID:
		return "bigint"
	}
	switch c.field.Type {
	case store.Bool:
		return "bit"
	case store.Int:
		return "bigint"
	case store.Float:
		return "float"
	case store.Time:
		return "datetime2(3)"
	}
	return nvarchar(c.length)
}

func nvarchar(length int) string {
	size := "max"
	if length > 0 {
		size = strconv.Itoa(length)
	}
	return "nvarchar(" + size + ")" + mssqlCollation
}

func (mssql) generated(ids store.IDs) string {
	switch {
	case !ids.ByDatabase():
		return ""
	case ids.Kind() == store.SerialID:
		return " IDENTITY(1, 1)"
	}
	return " DEFAULT LOWER(CONVERT(nvarchar(36), NEWID()))"
}

func (mssql) literal(_ store.Type, v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return "'" + v.UTC().Format("2006-01-02T15:04:05.000") + "'"
	case []string:
		return "N" + quoteText(jsonArray(v))
	case json.RawMessage:
		return "N" + quoteText(string(v))
	case string:
		return "N" + quoteText(v)
	}
	return "NULL"
}

func (mssql) kinds(liveType string) kinds {
	switch firstWord(liveType) {
	case "nvarchar", "varchar", "nchar", "char", "ntext", "text":
		return kindText | kindJSON
	case "uniqueidentifier":
		return kindUUID
	case "bit":
		return kindBool
	case "tinyint", "smallint", "int", "bigint":
		return kindBool | kindInt
	case "float", "real", "decimal", "numeric":
		return kindFloat
	case "datetime2", "datetimeoffset":
		if fractions(liveType, 7) >= 3 {
			return kindTime
		}
	}
	return 0
}

// mssqlGuard lets a script run again from its beginning.
func mssqlGuard(c *change, sql string) string {
	d := mssql{}
	table := "N" + quoteText(qualified(d, c.table))
	switch {
	case c.create:
		return "IF OBJECT_ID(" + table + ") IS NULL\n" + sql
	case len(c.columns) > 0:
		return "IF COL_LENGTH(" + table + ", N" + quoteText(c.columns[0].field.DBName()) + ") IS NULL\n" + sql
	case len(c.indexes) > 0:
		return "IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(" + table + ") AND name = N" + quoteText(c.indexes[0].name) + ")\n" + sql
	}
	return "IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(" + table + ") AND name = N" + quoteText(c.references[0].name) + ")\n" + sql
}

// lockSchema takes a lock that ends with the transaction.
func (mssql) lockSchema(ctx context.Context, c conn, _ string) error {
	var got int
	rows, err := c.QueryContext(ctx, `
DECLARE @got int;
EXEC @got = sp_getapplock @Resource = N'ostiary!', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = -1;
SELECT @got`)
	if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&got) }); err != nil {
		return err
	}
	if got < 0 {
		return fmt.Errorf("%w: the lock of migrations was not to be had: sp_getapplock says %d", store.ErrUnavailable, got)
	}
	// Behind a change that waits for a long transaction everybody else waits.
	_, err = c.ExecContext(ctx, "SET LOCK_TIMEOUT 10000")
	return err
}

func (mssql) inspect(ctx context.Context, c conn, schema string) (*liveSchema, error) {
	live := newLiveSchema(mssql{})
	live.perTable = true
	id, err := mssqlSchema(ctx, c, schema)
	if err != nil {
		return nil, err
	}
	rows, err := c.QueryContext(ctx, `
SELECT o.name, CASE o.type WHEN 'V' THEN 1 ELSE 0 END, c.name,
	y.name + CASE
		WHEN y.name IN ('nvarchar', 'nchar', 'varchar', 'char')
			THEN '(' + CASE c.max_length WHEN -1 THEN 'max' ELSE CONVERT(varchar(10), COLUMNPROPERTY(c.object_id, c.name, 'charmaxlen')) END + ')'
		WHEN y.name IN ('datetime2', 'datetimeoffset') THEN '(' + CONVERT(varchar(10), c.scale) + ')'
		WHEN y.name IN ('decimal', 'numeric') THEN '(' + CONVERT(varchar(10), c.precision) + ', ' + CONVERT(varchar(10), c.scale) + ')'
		ELSE '' END + COALESCE(' COLLATE ' + c.collation_name, ''),
	c.is_nullable, CASE WHEN c.default_object_id <> 0 OR c.is_identity = 1 OR c.is_computed = 1 THEN 1 ELSE 0 END,
	CASE WHEN c.collation_name LIKE '%[_]BIN%' THEN '' ELSE COALESCE(c.collation_name, '') END,
	CASE WHEN y.name IN ('text', 'ntext') OR c.max_length = -1 THEN -1 ELSE COALESCE(COLUMNPROPERTY(c.object_id, c.name, 'charmaxlen'), 0) END
FROM sys.objects o
JOIN sys.columns c ON c.object_id = o.object_id
JOIN sys.types y ON y.user_type_id = c.user_type_id
WHERE o.type IN ('U', 'V') AND o.schema_id = `+id)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	// A unique index of the rows that have values is what others have by itself.
	rows, err = c.QueryContext(ctx, `
SELECT o.name, i.name, i.is_unique, CASE WHEN i.type IN (1, 2) AND i.is_disabled = 0 THEN 1 ELSE 0 END,
	CASE WHEN i.has_filter = 0 OR i.is_unique = 1 AND i.filter_definition LIKE '%IS NOT NULL%'
		AND i.filter_definition NOT LIKE '%[<>=]%' AND i.filter_definition NOT LIKE '%IS NULL%' THEN 1 ELSE 0 END,
	CASE WHEN i.is_unique = 1 AND i.has_filter = 0 THEN 1 ELSE 0 END,
	c.name, ''
FROM sys.objects o
JOIN sys.indexes i ON i.object_id = o.object_id AND i.name IS NOT NULL
JOIN sys.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.is_included_column = 0
JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE o.type = 'U' AND o.schema_id = `+id+`
ORDER BY o.name, i.name, x.key_ordinal`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT o.name, MAX(a.name), MAX(r.name), MAX(b.name),
	MAX(CASE k.delete_referential_action WHEN 1 THEN 'CASCADE' WHEN 2 THEN 'SET NULL' WHEN 3 THEN 'SET DEFAULT' ELSE 'NO ACTION' END)
FROM sys.foreign_keys k
JOIN sys.objects o ON o.object_id = k.parent_object_id
JOIN sys.objects r ON r.object_id = k.referenced_object_id AND r.schema_id = o.schema_id
JOIN sys.foreign_key_columns f ON f.constraint_object_id = k.object_id
JOIN sys.columns a ON a.object_id = f.parent_object_id AND a.column_id = f.parent_column_id
JOIN sys.columns b ON b.object_id = f.referenced_object_id AND b.column_id = f.referenced_column_id
WHERE o.schema_id = `+id+`
GROUP BY o.name, k.object_id
HAVING COUNT(*) = 1`)
	if err := live.readReferences(rows, err); err != nil {
		return nil, err
	}
	return live, nil
}

// mssqlSchema is the number by which the server knows a schema.
func mssqlSchema(ctx context.Context, c conn, schema string) (string, error) {
	name := "SCHEMA_NAME()"
	if schema != "" {
		name = "N" + quoteText(schema)
	}
	var id sql.NullInt64
	rows, err := c.QueryContext(ctx, "SELECT SCHEMA_ID("+name+")")
	if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&id) }); err != nil {
		return "", err
	}
	if !id.Valid {
		return "", fmt.Errorf("%w: the database has no schema %q: create it first", store.ErrInvalid, schema)
	}
	return strconv.FormatInt(id.Int64, 10), nil
}
