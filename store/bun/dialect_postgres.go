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

	"github.com/ostiary/ostiary/store"
)

// postgres is PostgreSQL 12 and later.
type postgres struct{}

func (postgres) appendPlaceholder(b []byte, n int) []byte {
	return strconv.AppendInt(append(b, '$'), int64(n), 10)
}

func (postgres) encode(t store.Type, v any) any {
	switch v := v.(type) {
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	case time.Time:
		if beyond(v) != 0 {
			return timeText(v)
		}
	}
	return v
}

func timeText(at time.Time) string {
	return [...]string{"-infinity", at.Format(timeLayout), "infinity"}[beyond(at)+1]
}

// byteOrder also makes text of an id that another program keeps as a uuid or a
// number.
func (postgres) byteOrder() string { return `::text COLLATE "C"` }

// likeEscape is no backslash, which is special in string literals too on some
// servers.
var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func (postgres) match(st *statement, op store.Op, o operand, s string) {
	pattern := likeEscape.Replace(s)
	if op != store.OpPrefix {
		pattern = "%" + pattern
	}
	if op != store.OpSuffix {
		pattern += "%"
	}
	st.operand(o)
	st.write(" LIKE ")
	st.arg(pattern)
	st.write(" ESCAPE '!'")
}

// anyOf passes the list as one array, in text form: every driver binds that.
func (postgres) anyOf(st *statement, not bool, o operand, values []any) {
	st.operand(o)
	if not {
		st.write(" <> ALL(")
	} else {
		st.write(" = ANY(")
	}
	st.arg(arrayText(values))
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
			b.WriteString(`"` + timeText(v) + `"`)
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

func (postgres) sum(st *statement, f *store.Field, n int64) {
	st.write("COALESCE(")
	st.column(f)
	st.write(", 0) + ")
	if f.Type == store.Float {
		st.arg(float64(n))
	} else {
		st.arg(n)
	}
}

func (postgres) page(st *statement, limit, offset int) {
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

// pick is a scalar subquery and no IN: that one could run more than once and
// find another row each time.
//
// A row that is skipped because somebody holds it is not gone: its holder may
// roll back, or have changed something else. So where no free row is left, the
// second subquery waits; PostgreSQL runs it only if the first finds nothing.
func (d postgres) pick(st *statement, t *store.Table, w store.Where, free bool) {
	if !free {
		d.pickLocked(st, t, w, "")
		return
	}
	st.write("COALESCE(")
	d.pickLocked(st, t, w, " SKIP LOCKED")
	st.write(", ")
	d.pickLocked(st, t, w, "")
	st.write(")")
}

func (postgres) pickLocked(st *statement, t *store.Table, w store.Where, how string) {
	st.write("(SELECT " + baseAlias + ".")
	st.name(t.Field(store.ID).DBName())
	st.write(" FROM ")
	st.from(t)
	st.where(t, w)
	st.write(" LIMIT 1 FOR UPDATE" + how + ")")
}

func (postgres) begin(ctx context.Context, db *sql.DB) (transaction, error) {
	return db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
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

type postgresFields struct{ code, constraint, detail string }

// postgresError finds the server's error, whichever driver brought it.
func postgresError(err error) postgresFields {
	var pgx *pgconn.PgError
	if errors.As(err, &pgx) {
		return postgresFields{pgx.Code, pgx.ConstraintName, pgx.Detail}
	}
	// Bun's pgdriver.
	var fields interface{ Field(byte) string }
	if errors.As(err, &fields) {
		return postgresFields{fields.Field('C'), fields.Field('n'), fields.Field('D')}
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
