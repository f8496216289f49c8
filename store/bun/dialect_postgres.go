package bunstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// postgres is PostgreSQL 12 and later.
type postgres struct{ returning }

func (postgres) appendPlaceholder(b []byte, n int) []byte {
	return strconv.AppendInt(append(b, '$'), int64(n), 10)
}

func (postgres) encode(_ store.Type, v any) any {
	switch v := v.(type) {
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	}
	return v
}

// cast keeps a number from being taken for one of the column's size, which may
// be less: it would not even get to the server.
func (postgres) cast(f *store.Field) string {
	if isInteger(f) {
		return "::bigint"
	}
	return ""
}

// isInteger tells whether the field is kept as an integer.
func isInteger(f *store.Field) bool { return f.Type == store.Int || f.IDKind() == store.SerialID }

func (postgres) received([]any) {}

// byteOrder also makes text of an id that another program keeps as a uuid or a
// number.
func (postgres) byteOrder() string { return `::text COLLATE "C"` }

func (d postgres) fold(st *statement, f *store.Field) {
	// Folding by the rules of bytes leaves all but ASCII letters alone.
	st.write("lower(")
	st.column(f)
	st.write(d.byteOrder() + ")")
}

func (postgres) nulls(desc bool) string {
	if desc {
		return " NULLS LAST"
	}
	return " NULLS FIRST"
}

func (postgres) equal(st *statement, not bool, o operand, v any) { st.plainEqual(not, o, v) }

// plainEqual is equal where = does what it should.
func (st *statement) plainEqual(not bool, o operand, v any) {
	st.operand(o)
	if not {
		st.write(" <> ")
	} else {
		st.write(" = ")
	}
	st.value(o.field, v)
}

// likeEscape is no backslash, which is special in string literals too on some
// servers.
var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func (postgres) match(st *statement, op store.Op, o operand, s string) {
	st.operand(o)
	if !o.fold {
		st.write("::text")
	}
	st.like(op, likeEscape.Replace(s))
}

// like writes the LIKE for text in which nothing is a wildcard any more.
func (st *statement) like(op store.Op, pattern string) {
	if op != store.OpPrefix {
		pattern = "%" + pattern
	}
	if op != store.OpSuffix {
		pattern += "%"
	}
	st.write(" LIKE ")
	st.arg(pattern)
	st.write(" ESCAPE '!'")
}

// anyOf passes the list as one array, in text form: every driver binds that.
func (d postgres) anyOf(st *statement, not bool, o operand, values []any) {
	st.operand(o)
	if not {
		st.write(" <> ALL(")
	} else {
		st.write(" = ANY(")
	}
	st.arg(arrayText(values))
	if cast := d.cast(o.field); cast != "" {
		st.write(cast + "[]")
	}
	st.write(")")
}

// arrayText is a list as the text of a PostgreSQL array.
func arrayText(values []any) string {
	var b strings.Builder
	for i, v := range values {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		switch v := v.(type) {
		case bool:
			b.WriteString(strconv.FormatBool(v))
		case int64:
			b.WriteString(strconv.FormatInt(v, 10))
		case float64:
			b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
		case time.Time:
			b.WriteString(`"` + postgresTime(v) + `"`)
		case string:
			b.WriteByte('"')
			for i := range len(v) {
				if v[i] == '"' || v[i] == '\\' {
					b.WriteByte('\\')
				}
				b.WriteByte(v[i])
			}
			b.WriteByte('"')
		}
	}
	b.WriteByte('}')
	return b.String()
}

// postgresTime is a time as text. There is no year 0: the one before 1 is 1 BC.
func postgresTime(at time.Time) string {
	text := at.Format(timeLayout)
	if at.Year() == 0 {
		return "0001" + text[4:] + " BC"
	}
	return text
}

func (postgres) sum(st *statement, f *store.Field, n int64) { st.plainSum(f, n) }

// plainSum is sum where + does not go on with an inexact number.
func (st *statement) plainSum(f *store.Field, n int64) {
	st.write("COALESCE(")
	st.column(f)
	st.write(", 0) + ")
	if f.Type == store.Float {
		st.value(f, float64(n))
	} else {
		st.value(f, n)
	}
}

func (postgres) page(st *statement, _ bool, limit, offset int) {
	switch {
	case limit == 1:
		// The planner does better where it can see it.
		st.write(" LIMIT 1")
	case limit >= 0:
		st.write(" LIMIT ")
		st.arg(int64(limit))
	}
	if offset > 0 {
		st.write(" OFFSET ")
		st.arg(int64(offset))
	}
}

func (postgres) learn(context.Context, *Store) error { return nil }

func (postgres) childrenPrefix() string { return "" }

func (postgres) children(st *statement, c *children) {
	c.ordered(st, "json_agg("+c.alias+".r)", "json_build_array", func(st *statement, f *store.Field) {
		switch f.Type {
		case store.String, store.JSON, store.Strings:
			st.column(f)
			st.write("::text")
		case store.Time:
			// Milliseconds: what a time looks like depends on the session.
			st.write("(extract(epoch FROM date_trunc('milliseconds', ")
			st.column(f)
			st.write(")) * 1000)::bigint")
		default:
			st.column(f)
		}
	})
}

func (postgres) makesIDs(store.IDKind) bool { return true }

func (postgres) generatedID() string { return "DEFAULT" }

