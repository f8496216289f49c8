package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// mysql is MySQL 8.0.14 and MariaDB 10.6, and later ones.
//
// Neither has all of RETURNING, so a row that has to be returned is locked
// first, then written, then read.
type mysql struct{ server *mysqlServer }

// mysqlServer is what a store has learnt of its server.
type mysqlServer struct {
	flavour atomic.Int32
	// counts is which rows the driver counts as those of an UPDATE.
	counts atomic.Int32
}

// Values of flavour. Zero is not known yet, here and below.
const (
	isMySQL int32 = iota + 1
	isMariaDB
)

// Values of counts.
const (
	countsMatched int32 = iota + 1
	countsChanged
)

func newMySQL() mysql { return mysql{server: new(mysqlServer)} }

func (mysql) appendPlaceholder(b []byte, _ int) []byte { return append(b, '?') }

// mysqlTime is a time as text, which is the same whatever the DSN says of
// times.
const mysqlTime = "2006-01-02 15:04:05.000"

func (mysql) encode(_ store.Type, v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case time.Time:
		return v.Format(mysqlTime)
	case json.RawMessage:
		return string(v)
	case []string:
		return jsonArray(v)
	}
	return v
}

func (mysql) cast(*store.Field) string { return "" }

// received takes a time by its clock: what is written is UTC, in whichever zone
// the DSN has it read.
func (mysql) received(values []any) {
	for i, v := range values {
		if at, ok := v.(time.Time); ok {
			values[i] = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		}
	}
}

// byteOrder says nothing: it is that of the collation which the columns are
// made with.
func (mysql) byteOrder() string { return "" }

// fold reads the bytes as text of a character set without other letters that
// have a case: LOWER by the rules of utf8mb4 would change more than ASCII. Thai
// takes every byte as it is.
func (mysql) fold(st *statement, f *store.Field) {
	st.write("CAST(LOWER(CONVERT(CAST(")
	st.column(f)
	st.write(" AS BINARY) USING tis620)) AS BINARY)")
}

func (mysql) nulls(bool) string { return "" }

func (mysql) equal(st *statement, not bool, o operand, v any) { st.plainEqual(not, o, v) }

func (mysql) match(st *statement, op store.Op, o operand, s string) {
	st.operand(o)
	st.like(op, likeEscape.Replace(s))
}

// mostListed is how many values a list holds at most. There are 65,535
// placeholders, and an index is not used for as many.
const mostListed = 10_000

// anyOf writes all values: the driver prepares nothing that outlasts the call,
// and a subquery for the list would keep UPDATE and DELETE from using an index.
func (d mysql) anyOf(st *statement, not bool, o operand, values []any) {
	if len(values) > mostListed {
		d.anyOfJSON(st, not, o, values)
		return
	}
	st.operand(o)
	if not {
		st.write(" NOT")
	}
	st.write(" IN (")
	for i, v := range values {
		if i > 0 {
			st.write(", ")
		}
		st.value(o.field, v)
	}
	st.write(")")
}

func (d mysql) anyOfJSON(st *statement, not bool, o operand, values []any) {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = bound(d, o.field, v)
	}
	// What encode returns always has a JSON form.
	raw, _ := json.Marshal(list)
	column, value, operandEnd := "longtext", "l.v", ""
	switch {
	case isInteger(o.field), o.field.Type == store.Bool:
		column = "bigint"
	case o.field.Type == store.Float:
		column = "double"
	case o.field.Type == store.Time:
		column = "datetime(3)"
	default:
		// Whatever the collations of the two are.
		value, operandEnd = "CAST(l.v AS BINARY)", " AS BINARY)"
		st.write("CAST(")
	}
	st.operand(o)
	st.write(operandEnd)
	if not {
		st.write(" NOT")
	}
	st.write(" IN (SELECT " + value + " FROM JSON_TABLE(")
	st.arg(string(raw))
	st.write(", '$[*]' COLUMNS (v " + column + " PATH '$')) AS l)")
}

