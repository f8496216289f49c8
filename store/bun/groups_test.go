package bunstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// ran notes which migrations have run.
type ran struct {
	mu    sync.Mutex
	names []string
}

func (r *ran) migration(name string, then ...func(context.Context, bun.IDB) error) bunstore.Migration {
	return bunstore.Migration{Name: name, Up: func(ctx context.Context, db bun.IDB) error {
		r.mu.Lock()
		r.names = append(r.names, name)
		r.mu.Unlock()
		for _, do := range then {
			if err := do(ctx, db); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (r *ran) want(t *testing.T, names ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.names, names) {
		t.Errorf("these have run: %q, want %q", r.names, names)
	}
	r.names = nil
}

func TestGroupsRunOnceInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		schema, r := authSchema(t), &ran{}
		s := open(t, url, bunstore.Migrations(
			bunstore.MigrationGroup{Name: "billing", After: []string{"app"}, Migrations: []bunstore.Migration{
				r.migration("0001_invoice", bunstore.SQL("CREATE TABLE invoices (id integer, plan varchar(99) REFERENCES plans (id))")),
			}},
			bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
				r.migration("0002_first", bunstore.SQL("CREATE TABLE plans (id varchar(99) PRIMARY KEY, user_id varchar(64))")),
				r.migration("0001_second", bunstore.SQL("INSERT INTO plans (id) VALUES ('what? {it''s} free')", "INSERT INTO plans (id) VALUES ('pro')")),
			}},
			bunstore.MigrationGroup{Name: "reports"},
		))
		listed := []string{"-- group app: 0002_first", "-- group app: 0001_second", "-- group billing: 0001_invoice"}
		if got := plan(t, s, schema); !slices.Equal(got[len(got)-3:], listed) || !strings.Contains(got[len(got)-4], "ostiary_migrations") {
			t.Errorf("the plan ends with %q", got[len(got)-4:])
		}
		migrate(t, s, schema)
		r.want(t, "0002_first", "0001_second", "0001_invoice")
		if left := plan(t, s, schema); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}
		migrate(t, s, schema)
		r.want(t)

		// A newer version of the program, and the older one beside it.
		newer := open(t, url, bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
			r.migration("0002_first"), r.migration("0003_between"), r.migration("0001_second"), r.migration("0004_last"),
		}}))
		p := fullPlan(t, newer, schema)
		if want := []string{"-- group app: 0003_between", "-- group app: 0004_last"}; !slices.Equal(p.Statements, want) {
			t.Errorf("the plan is %q, want %q", p.Statements, want)
		}
		if want := []string{`migration "0003_between" of group "app" has not run, and "0001_second" behind it has: it runs now`}; !slices.Equal(p.Warnings, want) {
			t.Errorf("the warnings are %q, want %q", p.Warnings, want)
		}
		migrate(t, newer, schema)
		r.want(t, "0003_between", "0004_last")
		migrate(t, s, schema)
		r.want(t)
	})
}

func TestThereIsNoHistoryWithoutGroups(t *testing.T) {
	t.Parallel()
	s, schema := open(t, sqliteFile(t)), authSchema(t)
	migrate(t, s, schema)
	var n int
	if err := s.DB().DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sqlite_master WHERE name = 'ostiary_migrations'").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables of history (%v)", n, err)
	}
}

