package bunstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

func (sqlite) foldName(name string) string { return strings.ToLower(name) }

func (sqlite) columnType(t store.Type) string {
	switch t {
	case store.Bool, store.Int:
		return "integer"
	case store.Float:
		return "real"
	case store.Time:
		return "date"
	}
	return "text"
}

func (d sqlite) literal(t store.Type, v any) string {
	switch v := d.encode(t, v).(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return "NULL"
}

func (sqlite) forwardReferences() bool { return true }

// lockSchema has nothing left to do: the transaction is the only writer.
func (sqlite) lockSchema(context.Context, conn) error { return nil }

func (sqlite) inspect(ctx context.Context, c conn) (*liveSchema, error) {
	live := newLiveSchema(sqlite{})
	rows, err := c.QueryContext(ctx, `
SELECT m.name, c.name, c.type
FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
WHERE m.type IN ('table', 'view') AND c.hidden <> 1`)
	if err := live.readColumns(rows, err); err != nil {
		return nil, err
	}
	rows, err = c.QueryContext(ctx, `
SELECT m.name, l.name, l."unique", l.partial = 0, COALESCE(x.name, '')
FROM sqlite_master AS m, pragma_index_list(m.name) AS l, pragma_index_xinfo(l.name) AS x
WHERE m.type = 'table' AND x.key = 1
ORDER BY m.name, l.name, x.seqno`)
	if err := live.readIndexes(rows, err); err != nil {
		return nil, err
	}
	return live, nil
}