func (mysql) sum(st *statement, f *store.Field, n int64) { st.plainSum(f, n) }

func (mysql) page(st *statement, _ bool, limit, offset int) {
	switch {
	case limit == 1:
		st.write(" LIMIT 1")
	case limit >= 0:
		st.write(" LIMIT ")
		st.arg(int64(limit))
	case offset > 0:
		st.write(" LIMIT 18446744073709551615") // there is no OFFSET without
	}
	if offset > 0 {
		st.write(" OFFSET ")
		st.arg(int64(offset))
	}
}

// learn asks which of the two it is: they have no way in common to limit the
// rows of an aggregate.
func (d mysql) learn(ctx context.Context, s *Store) error {
	if d.server.flavour.Load() != 0 {
		return nil
	}
	return s.read(ctx, func(c conn) error {
		var version string
		rows, err := c.QueryContext(ctx, "SELECT VERSION()")
		if err := each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&version) }); err != nil {
			return err
		}
		flavour := isMySQL
		if strings.Contains(version, "MariaDB") {
			flavour = isMariaDB
		}
		d.server.flavour.Store(flavour)
		return nil
	})
}

// childrenPrefix lets a list grow as long as a packet can be, instead of having
// it cut short.
func (d mysql) childrenPrefix() string {
	if d.server.flavour.Load() == isMariaDB {
		return "SET STATEMENT group_concat_max_len = 1073741824 FOR "
	}
	return ""
}

// children is a subquery of a subquery on MySQL, which lets that refer to the
// query around both.
func (d mysql) children(st *statement, c *children) {
	if d.server.flavour.Load() != isMariaDB {
		c.ordered(st, "JSON_ARRAYAGG("+c.alias+".r)", "JSON_ARRAY", mysqlJSON)
		return
	}
	// CONCAT is null where a packet cannot hold its result: that is not to be
	// taken for no rows.
	st.write("(SELECT COALESCE(CONCAT('[', COALESCE(GROUP_CONCAT(")
	c.jsonRow(st, "JSON_ARRAY", mysqlJSON)
	st.write(" ORDER BY ")
	for i, by := range c.sort {
		if i > 0 {
			st.write(", ")
		}
		mariadbOrder(st, c.table.Field(by.Field), by.Desc)
	}
	st.write(" SEPARATOR ','")
	st.dialect.page(st, true, c.limit, 0)
	st.write("), ''), ']'), '[')")
	c.from(st)
	st.write(")")
}

// mariadbOrder says where nulls are to stand, which in GROUP_CONCAT is among the
// values.
func mariadbOrder(st *statement, f *store.Field, desc bool) {
	direction := ""
	if desc {
		direction = " DESC"
	}
	if !f.Required {
		st.column(f)
		st.write(" IS NOT NULL" + direction + ", ")
	}
	st.operand(operand{field: f, bytes: true})
	st.write(direction)
}

// mysqlJSON keeps JSON from becoming part of the array itself, where text that
// holds JSON and a text in JSON look alike.
func mysqlJSON(st *statement, f *store.Field) {
	switch f.Type {
	case store.String, store.JSON, store.Strings:
		st.write("CAST(")
		st.column(f)
		st.write(" AS CHAR CHARACTER SET utf8mb4)")
	default:
		st.column(f)
	}
}

func (mysql) makesIDs(kind store.IDKind) bool { return kind == store.SerialID }

func (mysql) insert(ctx context.Context, s *Store, t *store.Table, r store.Record) (store.Record, error) {
	st := s.statement()
	st.insert(t)
	st.row(t, r, "DEFAULT")
	for attempt := 1; ; attempt++ {
		var id int64
		err := s.failure(ctx, t, s.write(ctx, func(c conn) error {
			result, err := c.ExecContext(ctx, string(st.text), st.args...)
			if err != nil {
				return err
			}
			id, err = result.LastInsertId()
			return err
		}))
		if s.retries(ctx, err, attempt) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return inserted(t, r, id), nil
	}
}