// What came before stays, and the next attempt goes on where this one stopped.
func TestGroupThatFailsStopsThere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		schema, r := authSchema(t), &ran{}
		broken := errors.New("broken")
		fail := true
		var s *bunstore.Store
		s = open(t, url, bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
			r.migration("one", bunstore.SQL("CREATE TABLE one (id integer)")),
			r.migration("two", bunstore.SQL("INSERT INTO one VALUES (2)"), func(ctx context.Context, db bun.IDB) error {
				if fail {
					return broken
				}
				// The store's own calls are part of the migration.
				_, err := s.Create(ctx, schema.Table("user"), store.Record{"id": "1", "email": "1", "emailVerified": true, "createdAt": noon})
				return err
			}),
			r.migration("three"),
		}}))
		err := s.Migrate(t.Context(), schema)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), `"two"`) || !strings.Contains(err.Error(), `"app"`) {
			t.Errorf("got error %v", err)
		}
		r.want(t, "one", "two")
		if got, want := plan(t, s, schema), []string{"-- group app: two", "-- group app: three"}; !slices.Equal(got, want) {
			t.Errorf("left to do is %q, want %q", got, want)
		}
		rows := count(t, s, "one")
		if want := map[bool]int{false: 0, true: 1}[isMySQL(s)]; rows != want {
			t.Errorf("the migration that failed has left %d rows, want %d", rows, want)
		}
		fail = false
		migrate(t, s, schema)
		r.want(t, "two", "three")
	})
}

// A migration may use transactions and savepoints of its own, and panic.
func TestGroupThatPanicsLeavesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		schema := authSchema(t)
		s := open(t, url, bunstore.MaxOpen(1), bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
			{Name: "one", Up: bunstore.SQL("CREATE TABLE one (id integer)")},
			{Name: "two", Up: func(ctx context.Context, db bun.IDB) error {
				return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					if _, err := tx.ExecContext(ctx, "INSERT INTO one VALUES (?)", 2); err != nil {
						return err
					}
					panic("on purpose")
				})
			}},
		}}))
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.Migrate(t.Context(), schema)
		}()
		if rows := count(t, s, "one"); rows != 0 {
			t.Errorf("the migration that panicked has left %d rows", rows)
		}
		if left := plan(t, s, schema); !slices.Equal(left, []string{"-- group app: two"}) {
			t.Errorf("left to do is %q", left)
		}
	})
}

func count(t testing.TB, s *bunstore.Store, table string) (n int) {
	t.Helper()
	if err := s.DB().DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGroupsRunOnceWhoeverStarts(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		schema, r := authSchema(t), &ran{}
		err := atOnce(10, func(int) error {
			group := bunstore.MigrationGroup{Name: "app"}
			for i := range 5 {
				group.Migrations = append(group.Migrations, r.migration(fmt.Sprint(i), bunstore.SQL(fmt.Sprintf("CREATE TABLE app%d (id integer)", i))))
			}
			s, err := bunstore.Open(url, bunstore.Migrations(group))
			if err != nil {
				return err
			}
			return errors.Join(s.Migrate(t.Context(), schema), s.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
		r.want(t, "0", "1", "2", "3", "4")
	})
}

func TestGroupsThatAreWrongAreRefusedBeforeAnythingHasRun(t *testing.T) {
	t.Parallel()
	one := []bunstore.Migration{{Name: "one", Up: bunstore.SQL()}}
	for name, test := range map[string]struct {
		groups []bunstore.MigrationGroup
		want   []string
	}{
		"circle": {
			[]bunstore.MigrationGroup{{Name: "a", After: []string{"b"}}, {Name: "b", After: []string{"c"}}, {Name: "c", After: []string{"b"}}, {Name: "d"}},
			[]string{"wait for each other: a, b, c"},
		},
		"unknown":          {[]bunstore.MigrationGroup{{Name: "a", After: []string{"nobody"}}}, []string{`"a" comes after "nobody"`}},
		"itself":           {[]bunstore.MigrationGroup{{Name: "a", After: []string{"a"}}}, []string{"wait for each other: a"}},
		"groups alike":     {[]bunstore.MigrationGroup{{Name: "a"}, {Name: "a"}}, []string{`"a": the name is given twice`}},
		"migrations alike": {[]bunstore.MigrationGroup{{Name: "a", Migrations: append(one, one...)}}, []string{`"one" is given twice`}},
		"names": {
			[]bunstore.MigrationGroup{{}, {Name: strings.Repeat("x", 101)}, {Name: "ü", Migrations: []bunstore.Migration{{Up: bunstore.SQL()}}}},
			[]string{"is empty", "is longer than 100 bytes", "is not of printable ASCII characters", `migration "" is empty`},
		},
		"nothing to do": {[]bunstore.MigrationGroup{{Name: "a", Migrations: []bunstore.Migration{{Name: "one"}}}}, []string{`"one" has no Up`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := authSchema(t)
			s := open(t, sqliteFile(t), bunstore.Migrations(test.groups...))
			_, planErr := s.Plan(t.Context(), schema)
			for _, err := range []error{s.Migrate(t.Context(), schema), planErr} {
				if !errors.Is(err, store.ErrInvalid) {
					t.Fatalf("got error %v", err)
				}
				for _, want := range test.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error does not say %s: %v", want, err)
					}
				}
			}
			if n := count(t, s, "sqlite_master"); n > 0 {
				t.Errorf("%d tables were made", n)
			}
		})
	}
}

