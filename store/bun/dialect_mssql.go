package bunstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// mssql is SQL Server 2017 and later.
type mssql struct{ returning }

func (mssql) appendPlaceholder(b []byte, n int) []byte {
	return strconv.AppendInt(append(b, "@p"...), int64(n), 10)
}

// mssqlTime is a time as text: bound as a time it would be one with an offset,
// and the column converted to compare it.
const mssqlTime = "2006-01-02T15:04:05.000"

func (mssql) encode(_ store.Type, v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(mssqlTime)
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	}
	return v
}

func (mssql) cast(*store.Field) string { return "" }

func (mssql) received([]any) {}

func (mssql) byteOrder() string { return mssqlCollation }

// fold is not LOWER, which knows the letters of every language.
func (mssql) fold(st *statement, f *store.Field) {
	st.write("TRANSLATE(")
	st.column(f)
	st.write(mssqlCollation + ", N'ABCDEFGHIJKLMNOPQRSTUVWXYZ', N'abcdefghijklmnopqrstuvwxyz')")
}

func (mssql) nulls(bool) string { return "" }

// equal compares the lengths as well: = takes text that differs in spaces at its
// end for the same.
func (d mssql) equal(st *statement, not bool, o operand, v any) {
	if !isText(o.field) {
		st.plainEqual(not, o, v)
		return
	}
	and, same := " AND ", " = "
	if not {
		and, same = " OR ", " <> "
	}
	st.write("(")
	st.plainEqual(not, o, v)
	n := len(st.args)
	st.write(and)
	d.size(st, func() { st.operand(o) })
	st.write(same)
	d.size(st, func() { st.text = d.appendPlaceholder(st.text, n) })
	st.write(")")
}

// size writes how many bytes a text is, with the spaces at its end, the same for
// every type of text.
func (mssql) size(st *statement, text func()) {
	st.write("DATALENGTH(CAST(")
	text()
	st.write(" AS nvarchar(max)))")
}

var mssqlLikeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_", "[", "![")

func (mssql) match(st *statement, op store.Op, o operand, s string) {
	if isInteger(o.field) {
		st.write("CAST(")
		st.column(o.field)
		st.write(" AS nvarchar(20))")
	} else {
		st.operand(o)
		if !o.fold {
			st.write(mssqlCollation)
		}
	}
	st.like(op, mssqlLikeEscape.Replace(s))
}

// anyOf passes the list as one JSON array.
func (d mssql) anyOf(st *statement, not bool, o operand, values []any) {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = bound(d, o.field, v)
	}
	// What encode returns always has a JSON form.
	raw, _ := json.Marshal(list)
	from := func(column string) {
		st.write(" FROM OPENJSON(")
		st.arg(string(raw))
		st.write(") WITH (v " + column + " N'$') AS l")
	}
	if column := mssqlListed(o.field); column != "" {
		st.operand(o)
		if not {
			st.write(" NOT")
		}
		st.write(" IN (SELECT l.v")
		from(column)
		st.write(")")
		return
	}
	if not {
		st.write("NOT ")
	}
	st.write("EXISTS (SELECT 1")
	from("nvarchar(max)")
	st.write(" WHERE ")
	st.operand(o)
	st.write(" = l.v" + mssqlCollation + " AND ")
	d.size(st, func() { st.operand(o) })
	st.write(" = DATALENGTH(l.v))")
}

// mssqlListed is the type that values of the field have in a list, or "" where
// it is text.
func mssqlListed(f *store.Field) string {
	switch {
	case isInteger(f):
		return "bigint"
	case f.Type == store.Bool:
		return "bit"
	case f.Type == store.Float:
		return "float"
	case f.Type == store.Time:
		return "datetime2(3)"
	}
	return ""
}

func (mssql) sum(st *statement, f *store.Field, n int64) { st.plainSum(f, n) }

// page needs an order, if only one that says nothing.
func (mssql) page(st *statement, ordered bool, limit, offset int) {
	if limit < 0 && offset == 0 {
		return
	}
	if !ordered {
		st.write(" ORDER BY (SELECT NULL)")
	}
	if offset == 0 {
		st.write(" OFFSET 0 ROWS")
	} else {
		st.write(" OFFSET ")
		st.arg(int64(offset))
		st.write(" ROWS")
	}
	switch {
	case limit == 1:
		st.write(" FETCH NEXT 1 ROWS ONLY")
	case limit >= 0:
		st.write(" FETCH NEXT ")
		st.arg(int64(limit))
		st.write(" ROWS ONLY")
	}
}

func (mssql) learn(context.Context, *Store) error { return nil }

func (mssql) childrenPrefix() string { return "" }

// children are objects, as no function makes an array of a row, with the
// positions of the fields for names.
func (mssql) children(st *statement, c *children) {
	st.write("(SELECT ")
	st.qualifier = c.alias + "."
	for i, f := range c.table.Fields {
		if i > 0 {
			st.write(", ")
		}
		switch f.Type {
		case store.String, store.JSON, store.Strings:
			st.write("CAST(")
			st.column(f)
			st.write(" AS nvarchar(max))")
		case store.Float:
			// Style 3 keeps every bit.
			st.write("CONVERT(nvarchar(32), ")
			st.column(f)
			st.write(", 3)")
		case store.Time:
			st.write("CONVERT(nvarchar(40), ")
			st.column(f)
			st.write(", 126)")
		default:
			st.column(f)
		}
		st.write(" AS [" + strconv.Itoa(i) + "]")
	}
	c.from(st)
	c.page(st)
	st.write(" FOR JSON PATH, INCLUDE_NULL_VALUES)")
}

// makesIDs is true of UUIDs as well: the column has a default.
func (mssql) makesIDs(store.IDKind) bool { return true }

// insert leaves the column of an id out that the database makes, as nothing
// stands for it, and lets one in that is given where the database counts.
func (d mssql) insert(ctx context.Context, s *Store, t *store.Table, r store.Record) (store.Record, error) {
	st := s.statement()
	fields, counted := t.Fields, false
	if r[store.ID] == nil {
		fields = t.Fields[1:] // every table's first field is its id
	} else {
		ids := t.Schema().IDs()
		counted = ids.ByDatabase() && ids.Kind() == store.SerialID
	}
	if counted {
		d.setIdentityInsert(st, t, "ON; ")
	}
	st.write("INSERT INTO ")
	st.table(t)
	if len(fields) > 0 {
		st.write(" (")
		st.columns(fields)
		st.write(")")
	}
	d.output(st, t, "INSERTED")
	if len(fields) == 0 {
		st.write(" DEFAULT VALUES")
	} else {
		st.qualifier = ""
		st.write(" ")
		st.values(fields, r)
	}
	if counted {
		st.write("; ")
		d.setIdentityInsert(st, t, "OFF")
	}
	return s.written(ctx, t, st)
}

func (mssql) setIdentityInsert(st *statement, t *store.Table, to string) {
	st.write("SET IDENTITY_INSERT ")
	st.table(t)
	st.write(" " + to)
}

// output writes what a write returns, which stands before its VALUES or WHERE.
func (mssql) output(st *statement, t *store.Table, from string) {
	st.write(" OUTPUT ")
	st.qualifier = from + "."
	st.columns(t.Fields)
}

func (d mssql) take(ctx context.Context, s *Store, t *store.Table, w store.Where) (store.Record, error) {
	st := s.statement()
	st.delete(t)
	d.output(st, t, "DELETED")
	st.qualify(t)
	st.picked(t, w, true)
	return s.written(ctx, t, st)
}

func (d mssql) add(ctx context.Context, s *Store, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	st := s.statement()
	st.update(t, delta, set)
	d.output(st, t, "INSERTED")
	st.qualify(t)
	st.picked(t, w, false)
	return s.written(ctx, t, st)
}

// pick is no COALESCE, which SQL Server carries out twice.
//
// A row that is skipped because somebody holds it is not gone: its holder may
// roll back. So where no free row is left, the second subquery waits.
func (d mssql) pick(st *statement, t *store.Table, w store.Where, toDelete bool) {
	if !toDelete {
		d.pickLocked(st, t, w, "UPDLOCK, ROWLOCK")
		return
	}
	st.write("ISNULL(")
	d.pickLocked(st, t, w, "UPDLOCK, ROWLOCK, READPAST")
	st.write(", ")
	d.pickLocked(st, t, w, "UPDLOCK, ROWLOCK")
	st.write(")")
}

func (mssql) pickLocked(st *statement, t *store.Table, w store.Where, hints string) {
	st.write("(SELECT TOP (1) " + baseAlias + ".")
	st.name(t.Field(store.ID).DBName())
	st.write(" FROM ")
	st.from(t)
	st.write(" WITH (" + hints + ")")
	st.where(t, w)
	st.write(")")
}

func (mssql) begin(ctx context.Context, c bun.Conn) (bun.Tx, error) {
	return c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// fault reads the number of the error,
// https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors.
func (mssql) fault(err error) fault {
	f := fault{endsTx: true}
	var e interface {
		SQLErrorNumber() int32
		SQLErrorMessage() string
	}
	if !errors.As(err, &e) {
		return f
	}
	switch e.SQLErrorNumber() {
	case 2601, 2627:
		return fault{kind: store.ErrDuplicate, constraint: mssqlConstraint(e.SQLErrorNumber(), e.SQLErrorMessage())}
	case 547:
		f.endsTx = false
		f.kind = store.ErrReference
		if strings.Contains(e.SQLErrorMessage(), "CHECK") {
			f.kind = store.ErrInvalid
		}
	case 515: // null
		f.endsTx = false
		f.kind = store.ErrInvalid
	case 207, 208: // a column, a table
		f.stale = true
	case 1205, // deadlock: the whole transaction is rolled back
		3960, 3961: // changed since the transaction read it
		f.kind = store.ErrConflict
	case 220, 232, 8115, 8152, 2628, // a value that does not fit
		241, 242, 245, 248, 295, 8114, 8023, 8116, // or is of no such type
		511, 1946, // a row, a key that is too long
		544, 545, 8101, 8106, // an id where the database makes none, or only it does
		8003, 13609: // too many parameters, JSON that is none
		f.kind = store.ErrInvalid
	case 64, 233, 10053, 10054, 10060, 121, 17142, 6005, 596, // cut off, shutting down
		4060, 4064, 18401, 18451, 18452, 18456, 40532, // not let in
		701, 802, 1101, 1105, 3257, 8645, 8651, 9002, // out of memory, disk, log
		1222, 3617, // waited for too long, cancelled
		924, 927, 945, 976, 978, 982, 983, 3906, 3908, // offline, moving, cannot write
		10928, 10929, 40143, 40197, 40501, 40540, 40544, 40549, 40550, 40551, 40552, 40553, 40613, 49918, 49919, 49920: // Azure's own
		f.kind = store.ErrUnavailable
	}
	return f
}

var quoted = regexp.MustCompile(`'([^']*)'`)

// mssqlConstraint reads the name out of a message such as
//
//	Violation of UNIQUE KEY constraint 'users_email_key'. Cannot insert duplicate key in object 'dbo.users'. The duplicate key value is (x).
//	Cannot insert duplicate key row in object 'dbo.users' with unique index 'users_email_uidx'. The duplicate key value is (x).
//
// whose words depend on the server's language.
func mssqlConstraint(number int32, message string) string {
	names := quoted.FindAllStringSubmatch(message, 2)
	i := 0
	if number == 2601 {
		i = 1
	}
	if len(names) <= i {
		return ""
	}
	return names[i][1]
}