// inserted is the row that a canonical record has become.
func inserted(t *store.Table, r store.Record, id int64) store.Record {
	row := make(store.Record, len(t.Fields))
	for _, f := range t.Fields {
		row[f.Name] = r[f.Name]
	}
	if row[store.ID] == nil {
		row[store.ID] = strconv.FormatInt(id, 10)
	}
	return row
}

// update returns how many rows matched, which the driver tells only if its DSN
// has clientFoundRows. Until it is known to do so, the rows are locked and
// counted first.
func (d mysql) update(ctx context.Context, s *Store, t *store.Table, w store.Where, set store.Record) (int64, error) {
	st := s.statement()
	st.update(t, nil, set)
	st.where(t, w)
	if d.server.counts.Load() == countsMatched {
		return s.affected(ctx, t, st)
	}
	var n int64
	err := s.together(ctx, t, func(c conn) (err error) {
		count := s.statement()
		count.write("SELECT count(*) FROM ")
		count.from(t)
		count.where(t, w)
		count.write(" FOR UPDATE")
		if n, err = count.number(ctx, c); err != nil || n == 0 {
			return err
		}
		if err := d.learnCounts(ctx, s, c, t, w); err != nil {
			return err
		}
		_, err = st.exec(ctx, c)
		return err
	})
	return n, err
}

// learnCounts finds out how the driver counts, by an UPDATE of rows that leaves
// them as they are.
func (d mysql) learnCounts(ctx context.Context, s *Store, c conn, t *store.Table, w store.Where) error {
	if d.server.counts.Load() != 0 {
		return nil
	}
	st := s.statement()
	st.write("UPDATE ")
	st.table(t)
	st.qualify(t)
	st.write(" SET ")
	st.column(t.Field(store.ID))
	st.write(" = ")
	st.column(t.Field(store.ID))
	st.where(t, w)
	n, err := st.exec(ctx, c)
	if err != nil {
		return err
	}
	counts := countsChanged
	if n > 0 {
		counts = countsMatched
	}
	d.server.counts.Store(counts)
	return nil
}

// take prefers a row that nobody else holds. One that is held is not gone: its
// holder may roll back, so where there is no other it is waited for.
func (d mysql) take(ctx context.Context, s *Store, t *store.Table, w store.Where) (store.Record, error) {
	var row store.Record
	err := s.together(ctx, t, func(c conn) (err error) {
		row, err = s.locked(t, w, " SKIP LOCKED").one(ctx, c, t)
		if err == nil && row == nil {
			row, err = s.locked(t, w, "").one(ctx, c, t)
		}
		if err != nil || row == nil {
			return err
		}
		st := s.statement()
		st.delete(t)
		st.byID(t, row[store.ID])
		_, err = st.exec(ctx, c)
		return err
	})
	return found(row, err)
}

func (d mysql) add(ctx context.Context, s *Store, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	var row store.Record
	err := s.together(ctx, t, func(c conn) (err error) {
		row, err = s.locked(t, w, "").one(ctx, c, t)
		if err != nil || row == nil {
			return err
		}
		write := s.statement()
		write.update(t, delta, set)
		write.byID(t, row[store.ID])
		if _, err := write.exec(ctx, c); err != nil {
			return err
		}
		id := row[store.ID]
		if v, changed := set[store.ID]; changed {
			id = v
		}
		read := s.selectRow(t)
		read.byID(t, id)
		row, err = read.one(ctx, c, t)
		return err
	})
	return found(row, err)
}

// locked is a query for one row that matches, locked. It is checked again after
// a wait for it, and then stays as it is.
func (s *Store) locked(t *store.Table, w store.Where, how string) *statement {
	st := s.selectRow(t)
	st.where(t, w)
	st.write(" LIMIT 1 FOR UPDATE" + how)
	return st
}

