package bunstore

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// sqlite is SQLite 3.35 and later, the first that returns written rows.
type sqlite struct {
	returning
	// immediate tells that every transaction of the pool begins so.
	immediate bool
}

func (sqlite) appendPlaceholder(b []byte, _ int) []byte { return append(b, '?') }

func (sqlite) encode(_ store.Type, v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case time.Time:
		return v.Format(timeLayout)
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	}
	return v
}

func (sqlite) cast(*store.Field) string { return "" }

func (sqlite) received([]any) {}

// byteOrder says nothing: it is SQLite's own.
func (sqlite) byteOrder() string { return "" }

// fold needs no more than lower, which knows ASCII only.
func (sqlite) fold(st *statement, f *store.Field) {
	st.write("lower(")
	st.column(f)
	st.write(")")
}

func (sqlite) nulls(bool) string { return "" }

func (sqlite) equal(st *statement, not bool, o operand, v any) { st.plainEqual(not, o, v) }

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
		list[i] = bound(d, o.field, v)
		// Without an exponent it may look like an integer, of which SQLite would
		// compare more digits than a float has.
		if f, ok := v.(float64); ok {
			list[i] = json.RawMessage(strconv.FormatFloat(f, 'e', -1, 64))
		}
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
		st.plainSum(f, n)
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

func (sqlite) page(st *statement, _ bool, limit, offset int) {
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

func (sqlite) learn(context.Context, *Store) error { return nil }

func (sqlite) childrenPrefix() string { return "" }

func (sqlite) children(st *statement, c *children) {
	c.ordered(st, "json_group_array(json("+c.alias+".r))", "json_array", func(st *statement, f *store.Field) {
		switch f.Type {
		case store.String, store.JSON, store.Strings, store.Time:
			st.write("CAST(")
			st.column(f)
			st.write(" AS TEXT)")
		case store.Float:
			// As JSON, older versions cut the last digits off.
			st.write("CASE WHEN ")
			st.column(f)
			st.write(" IS NOT NULL THEN printf('%!.17g', ")
			st.column(f)
			st.write(") END")
		default:
			st.column(f)
		}
	})
}

func (sqlite) makesIDs(kind store.IDKind) bool { return kind == store.SerialID }

func (sqlite) generatedID() string { return "NULL" }

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
// with "database is locked", without waiting. The BEGIN that database/sql sent
// has taken no lock yet, unless the driver was told to say IMMEDIATE as well.
func (d sqlite) begin(ctx context.Context, c bun.Conn) (bun.Tx, error) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil || d.immediate {
		return tx, err
	}
	if _, err := tx.Tx.ExecContext(ctx, "ROLLBACK; BEGIN IMMEDIATE"); err != nil {
		_ = tx.Tx.Rollback()
		return bun.Tx{}, err
	}
	return tx, nil
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
