package bunstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	sqlitedriver "modernc.org/sqlite"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// recorder is a connector that writes down every statement.
type recorder struct {
	driver.Connector
	mu         sync.Mutex
	statements []string
}

func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedConn{c.(recordable), r}, nil
}

// taken returns the statements since the last call.
func (r *recorder) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.statements
	r.statements = nil
	return s
}

func (r *recorder) record(query string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, query)
}

type recordable interface {
	driver.Conn
	driver.ConnBeginTx
	driver.QueryerContext
	driver.ExecerContext
	driver.ConnPrepareContext
}

type recordedConn struct {
	recordable
	r *recorder
}

func (c *recordedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.record(query)
	return c.recordable.QueryContext(ctx, query, args)
}

func (c *recordedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.r.record(query)
	return c.recordable.ExecContext(ctx, query, args)
}

func (c *recordedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.r.record("PREPARE " + query)
	return c.recordable.PrepareContext(ctx, query)
}

func (c *recordedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.r.record("BEGIN")
	return c.recordable.BeginTx(ctx, opts)
}

// recorded opens a store of every database, with what it runs written down.
func recorded(t *testing.T, test func(t *testing.T, s *bunstore.Store, r *recorder)) {
	run := func(t *testing.T, c driver.Connector, newDB func(*sql.DB) *bun.DB) {
		r := &recorder{Connector: c}
		db := newDB(sql.OpenDB(r))
		// Whatever needs a second connection hangs.
		db.SetMaxOpenConns(1)
		t.Cleanup(func() { _ = db.Close() })
		test(t, bunstore.New(db), r)
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		c := bunstore.PostgresConnector(t, testenv.Postgres(t), func(*pgx.ConnConfig) {})
		run(t, c, func(db *sql.DB) *bun.DB { return bun.NewDB(db, pgdialect.New()) })
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		c := bunstore.MySQLConnector(t, testenv.MySQL(t), func(*mysqldriver.Config) {})
		run(t, c, func(db *sql.DB) *bun.DB { return bun.NewDB(db, mysqldialect.New()) })
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		c, err := sqlitedriver.NewConnector("file::memory:?_pragma=foreign_keys(1)")
		if err != nil {
			t.Fatal(err)
		}
		run(t, c, func(db *sql.DB) *bun.DB { return bun.NewDB(db, sqlitedialect.New()) })
	})
}