func (s *Store) selectRow(t *store.Table) *statement {
	st := s.statement()
	st.write("SELECT ")
	st.qualifier = baseAlias + "."
	st.columns(t.Fields)
	st.write(" FROM ")
	st.from(t)
	return st
}

func found(row store.Record, err error) (store.Record, error) {
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return nil, store.ErrNotFound
	}
	return row, nil
}

// together runs the statements of fn in the context's transaction, or in one of
// their own.
func (s *Store) together(ctx context.Context, t *store.Table, fn func(conn) error) error {
	for attempt := 1; ; attempt++ {
		err := s.Tx(ctx, func(ctx context.Context) error {
			return s.failure(ctx, t, s.write(ctx, fn))
		})
		if !s.retries(ctx, err, attempt) {
			return err
		}
	}
}

func (mysql) begin(ctx context.Context, c bun.Conn) (bun.Tx, error) {
	return c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// fault reads the number of the error, which the two have mostly in common:
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-code-reference/.
func (mysql) fault(err error) fault {
	var e *mysqldriver.MySQLError
	if !errors.As(err, &e) {
		f := fault{endsTx: true}
		switch {
		case errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
			f.kind = store.ErrUnavailable
		case errors.Is(err, mysqldriver.ErrPktTooLarge):
			f.kind = store.ErrInvalid
		}
		return f
	}
	switch e.Number {
	case 1062, 1586:
		key := duplicateKey(e.Message)
		return fault{kind: store.ErrDuplicate, constraint: key, columns: []string{key}}
	case 1022, 1169:
		return fault{kind: store.ErrDuplicate}
	case 1216, 1217, 1451, 1452:
		return fault{kind: store.ErrReference}
	case 1146, 1054:
		return fault{stale: true}
	case 1213, // deadlock: the whole transaction is rolled back
		1020, // changed since the transaction read it
		1412, // the table was, since the transaction read
		1615, // or while the statement was prepared again and again
		3101: // lost against another node of a group
		return fault{kind: store.ErrConflict, endsTx: true}
	case 1153: // larger than a packet may be, and the connection is gone
		return fault{kind: store.ErrInvalid, endsTx: true}
	case 1264, 1265, 1292, 1300, 1366, 1406, 1411, 1525, 1690, // a value that does not fit
		1048, 1364, // null, or nothing
		3140, 3141, 3819, 4025, // JSON that is none, a CHECK
		1118, 1390: // a row, a list that is too long
		return fault{kind: store.ErrInvalid}
	case 1021, 1037, 1038, 1041, 1114, 1135, // out of disk, memory, threads
		1040, 1203, 1226, // out of connections, or of what one user may have
		1044, 1045, 1049, 1130, 1129, 1698, // not let in
		1047, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 3169, 4031, // shutting down, cut off
		1205, 1206, 1317, 1969, 3024, 3572, // waited or worked for too long, or for too many rows
		1290, 1792, 1836, 3100: // cannot write
		return fault{kind: store.ErrUnavailable, endsTx: true}
	}
	f := fault{endsTx: true}
	switch string(e.SQLState[:2]) {
	case "22", "23":
		f.kind = store.ErrInvalid
	case "08":
		f.kind = store.ErrUnavailable
	case "40":
		f.kind = store.ErrConflict
	}
	return f
}

// duplicateKey reads the key out of a message such as
//
//	Duplicate entry 'ada@example.com' for key 'users.users_email_uidx'
//
// whose words depend on the server's language, and where only MySQL puts the
// table before it. The value may hold anything.
func duplicateKey(message string) string {
	message = strings.TrimRight(message, "'\".» ")
	if i := strings.LastIndexAny(message, "'\"«."); i >= 0 {
		message = message[i+1:]
	}
	return message
}
