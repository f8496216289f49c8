package bunstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mssqldialect"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/schema"

	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// SQL Server, and MySQL itself, have no server in these tests. What the store
// would run on them is read by people, in the files that this compares with.
func TestStatementsForDatabasesWithoutAServer(t *testing.T) {
	t.Parallel()
	for name, dialect := range map[string]schema.Dialect{"mssql": quietSQLServer{mssqldialect.New()}, "mysql": quietMySQL{mysqldialect.New()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name+"_statements.golden", statementsFor(t, dialect))
		})
	}
}

// Bun would ask the server for its version, and log that it gets none.
type (
	quietSQLServer struct{ *mssqldialect.Dialect }
	quietMySQL     struct{ *mysqldialect.Dialect }
)

func (quietSQLServer) Init(*sql.DB) {}
func (quietMySQL) Init(*sql.DB)     {}

// statementsFor runs every kind of call and returns what was sent for it.
func statementsFor(t *testing.T, dialect schema.Dialect) string {
	t.Helper()
	server := &scribe{}
	pool := sql.OpenDB(server)
	t.Cleanup(func() { _ = pool.Close() })
	s := bunstore.New(bun.NewDB(pool, dialect))
	var out strings.Builder
	for _, call := range calls(t, s) {
		server.sent = nil
		if err := call.run(t.Context()); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", call.name, err)
		}
		fmt.Fprintf(&out, "-- %s\n", call.name)
		for _, sent := range server.sent {
			out.WriteString(sent + "\n")
		}
		out.WriteString("\n")
	}
	return madeID.ReplaceAllString(out.String(), "a UUID")
}

var madeID = regexp.MustCompile(`"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"`)

type namedCall struct {
	name string
	run  func(ctx context.Context) error
}

func calls(t *testing.T, s *bunstore.Store) []namedCall {
	t.Helper()
	schema, serial := everythingSchema(t), everythingSerial(t)
	things, parents := schema.Table("thing"), schema.Table("parent")
	find := func(name string, table *store.Table, q store.Query) namedCall {
		return namedCall{name, func(ctx context.Context) error { return second(s.FindMany(ctx, table, q)) }}
	}
	where := func(name string, w store.Where) namedCall {
		return namedCall{"where " + name, func(ctx context.Context) error { return second(s.Count(ctx, things, w)) }}
	}
	created := func(name string, table *store.Table, r store.Record) namedCall {
		return namedCall{strings.TrimSpace("create " + name), func(ctx context.Context) error { return second(s.Create(ctx, table, r)) }}
	}
	all := store.Record{
		"id": "1", "text": "a", "yes": true, "count": 1, "share": 0.5, "at": noon,
		"json": []byte(`{}`), "words": []string{"a"}, "parentId": "1",
	}
	return []namedCall{
		{"find one by a unique field with the row it refers to", func(ctx context.Context) error {
			return second(s.FindOne(ctx, authSchema(t).Table("session"), sessionByToken("a")))
		}},
		find("find many", things, store.Query{}),
		find("find all", things, store.Query{Limit: store.NoLimit}),
		find("find sorted, a page", things, store.Query{Sort: []store.Sort{{Field: "text", Desc: true}, {Field: "count"}, {Field: "id"}}, Limit: 5, Offset: 10}),
		find("find all beyond an offset", things, store.Query{Limit: store.NoLimit, Offset: 10}),
		find("find some fields, joined", things, store.Query{Select: []string{"text", "at"}, Join: []string{"parentId"}}),
		find("find with children", parents, store.Query{Where: store.Eq("name", "a"), Limit: 2, Children: []store.Children{
			{Table: "thing", Sort: []store.Sort{{Field: "at", Desc: true}}, Limit: 3},
			{Table: "thing", As: "all", Limit: store.NoLimit},
		}}),
		find("find with children, serial ids", serial.Table("parent"), store.Query{Children: []store.Children{{Table: "thing"}}}),
		{"count", func(ctx context.Context) error { return second(s.Count(ctx, things, store.Where{})) }},

		where("text equals", store.Eq("text", "a")),
		where("text differs", store.Ne("text", "a")),
		where("text equals, folded", store.Eq("text", "A").Fold()),
		where("number equals", store.Eq("count", 1)),
		where("null", store.And(store.Eq("text", nil), store.Ne("at", nil))),
		where("compared", store.Or(store.Lt("text", "a"), store.Lte("count", 1), store.Gt("at", noon), store.Gte("share", 0.5))),
		where("text contains, begins, ends", store.And(store.Contains("text", "50%_[!"), store.HasPrefix("text", "a"), store.HasSuffix("text", ""))),
		where("text contains, folded", store.Contains("text", "A").Fold()),
		where("text in a list", store.In("text", "a", "b")),
		where("text not in a list, folded", store.NotIn("text", "A", "b").Fold()),
		where("numbers, times and truths in lists", store.And(store.In("count", 1, 2), store.In("share", 0.5), store.NotIn("at", noon), store.In("yes", true))),
		where("all and none", store.And(store.All(), store.Or(), store.And(), store.In[string]("text"), store.NotIn[string]("text"))),

		created("", things, all),
		created("with a number for an id that is given", serial.Table("thing"), all),
		created("with a number for an id that the database makes", serial.Table("thing"), store.Record{"text": "a", "parentId": "1"}),
		created("of nothing but an id that the database makes", compileIDs(t, store.SerialIDs(), store.Table{Name: "bare"}).Table("bare"), nil),
		created("with a UUID that the database makes, if it can", compileIDs(t, store.DatabaseUUIDs(), store.Table{Name: "bare"}).Table("bare"), nil),
		{"update", func(ctx context.Context) error {
			return second(s.Update(ctx, things, store.Eq("text", "a"), store.Record{"text": "b", "yes": nil}))
		}},
		{"update again", func(ctx context.Context) error {
			return second(s.Update(ctx, things, store.Eq("text", "a"), store.Record{"text": "b", "yes": nil}))
		}},
		{"update of all", func(ctx context.Context) error {
			return second(s.Update(ctx, things, store.All(), store.Record{"count": 2}))
		}},
		{"delete", func(ctx context.Context) error { return second(s.Delete(ctx, things, store.Lt("at", noon))) }},
		{"take", func(ctx context.Context) error {
			return second(s.Take(ctx, things, store.And(store.Eq("text", "a"), store.Gt("at", noon))))
		}},
		{"add", func(ctx context.Context) error {
			return second(s.Add(ctx, things, store.Eq("id", "1"), map[string]int64{"count": 1, "share": -1}, store.Record{"text": "b"}))
		}},
		{"take by a number", func(ctx context.Context) error {
			return second(s.Take(ctx, serial.Table("thing"), store.Eq("id", "7")))
		}},
		{"in another schema", func(ctx context.Context) error {
			n := store.SnakePlural()
			n.Schema, n.Prefix = "app", "auth_"
			table := compile(t, n, store.Table{Name: "thing", Fields: []*store.Field{{Name: "text", Type: store.String}}}).Table("thing")
			_, err := s.Add(ctx, table, store.Eq("text", "a"), nil, store.Record{"text": "b"})
			return err
		}},
	}
}