func TestEveryOperationIsOneStatementOfConstantText(t *testing.T) {
	t.Parallel()
	recorded(t, func(t *testing.T, s *bunstore.Store, r *recorder) {
		schema := authSchema(t)
		migrate(t, s, schema)
		signIn(t, s, schema, "other")
		users, sessions := schema.Table("user"), schema.Table("session")
		// MySQL cannot return what it has written: BEGIN, one row locked, written
		// and, where it is still there, read.
		statements := map[string]int{}
		if onMySQL(s) {
			statements = map[string]int{"Take": 3, "Add": 4}
			// What is asked of the server once.
			if _, err := s.FindOne(t.Context(), users, store.Query{Children: []store.Children{{Table: "session"}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Update(t.Context(), sessions, store.All(), store.Record{"hits": 0}); err != nil {
				t.Fatal(err)
			}
		}

		operations := map[string]func(ctx context.Context, i int) error{
			"session with user": func(ctx context.Context, i int) error {
				found, err := s.FindOne(ctx, sessions, sessionByToken(id(i)))
				if err == nil && found.Record("user").String("email") != id(i)+"@example.com" {
					t.Errorf("session %d has the user %v", i, found["user"])
				}
				return err
			},
			"FindOne": func(ctx context.Context, i int) error {
				_, err := s.FindOne(ctx, users, store.Query{Where: store.Eq("email", id(i)+"@example.com").Fold()})
				return err
			},
			"user with sessions": func(ctx context.Context, i int) error {
				found, err := s.FindMany(ctx, users, store.Query{
					Where: store.Eq("email", id(i)+"@example.com"), Limit: i + 1,
					Children: []store.Children{
						{Table: "session", Sort: []store.Sort{{Field: "hits", Desc: true}}, Limit: i + 1},
						{Table: "session", As: "all", Limit: store.NoLimit},
					},
				})
				if err == nil && (len(found[0].Records("session")) != 1 || found[0].Records("all")[0].String("token") != id(i)) {
					t.Errorf("user %d is %v", i, found[0])
				}
				return err
			},
			"FindMany": func(ctx context.Context, i int) error {
				listed := i
				if onMySQL(s) {
					listed = 3 // a list is written out there
				}
				_, err := s.FindMany(ctx, sessions, store.Query{
					Where: store.And(store.In("userId", make([]string, listed)...), store.Contains("token", id(i)), store.Gt("expiresAt", noon)),
					Sort:  []store.Sort{{Field: "token"}}, Limit: i + 2, Offset: i + 1, Join: []string{"userId"},
				})
				return err
			},
			"Count": func(ctx context.Context, i int) error {
				_, err := s.Count(ctx, sessions, store.Ne("userId", id(i)))
				return err
			},
			"Update": func(ctx context.Context, i int) error {
				_, err := s.Update(ctx, sessions, store.Eq("token", id(i)), store.Record{"hits": i, "expiresAt": noon})
				return err
			},
			"Add": func(ctx context.Context, i int) error {
				_, err := s.Add(ctx, sessions, store.Eq("token", id(i)), map[string]int64{"hits": int64(i)}, store.Record{"expiresAt": noon})
				return err
			},
			"Delete": func(ctx context.Context, i int) error {
				_, err := s.Delete(ctx, sessions, store.HasPrefix("token", id(i)+"x"))
				return err
			},
			"Create": func(ctx context.Context, i int) error {
				r := store.Record{"id": "new" + id(i), "token": "new" + id(i), "expiresAt": noon, "userId": "other"}
				if i%2 == 0 {
					r["hits"] = i
				}
				_, err := s.Create(ctx, sessions, r)
				return err
			},
			"Take": func(ctx context.Context, i int) error {
				_, err := s.Take(ctx, sessions, store.And(store.Eq("token", id(i)), store.Eq("userId", id(i))))
				return err
			},
		}
		// Take last: it needs the rows of the others.
		order := []string{"session with user", "user with sessions", "FindOne", "FindMany", "Count", "Update", "Add", "Delete", "Create", "Take"}
		for i := 1; i <= 4; i++ {
			signIn(t, s, schema, id(i))
		}
		for _, name := range order {
			r.taken()
			for i := 1; i <= 3; i++ {
				if err := operations[name](t.Context(), i); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			ran := r.taken()
			n := max(1, statements[name])
			if len(ran) != 3*n {
				t.Errorf("%s: three calls ran %d statements, want %d: %q", name, len(ran), 3*n, ran)
				continue
			}
			if !slices.Equal(ran[:n], ran[n:2*n]) || !slices.Equal(ran[:n], ran[2*n:]) {
				t.Errorf("%s: the text depends on the values: %q", name, ran)
			}
			if strings.Contains(strings.Join(ran, ""), id(1)) {
				t.Errorf("%s: a value is in the text: %s", name, ran)
			}
		}
	})
}

func onMySQL(s *bunstore.Store) bool { return s.DB().Dialect().Name() == bundialect.MySQL }

// writes counts what a connection sends: pgx sends each round trip's worth as
// one write.
type writes struct {
	net.Conn
	n *atomic.Int64
}

func (w writes) Write(b []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(b)
}

func TestSessionLookupIsOneRoundTripOncePrepared(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	c := bunstore.PostgresConnector(t, testenv.Postgres(t), func(config *pgx.ConnConfig) {
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return writes{conn, &sent}, err
		}
	})
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	s, schema := bunstore.New(bun.NewDB(pool, pgdialect.New())), authSchema(t)
	migrate(t, s, schema)

	const lookups = 50
	for i := range lookups {
		signIn(t, s, schema, id(i))
	}
	find := func(i int) {
		if _, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken(id(i))); err != nil {
			t.Fatal(err)
		}
	}
	find(0) // prepares
	before := sent.Load()
	for i := range lookups {
		find(i)
	}
	// On a machine that stalls for a second, the pool asks whether the
	// connection is still alive.
	if trips := sent.Load() - before; trips < lookups || trips > lookups+lookups/10 {
		t.Errorf("%d lookups took %d round trips", lookups, trips)
	}
	var prepared int
	const query = `SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT t."id"%'`
	if err := pool.QueryRowContext(t.Context(), query).Scan(&prepared); err != nil || prepared != 1 {
		t.Errorf("%d statements are prepared for one shape of call (%v)", prepared, err)
	}
}

func TestMigratingAgainOnlyLooks(t *testing.T) {
	t.Parallel()
	recorded(t, func(t *testing.T, s *bunstore.Store, r *recorder) {
		schema := authSchema(t)
		migrate(t, s, schema)
		r.taken()
		migrate(t, s, schema)
		for _, sql := range r.taken() {
			if !strings.HasPrefix(strings.TrimSpace(sql), "SELECT") {
				t.Errorf("a second migration ran %s", sql)
			}
		}
	})
}
