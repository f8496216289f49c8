package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

func (postgres) foldName(name string) string { return name }

func (postgres) columnType(t store.Type) string {
	switch t {
	case store.Bool:
		return "boolean"
	case store.Int:
		return "bigint"
	case store.Float:
		return "double precision"
	case store.Time:
		return "timestamptz"
	case store.JSON, store.Strings:
		return "jsonb"
	}
	return "text"
}

func (d postgres) literal(t store.Type, v any) string {
	switch v := d.encode(t, v).(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return "'" + v.Format(timeLayout) + "'"
	case string:
		quoted := "'" + strings.ReplaceAll(v, "'", "''") + "'"
		if strings.Contains(v, `\`) {
			// Means the same whatever standard_conforming_strings says.
			return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
		}
		return quoted
	}
	return "NULL"
}

func (postgres) forwardReferences() bool { return false }

// schemaLock is the advisory lock of migrations. Any number will do that others
// do not use: this one is "ostiary!" in ASCII.
const schemaLock int64 = 0x6f73746961727921

// lockSchema also lifts the time-outs that [Open] sets: an index on a large
// table takes its time, and so do the migrations of others that are waited for.
func (postgres) lockSchema(ctx context.Context, c conn) error {
	for _, sql := range []string{
		"SET LOCAL statement_timeout = 0",
		"SELECT pg_advisory_xact_lock(" + strconv.FormatInt(schemaLock, 10) + ")",
		// Behind a change that waits for a long transaction everybody else waits.
		"SET LOCAL lock_timeout = '10s'",
	} {
		if _, err := c.ExecContext(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (postgres) inspect(ctx context.Context, c conn) (*liveSchema, error) {
	live := newLiveSchema(postgres{})
	var schema sql.NullString
	rows, err := c.QueryContext(ctx, "SELECT current_schema()")
	if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&schema) }); err != nil {
		return nil, err
	}
	if !schema.Valid {
		return nil, fmt.Errorf("%w: no schema of the search_path exists, or the user may not use it", store.ErrInvalid)
	}
	rows, err = c.QueryContext(ctx, `
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	// A full index is one over plain columns, of all rows, that can be used.
	rows, err = c.QueryContext(ctx, `
SELECT c.relname::text, i.relname::text, x.indisunique,
	x.indpred IS NULL AND x.indexprs IS NULL AND x.indisvalid AND m.amname = 'btree',
	COALESCE(a.attname::text, '')
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am m ON m.oid = i.relam
JOIN pg_class c ON c.oid = x.indrelid
CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, position)
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE k.position <= x.indnkeyatts
AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
ORDER BY c.relname, i.relname, k.position`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	return live, nil
}
