package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ostiary/ostiary/store"
)

// sqlite is SQLite 3.35 and later, the first that returns written rows.
type sqlite struct{}

func (sqlite) appendPlaceholder(b []byte, _ int) []byte { return append(b, '?') }

func (sqlite) encode(_ store.Type, v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case time.Time:
		// What is beyond all times sorts beyond them.
		return [...]string{"-", v.Format(timeLayout), "~"}[beyond(v)+1]
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	}
	return v
}

// byteOrder says nothing: it is SQLite's own.
func (sqlite) byteOrder() string { return "" }

// match does without LIKE, which ignores case, and GLOB, whose patterns are
// limited in length.
func (sqlite) match(st *statement, op store.Op, o operand, s string) {
	switch {
	case s == "":
		st.column(o.field)
		st.write(" IS NOT NULL")
	case op == store.OpContains:
		st.write("instr(")
		st.operand(o)
		st.write(", ")
		st.arg(s)
		st.write(") > 0")
	case op == store.OpPrefix:
		st.write("substr(")
		st.operand(o)
		st.write(", 1, ")
		st.arg(int64(utf8.RuneCountInString(s)))
		st.write(") = ")
		st.arg(s)
	default:
		st.write("substr(")
		st.operand(o)
		st.write(", ")
		st.arg(-int64(utf8.RuneCountInString(s)))
		st.write(") = ")
		st.arg(s)
	}
}

// anyOf passes the list as one JSON array.
func (d sqlite) anyOf(st *statement, not bool, o operand, values []any) {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = d.encode(o.field.Type, v)
	}
	// What encode returns always has a JSON form.
	raw, _ := json.Marshal(list)
	st.operand(o)
	if not {
		st.write(" NOT")
	}
	st.write(" IN (SELECT value FROM json_each(")
	st.arg(string(raw))
	st.write("))")
}

// sum refuses what does not fit: SQLite itself would go on with an inexact
// number. abs of the least integer is the one way to raise an error.
func (sqlite) sum(st *statement, f *store.Field, n int64) {
	if f.Type == store.Float {
		st.write("COALESCE(")
		st.column(f)
		st.write(", 0) + ")
		st.arg(float64(n))
		return
	}
	st.write("CASE typeof(COALESCE(")
	st.column(f)
	st.write(", 0) + ")
	st.arg(n)
	st.write(") WHEN 'integer' THEN COALESCE(")
	st.column(f)
	st.write(", 0) + ")
	st.arg(n)
	st.write(" ELSE abs(-9223372036854775807 - 1) END")
}

func (sqlite) page(st *statement, limit, offset int) {
	switch {
	case limit == 1:
		st.write(" LIMIT 1")
	case limit >= 0:
		st.write(" LIMIT ")
		st.arg(int64(limit))
	case offset > 0:
		st.write(" LIMIT -1") // there is no OFFSET without
	}
	if offset > 0 {
		st.write(" OFFSET ")
		st.arg(int64(offset))
	}
}

// pick needs no locks: a statement that writes is alone.
func (sqlite) pick(st *statement, t *store.Table, w store.Where, _ bool) {
	st.write("(SELECT " + baseAlias + ".")
	st.name(t.Field(store.ID).DBName())
	st.write(" FROM ")
	st.from(t)
	st.where(t, w)
	st.write(" LIMIT 1)")
}

// begin says BEGIN IMMEDIATE itself, as database/sql cannot: a transaction that
// begins by reading and finds another writer when it comes to writing fails
// with "database is locked", without waiting.
func (sqlite) begin(ctx context.Context, db *sql.DB) (transaction, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		x := &sqliteTx{c}
		return nil, errors.Join(err, x.Rollback())
	}
	return &sqliteTx{c}, nil
}

// sqliteTx is a transaction begun on a connection of its own. What ends it runs
// without the caller's context, which may be done.
type sqliteTx struct{ *sql.Conn }

func (x *sqliteTx) Commit() error {
	if _, err := x.ExecContext(context.Background(), "COMMIT"); err != nil {
		return errors.Join(err, x.Rollback())
	}
	return x.Close()
}

// Rollback gives the connection back to the pool only if it is out of the
// transaction for certain.
func (x *sqliteTx) Rollback() error {
	_, err := x.ExecContext(context.Background(), "ROLLBACK")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		_ = x.Raw(func(any) error { return driver.ErrBadConn })
	}
	return x.Close()
}

// fault reads the extended result code, https://www.sqlite.org/rescode.html,
// and the message, which is SQLite's own with every driver.
func (sqlite) fault(err error) fault {
	message := err.Error()
	switch {
	case strings.Contains(message, "UNIQUE constraint failed"):
		return fault{kind: store.ErrDuplicate, columns: uniqueColumns(message)}
	case strings.Contains(message, "FOREIGN KEY constraint failed"):
		return fault{kind: store.ErrReference}
	case strings.Contains(message, "constraint failed"):
		return fault{kind: store.ErrInvalid}
	case strings.Contains(message, "integer overflow"):
		return fault{kind: store.ErrInvalid}
	case strings.Contains(message, "no such table"), strings.Contains(message, "no such column"), strings.Contains(message, "has no column named"):
		return fault{stale: true}
	}
	// Anything else may have rolled the transaction back: SQLite does so by
	// itself when it is interrupted or out of space. Statements after that
	// would run outside of it.
	f := fault{endsTx: true}
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		if strings.Contains(message, "database is locked") {
			f.kind = store.ErrUnavailable
		}
		return f
	}
	const busy, locked, nomem, readonly, ioerr, corrupt, full, cantopen, protocol, toobig, notadb = 5, 6, 7, 8, 10, 11, 13, 14, 15, 18, 26
	switch coded.Code() & 0xff {
	case busy, locked, nomem, readonly, ioerr, corrupt, full, cantopen, protocol, notadb:
		f.kind = store.ErrUnavailable
	case toobig:
		f.kind = store.ErrInvalid
	}
	return f
}

var uniqueFailed = regexp.MustCompile(`UNIQUE constraint failed: ([\w., ]+)`)

// uniqueColumns reads the columns out of a message such as
//
//	UNIQUE constraint failed: accounts.provider_id, accounts.account_id (2067)
func uniqueColumns(message string) []string {
	m := uniqueFailed.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	columns := strings.Split(strings.TrimSpace(m[1]), ", ")
	for i, c := range columns {
		if _, name, ok := strings.Cut(c, "."); ok {
			columns[i] = name
		}
	}
	return columns
}

func (sqlite) quote(name string) string { return `"` + name + `"` }