// mostSkips bounds how often an id that the database has made is taken: about a
// million are skipped by then.
const mostSkips = 20

// insert makes a number again that a row was given: the count does not know of
// those. It takes ever greater steps, and never one back.
func (d postgres) insert(ctx context.Context, s *Store, t *store.Table, r store.Record) (store.Record, error) {
	if r[store.ID] != nil || t.Schema().IDs().Kind() != store.SerialID {
		return d.returning.insert(ctx, s, t, r)
	}
	row, err := store.Record(nil), store.ErrNotFound
	for skip := 0; skip <= mostSkips && errors.Is(err, store.ErrNotFound); skip++ {
		row, err = s.returning(ctx, t, d.numbered(s, t, r, skip))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, &store.DuplicateError{Table: t.Name, Fields: []string{store.ID}}
	}
	return row, err
}

// numbered writes an INSERT that does nothing, and so spares the transaction,
// where the number is taken.
func (d postgres) numbered(s *Store, t *store.Table, r store.Record, skip int) *statement {
	st := s.statement()
	id := t.Field(store.ID).DBName()
	st.insert(t)
	if skip == 0 {
		st.row(t, r, d.generatedID())
	} else {
		st.args = append(st.args, qualified(d, t), id, int64(1)<<skip)
		st.row(t, r, "(SELECT max(nextval(pg_get_serial_sequence($1, $2))) FROM generate_series(1, $3::bigint))")
	}
	st.write(" ON CONFLICT (")
	st.name(id)
	st.write(") DO NOTHING")
	return st
}

// pick is a scalar subquery and no IN: that one could run more than once and
// find another row each time.
//
// A row that is skipped because somebody holds it is not gone: its holder may
// roll back, or have changed something else. So where no free row is left, the
// second subquery waits; PostgreSQL runs it only if the first finds nothing.
//
// A row to be changed is locked as UPDATE does it where no key changes: rows
// that refer to it can be made meanwhile. Otherwise transactions that do both
// would lock each other out.
func (d postgres) pick(st *statement, t *store.Table, w store.Where, toDelete bool) {
	if !toDelete {
		d.pickLocked(st, t, w, " FOR NO KEY UPDATE")
		return
	}
	st.write("COALESCE(")
	d.pickLocked(st, t, w, " FOR UPDATE SKIP LOCKED")
	st.write(", ")
	d.pickLocked(st, t, w, " FOR UPDATE")
	st.write(")")
}

func (postgres) pickLocked(st *statement, t *store.Table, w store.Where, lock string) {
	st.write("(SELECT " + baseAlias + ".")
	st.name(t.Field(store.ID).DBName())
	st.write(" FROM ")
	st.from(t)
	st.where(t, w)
	st.write(" LIMIT 1" + lock + ")")
}

func (postgres) begin(ctx context.Context, c bun.Conn) (bun.Tx, error) {
	return c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// fault reads the SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html.
func (postgres) fault(err error) fault {
	e := postgresError(err)
	if e.code == "" || isConnectError(err) {
		return fault{endsTx: true}
	}
	f := fault{endsTx: true}
	switch e.code {
	case "23505":
		f.kind, f.constraint, f.columns = store.ErrDuplicate, e.constraint, keyColumns(e.detail)
	case "23503", "23001":
		f.kind = store.ErrReference
	case "40001", "40P01":
		f.kind = store.ErrConflict
	case "0A000":
		// A table was changed after the statement had been prepared. It was not
		// carried out, and will be prepared anew.
		if e.routine == "RevalidateCachedQuery" {
			f.kind = store.ErrConflict
		}
	case "42P01", "42703":
		f.stale = true
	case "57014", // cancelled: by a time-out of the server, if not by the caller
		"25006", // a standby, which cannot write
		"26000", // a prepared statement that a pooler has dropped
		"25P03", // idle in a transaction for too long
		"55P03": // a lock that was not to be had in time
		f.kind = store.ErrUnavailable
	default:
		switch e.code[:2] {
		case "22", "23", "54":
			f.kind = store.ErrInvalid
		case "08", "28", "3D", "53", "57", "58":
			f.kind = store.ErrUnavailable
		}
	}
	return f
}

type postgresFields struct{ code, constraint, detail, routine string }

// postgresError finds the server's error, whichever driver brought it.
func postgresError(err error) postgresFields {
	var pgx *pgconn.PgError
	if errors.As(err, &pgx) {
		return postgresFields{pgx.Code, pgx.ConstraintName, pgx.Detail, pgx.Routine}
	}
	// Bun's pgdriver.
	var fields interface{ Field(byte) string }
	if errors.As(err, &fields) {
		return postgresFields{fields.Field('C'), fields.Field('n'), fields.Field('D'), fields.Field('R')}
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return postgresFields{code: state.SQLState()}
	}
	return postgresFields{}
}

func isConnectError(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// keyColumns reads the columns out of a detail such as
//
//	Key (provider_id, "accountId")=(github, 7) already exists.
//
// whose words depend on the server's language.
func keyColumns(detail string) []string {
	_, list, ok := strings.Cut(detail, "(")
	if !ok {
		return nil
	}
	list, _, ok = strings.Cut(list, ")=(")
	if !ok {
		return nil
	}
	columns := strings.Split(list, ", ")
	for i, c := range columns {
		columns[i] = strings.Trim(c, `"`)
	}
	return columns
}

func (postgres) quote(name string) string { return `"` + name + `"` }
