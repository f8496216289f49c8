package bunstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// The collations that compare bytes and do not pad with spaces. None is known to
// both servers.
const (
	mysqlCollation   = "utf8mb4_0900_bin"
	mariadbCollation = "utf8mb4_nopad_bin"
)

func (mysql) quote(name string) string { return "`" + name + "`" }

func (mysql) foldName(name string) string { return strings.ToLower(name) }

func (mysql) traits() traits {
	return traits{
		forward: true,
		commits: true,
		coerces: true,
		// What InnoDB takes in its usual row format; utf8mb4 is up to 4 bytes.
		keyBytes: 3072, charBytes: 4,
		prefixes:     true,
		namedForeign: true,
		addColumn:    "ADD COLUMN ",
		restrict:     "RESTRICT",
		options:      " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE ",
	}
}

func (mysql) columnType(c columnDef) string {
	if c.like != "" {
		return c.like
	}
	t := mysqlType(c)
	if c.collation != "" && (strings.HasPrefix(t, "varchar") || t == "longtext") {
		t += " CHARACTER SET utf8mb4 COLLATE " + c.collation
	}
	return t
}

func mysqlType(c columnDef) string {
	switch c.field.IDKind() {
	case store.UUIDID:
		return "varchar(" + strconv.Itoa(uuidLength) + ")"
	case store.SerialID:
		return "bigint"
	}
	switch c.field.Type {
	case store.Bool:
		return "tinyint(1)"
	case store.Int:
		return "bigint"
	case store.Float:
		return "double"
	case store.Time:
		return "datetime(3)"
	case store.JSON, store.Strings:
		return "json"
	}
	if c.length > 0 {
		return "varchar(" + strconv.Itoa(c.length) + ")"
	}
	return "longtext"
}

// generated is for numbers only: the server's own UUIDs are of version 1, which
// can be guessed.
func (mysql) generated(ids store.IDs) string {
	if ids.Kind() == store.SerialID && ids.ByDatabase() {
		return " AUTO_INCREMENT"
	}
	return ""
}

// literal puts text and JSON in parentheses: without, MySQL has no default for
// them.
func (d mysql) literal(t store.Type, v any) string {
	switch v := d.encode(t, v).(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		if t == store.Time {
			return quoteText(v)
		}
		return "(" + mysqlText(v) + ")"
	}
	return "NULL"
}