// everythingSerial is everythingSchema with numbers for ids.
func everythingSerial(t *testing.T) *store.Schema {
	return compileIDs(t, store.SerialIDs(), declared(everythingSchema(t))...)
}

// scribe is a server that writes down what it is sent and has one row of nulls,
// but for an id, for whoever locks one.
type scribe struct{ sent []string }

func (s *scribe) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *scribe) Driver() driver.Driver                        { return nil }
func (s *scribe) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (s *scribe) Close() error                                 { return nil }
func (s *scribe) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }

func (s *scribe) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	s.sent = append(s.sent, "BEGIN")
	return s, nil
}

func (s *scribe) Commit() error   { s.sent = append(s.sent, "COMMIT"); return nil }
func (s *scribe) Rollback() error { s.sent = append(s.sent, "ROLLBACK"); return nil }

func (s *scribe) write(query string, args []driver.NamedValue) {
	for i, arg := range args {
		if i == 0 {
			query += " --"
		}
		query += fmt.Sprintf(" %#v", arg.Value)
	}
	s.sent = append(s.sent, query)
}

func (s *scribe) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s.write(query, args)
	return written{}, nil
}

// written is one row, the seventh.
type written struct{}

func (written) LastInsertId() (int64, error) { return 7, nil }
func (written) RowsAffected() (int64, error) { return 1, nil }

func (s *scribe) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s.write(query, args)
	switch {
	case query == "SELECT VERSION()":
		return &answer{{"8.0.36"}}, nil
	case strings.HasPrefix(query, "SELECT count(*)"):
		return &answer{{int64(1)}}, nil
	case strings.HasSuffix(query, "LIMIT 1 FOR UPDATE"):
		columns, _, _ := strings.Cut(query, " FROM ")
		row := make([]driver.Value, strings.Count(columns, "t.`"))
		row[0] = int64(7)
		return &answer{row}, nil
	}
	return &answer{}, nil
}

// answer is rows that are still to be read.
type answer [][]driver.Value

func (a *answer) Columns() []string {
	if len(*a) == 0 {
		return nil
	}
	return make([]string, len((*a)[0]))
}

func (a *answer) Close() error { return nil }

func (a *answer) Next(into []driver.Value) error {
	if len(*a) == 0 {
		return io.EOF
	}
	copy(into, (*a)[0])
	*a = (*a)[1:]
	return nil
}