// The history is beside the tables that it is about.
func TestHistoryIsInTheNamedSchema(t *testing.T) {
	t.Parallel()
	url, r := testenv.Postgres(t), &ran{}
	s := open(t, url)
	execute(t, s, `CREATE SCHEMA app`)
	schema := authNamed(t, store.Naming{Schema: "app"}, store.IDs{})
	s = open(t, url, bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{r.migration("one")}}))
	migrate(t, s, schema)
	migrate(t, s, schema)
	r.want(t, "one")
	if n := count(t, s, "app.ostiary_migrations"); n != 1 {
		t.Errorf("%d migrations are recorded", n)
	}
}

func TestHistoryThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	group := bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{{Name: "one", Up: bunstore.SQL()}}})
	for name, test := range map[string]struct {
		there, want string
		tables      []store.Table
	}{
		"a table of the schema": {
			tables: []store.Table{{Name: "ostiaryMigration"}},
			want:   `table "ostiary_migrations" of the schema is named as the one that holds which migrations have run: give it another name`,
		},
		"a view": {
			there: `CREATE VIEW "ostiary_migrations" AS SELECT 1 AS "group"`,
			want:  `"ostiary_migrations" is a view, and a table of that name holds which migrations have run: rename the view`,
		},
		"a table of others": {
			there: `CREATE TABLE "ostiary_migrations" ("group" varchar(9), "name" varchar(9))`,
			want:  `table "ostiary_migrations" has no column "applied_at" and so is not the one that holds which migrations have run: rename it`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, url string) {
				s := open(t, url, group)
				if test.there != "" {
					execute(t, s, test.there)
				}
				mustRefuse(t, s, compile(t, store.Naming{}, append(test.tables, usersWith())...), test.want)
			})
		})
	}
	s := open(t, sqliteFile(t), group)
	execute(t, s, `CREATE TABLE t (x int)`, `CREATE INDEX ostiary_migrations ON t (x)`)
	mustRefuse(t, s, compile(t, store.Naming{}, usersWith()),
		`the name "ostiary_migrations" is needed for the table of migrations that have run, and taken by something that is no table: rename or drop that`)
}

// Two applications in one database have migrations of the same names.
func TestHistoryHasThePrefix(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		r := &ran{}
		s := open(t, url, bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{r.migration("0001_init")}}))
		for _, prefix := range []string{"a_", "b_", strings.Repeat("c", 50), strings.Repeat("c", 49) + "_"} {
			naming := store.SnakePlural()
			naming.Prefix = prefix
			schema := compile(t, naming, usersWith())
			migrate(t, s, schema)
			r.want(t, "0001_init")
			migrate(t, s, schema)
			r.want(t)
		}
		if n := count(t, s, "a_ostiary_migrations"); n != 1 {
			t.Errorf("%d migrations are recorded", n)
		}
	})
}