// mysqlText means the same whether the server takes backslashes for escapes or
// not.
func mysqlText(s string) string {
	if strings.Contains(s, `\`) {
		return "CONVERT(X'" + hex.EncodeToString([]byte(s)) + "' USING utf8mb4)"
	}
	return quoteText(s)
}

func (mysql) kinds(liveType string) kinds {
	switch firstWord(liveType) {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return kindText | kindJSON
	case "json":
		return kindJSON
	case "uuid":
		return kindUUID
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return kindBool | kindInt
	case "float", "double", "decimal":
		return kindFloat
	case "datetime", "timestamp":
		// Without fractions, or with less, what is read is not what was written.
		if fractions(liveType, 0) >= 3 {
			return kindTime
		}
	}
	return 0
}

// lockSchema waits for the lock in steps, each shorter than the driver waits for
// an answer. The lock is the connection's, which must not go back to the pool
// with these settings.
func (mysql) lockSchema(ctx context.Context, c conn, schema string) error {
	// Behind a change that waits for a long transaction everybody else waits.
	// MariaDB limits the time of every statement, MySQL that of queries.
	_, err := c.ExecContext(ctx, "SET SESSION lock_wait_timeout = 10 /*M!100000 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */")
	if err != nil {
		return err
	}
	lock := "CONCAT('ostiary!', MD5(" + mysqlDatabase(schema) + "))"
	for {
		var got sql.NullInt64
		rows, err := c.QueryContext(ctx, "SELECT GET_LOCK("+lock+", 1)")
		if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&got) }); err != nil {
			return err
		}
		if got.Int64 == 1 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (mysql) inspect(ctx context.Context, c conn, schema string) (*liveSchema, error) {
	live := newLiveSchema(mysql{})
	live.perTable = true
	if err := live.readMySQL(ctx, c, schema); err != nil {
		return nil, err
	}
	where := mysqlDatabase(schema)
	rows, err := c.QueryContext(ctx, `
SELECT c.TABLE_NAME, t.TABLE_TYPE LIKE '%VIEW%', c.COLUMN_NAME,
	CASE WHEN c.COLLATION_NAME IS NULL THEN c.COLUMN_TYPE
		ELSE CONCAT(c.COLUMN_TYPE, ' CHARACTER SET ', c.CHARACTER_SET_NAME, ' COLLATE ', c.COLLATION_NAME) END,
	c.IS_NULLABLE = 'YES', c.COLUMN_DEFAULT IS NOT NULL OR c.EXTRA LIKE '%auto_increment%' OR c.EXTRA LIKE '%GENERATED%',
	CASE WHEN c.COLLATION_NAME LIKE '%!_nopad!_bin' ESCAPE '!' OR c.COLLATION_NAME = 'utf8mb4_0900_bin' THEN '' ELSE COALESCE(c.COLLATION_NAME, '') END,
	CASE WHEN c.DATA_TYPE LIKE '%text' OR c.DATA_TYPE IN ('json', 'enum', 'set') THEN -1 ELSE COALESCE(c.CHARACTER_MAXIMUM_LENGTH, 0) END
FROM information_schema.COLUMNS c
JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
WHERE c.TABLE_SCHEMA = `+where)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	// An index over the beginning of text serves too: where it is unique it is
	// stricter than needed, and another one would not make it less so.
	rows, err = c.QueryContext(ctx, `
SELECT s.TABLE_NAME, s.INDEX_NAME, s.NON_UNIQUE = 0, s.INDEX_TYPE IN ('BTREE', 'HASH'), 1, 0, COALESCE(s.COLUMN_NAME, ''),
	COALESCE(CONCAT('its first ', s.SUB_PART, ' characters'), '')
FROM information_schema.STATISTICS s
WHERE s.TABLE_SCHEMA = `+where+`
ORDER BY s.TABLE_NAME, s.INDEX_NAME, s.SEQ_IN_INDEX`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT k.TABLE_NAME, MAX(k.COLUMN_NAME), MAX(k.REFERENCED_TABLE_NAME), MAX(k.REFERENCED_COLUMN_NAME), MAX(r.DELETE_RULE)
FROM information_schema.KEY_COLUMN_USAGE k
JOIN information_schema.REFERENTIAL_CONSTRAINTS r
	ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
WHERE k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA AND k.TABLE_SCHEMA = `+where+`
GROUP BY k.TABLE_NAME, k.CONSTRAINT_NAME
HAVING COUNT(*) = 1`)
	if err := live.readReferences(rows, err); err != nil {
		return nil, err
	}
	for _, t := range live.tables {
		for i := range t.references {
			t.references[i].onDelete = sameAction(t.references[i].onDelete, "RESTRICT")
		}
	}
	return live, nil
}

// mysqlDatabase is the name of the database in SQL.
func mysqlDatabase(schema string) string {
	if schema == "" {
		return "DATABASE()"
	}
	return quoteText(schema)
}

// readMySQL finds out which server it is, and whether there is the database.
func (l *liveSchema) readMySQL(ctx context.Context, c conn, schema string) error {
	var version string
	var sensitive bool
	var database sql.NullString
	rows, err := c.QueryContext(ctx, `
SELECT VERSION(), @@lower_case_table_names = 0, (SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = `+mysqlDatabase(schema)+`)`)
	if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&version, &sensitive, &database) }); err != nil {
		return err
	}
	l.collation = mysqlCollation
	if strings.Contains(version, "MariaDB") {
		l.collation = mariadbCollation
	}
	if sensitive {
		l.foldTable = func(name string) string { return name }
	}
	switch {
	case database.Valid:
		return nil
	case schema != "":
		return fmt.Errorf("%w: the server has no database %q: create it first", store.ErrInvalid, schema)
	}
	return fmt.Errorf("%w: the connection has chosen no database: name one in its URL", store.ErrInvalid)
}
