package bunstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bundialect "github.com/uptrace/bun/dialect"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

var update = flag.Bool("update", false, "write the files of testdata")

// onEach runs the test on every kind of database there is a server for.
func onEach(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for name, url := range databases {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, url(t)) })
	}
}

var databases = map[string]func(testing.TB) string{
	"postgres": testenv.Postgres,
	"sqlite":   sqliteFile,
	"mariadb":  testenv.MySQL,
}

func isMySQL(s *bunstore.Store) bool { return s.DB().Dialect().Name() == bundialect.MySQL }

// everyKind has every type, constraint and kind of reference.
func everyKind(t testing.TB, naming store.Naming) *store.Schema {
	t.Helper()
	return compile(t, naming,
		store.Table{Name: "user", Fields: []*store.Field{
			{Name: "email", Type: store.String, Required: true, Unique: true},
			{Name: "emailVerified", Type: store.Bool, Required: true},
			{Name: "role", Type: store.String, Default: "user"},
			{Name: "loginCount", Type: store.Int},
			{Name: "balance", Type: store.Float},
			{Name: "createdAt", Type: store.Time, Required: true, Indexed: true},
			{Name: "metadata", Type: store.JSON},
			{Name: "tags", Type: store.Strings},
			{Name: "homeTeamId", Type: store.String, References: &store.Reference{Table: "team", OnDelete: store.SetNull}},
		}},
		store.Table{
			Name: "team",
			Fields: []*store.Field{
				{Name: "slug", Type: store.String, Unique: true},
				{Name: "parentId", Type: store.String, References: &store.Reference{Table: "team"}},
				{Name: "ownerEmail", Type: store.String, References: &store.Reference{Table: "user", Field: "email", OnDelete: store.Restrict, As: "owner"}},
				{Name: "order", Type: store.Int},
			},
			Indexes: []store.Index{
				{Fields: []string{"parentId", "order"}, Unique: true},
				{Fields: []string{"order", "slug"}},
			},
		},
		store.Table{Name: "organizationInvitationReminder", Fields: []*store.Field{
			{Name: "organizationInvitationReference", Type: store.String, Unique: true},
		}},
	)
}

func plan(t testing.TB, s *bunstore.Store, schema *store.Schema) []string {
	t.Helper()
	return fullPlan(t, s, schema).Statements
}

// fullPlan is the plan with what it warns of and refuses.
func fullPlan(t testing.TB, s *bunstore.Store, schema *store.Schema) *store.Plan {
	t.Helper()
	p, err := s.Plan(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// unquoted makes statements of different databases comparable.
func unquoted(statements []string) []string {
	var out []string
	for _, sql := range statements {
		out = append(out, strings.NewReplacer("`", "", `"`, "").Replace(sql))
	}
	return out
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update and look at the difference):\n%s", path, got)
	}
}

// execute runs the statements of another program.
func execute(t testing.TB, s *bunstore.Store, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if isMySQL(s) {
			sql = strings.ReplaceAll(sql, `"`, "`")
		}
		if _, err := s.DB().DB.ExecContext(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestMigrateAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		before := authSchema(t)
		migrate(t, s, before)
		signIn(t, s, before, "1")
		execute(t, s, `ALTER TABLE "users" ADD COLUMN "shoe_size" integer`, `UPDATE "users" SET "shoe_size" = 43`)

		after := compile(t, store.Naming{}, slices.Concat(declared(before), []store.Table{
			{
				Name: "user",
				Fields: []*store.Field{
					{Name: "nickname", Type: store.String, Unique: true},
					{Name: "role", Type: store.String, Required: true, Default: `o'user\`},
					{Name: "level", Type: store.Int, Required: true, Default: -3, Indexed: true},
					{Name: "ratio", Type: store.Float, Required: true, Default: 0.5},
					{Name: "banned", Type: store.Bool, Required: true, Default: false},
					{Name: "seenAt", Type: store.Time, Required: true, DefaultFunc: func() any { return noon }},
					{Name: "tags", Type: store.Strings, Required: true, Default: []string{"it's"}},
					{Name: "prefs", Type: store.JSON, Required: true, Default: map[string]any{"it's": `a\b`}},
					{Name: "hint", Type: store.String, Default: "only new rows have it"},
					{Name: "inviterId", Type: store.String, References: &store.Reference{Table: "user"}},
				},
				Indexes: []store.Index{{Fields: []string{"nickname", "level"}}},
			},
			{Name: "team", Fields: []*store.Field{{Name: "name", Type: store.String}}},
		})...)
		migrate(t, s, after)
		if left := plan(t, s, after); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}

		got, err := s.FindOne(t.Context(), after.Table("user"), store.Query{Where: store.Eq("id", "1")})
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range map[string]any{
			"email": "1@example.com", "nickname": nil, "role": `o'user\`, "level": int64(-3), "ratio": 0.5,
			"banned": false, "seenAt": noon, "hint": nil, "inviterId": nil,
		} {
			if got[field] != want {
				t.Errorf("%s is %v in the old row, want %v", field, got[field], want)
			}
		}
		if tags, _ := got["tags"].([]string); !slices.Equal(tags, []string{"it's"}) {
			t.Errorf("tags are %v", got["tags"])
		}
		var prefs map[string]string
		if raw, _ := got["prefs"].(json.RawMessage); json.Unmarshal(raw, &prefs) != nil || prefs["it's"] != `a\b` {
			t.Errorf("prefs are %s", got["prefs"])
		}
		if _, known := got["shoe_size"]; known {
			t.Error("a column that the schema does not have was returned")
		}
		var size int
		if err := s.DB().DB.QueryRowContext(t.Context(), `SELECT shoe_size FROM users`).Scan(&size); err != nil || size != 43 {
			t.Errorf("the application's own column holds %d (%v)", size, err)
		}

		// A database default must not stand in for what a record leaves out.
		_, err = s.Create(t.Context(), after.Table("user"), store.Record{"id": "2", "email": "2", "emailVerified": true, "createdAt": noon})
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a row without its required fields: got error %v", err)
		}
		_, err = s.Update(t.Context(), after.Table("user"), store.All(), store.Record{"inviterId": "nobody"})
		if !errors.Is(err, store.ErrReference) {
			t.Errorf("an added reference is not enforced: got error %v", err)
		}
	})
}

// declared returns a schema's tables as they were declared.
func declared(s *store.Schema) []store.Table {
	var tables []store.Table
	for _, t := range s.Tables() {
		table := store.Table{Name: t.Name, Indexes: t.Indexes}
		for _, f := range t.Fields {
			if f.Name != store.ID {
				table.Fields = append(table.Fields, &store.Field{
					Name: f.Name, Type: f.Type, Required: f.Required, Unique: f.Unique, Indexed: f.Indexed,
					Default: f.Default, References: f.References,
				})
			}
		}
		tables = append(tables, table)
	}
	return tables
}

func TestMigrateRefusesBeforeAnythingHasRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		before := authSchema(t)
		migrate(t, s, before)
		signIn(t, s, before, "1")
		execute(t, s, `CREATE INDEX "users_nickname_uidx" ON "users" ("email_verified")`)

		after := compile(t, store.Naming{}, slices.Concat(declared(before), []store.Table{
			{Name: "aaa", Fields: []*store.Field{{Name: "name", Type: store.String}}},
			{Name: "user", Fields: []*store.Field{
				{Name: "nickname", Type: store.String, Unique: true},
				{Name: "birthday", Type: store.Time, Required: true},
			}},
			{Name: "session", Fields: []*store.Field{{Name: "device", Type: store.String, Required: true}}},
		})...)
		err := s.Migrate(t.Context(), after)
		if err == nil {
			t.Fatal("Migrate succeeds")
		}
		for _, want := range []string{
			`"birthday"`, `"user"`, "Default", // what is missing, where, and what to do
			`"device"`,              // every problem at once
			`"users_nickname_uidx"`, // the name that is taken
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %s: %v", want, err)
			}
		}
		if _, err := s.Count(t.Context(), after.Table("aaa"), store.Where{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a refused migration has made a table (%v)", err)
		}
		if left := plan(t, s, before); len(left) > 0 {
			t.Errorf("the old schema lacks %q", left)
		}
	})
}

func TestMigrateAddsARequiredColumnToAnEmptyTable(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		before := authSchema(t)
		migrate(t, s, before)
		after := compile(t, store.Naming{}, slices.Concat(declared(before), []store.Table{
			{Name: "user", Fields: []*store.Field{
				{Name: "birthday", Type: store.Time, Required: true},
				{Name: "inviterId", Type: store.String, Required: true, References: &store.Reference{Table: "user"}},
			}},
		})...)
		migrate(t, s, after)
		if left := plan(t, s, after); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}
	})
}

func TestMigrateRefusesAUniqueIndexOverEqualRows(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		before := compile(t, store.Naming{}, store.Table{Name: "user", Fields: []*store.Field{
			{Name: "handle", Type: store.String}, {Name: "realm", Type: store.String}, {Name: "city", Type: store.String},
		}})
		migrate(t, s, before)
		for i, r := range []store.Record{
			{"handle": "same", "realm": "a", "city": "x"},
			{"handle": "same", "realm": "b", "city": "x"},
			{"handle": "other", "realm": "b", "city": nil},
			{"handle": "other", "realm": nil, "city": nil},
		} {
			r["id"] = id(i)
			create(t, s, before, "user", r)
		}
		after := compile(t, store.Naming{},
			store.Table{
				Name: "user",
				Fields: []*store.Field{
					{Name: "handle", Type: store.String, Unique: true},
					{Name: "city", Type: store.String, Unique: true},
					{Name: "realm", Type: store.String},
					{Name: "added", Type: store.String, Unique: true},
					{Name: "plan", Type: store.String, Required: true, Default: "free", Unique: true},
				},
				Indexes: []store.Index{
					{Fields: []string{"handle", "realm"}, Unique: true},
					{Fields: []string{"plan", "handle"}, Unique: true},
				},
			},
			store.Table{Name: "team"},
		)
		want := []string{
			`table "users" lacks a unique index over plan, handle, and its rows are not unique: 2 values occur more than once; mend the rows first`,
			`table "users" lacks a unique index over handle, and its rows are not unique: 2 values occur more than once; mend the rows first`,
			`table "users" lacks a unique index over city, and its rows are not unique: 1 value occurs more than once; mend the rows first`,
			`table "users" lacks a unique index over plan, and its rows are not unique: 1 value occurs more than once; mend the rows first`,
		}
		p := fullPlan(t, s, after)
		if !slices.Equal(p.Refused, want) {
			t.Errorf("refused are\n%s\nwant\n%s", strings.Join(p.Refused, "\n"), strings.Join(want, "\n"))
		}
		if len(p.Statements) == 0 {
			t.Error("a plan that is refused has no statements")
		}
		var unsafe *store.UnsafeError
		if err := s.Migrate(t.Context(), after); !errors.As(err, &unsafe) || !slices.Equal(unsafe.Problems, want) || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("got error %v", err)
		}
		if left := plan(t, s, after); !slices.Equal(left, p.Statements) {
			t.Errorf("of the statements these are left: %q", left)
		}
		if _, err := s.Count(t.Context(), before.Table("user"), store.Where{}); err != nil {
			t.Errorf("the store is of no more use: %v", err)
		}
	})
}

func TestMigrateKnowsTheIndexesOfOthers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		schema := compile(t, store.BetterAuth(), store.Table{
			Name: "user",
			Fields: []*store.Field{
				{Name: "email", Type: store.String, Unique: true},
				{Name: "first", Type: store.String},
				{Name: "last", Type: store.String, Indexed: true},
				{Name: "phone", Type: store.String, Unique: true},
				{Name: "city", Type: store.String, Indexed: true},
			},
			Indexes: []store.Index{{Fields: []string{"first", "last"}, Unique: true}},
		})
		execute(
			t, s,
			`CREATE TABLE "user" ("id" varchar(64) NOT NULL PRIMARY KEY, "email" varchar(99) UNIQUE, "first" varchar(99), "last" varchar(99), "phone" varchar(99), "city" varchar(99))`,
			`CREATE UNIQUE INDEX theirs ON "user" ("last", "first")`,
			// These serve nothing of ours.
			`CREATE INDEX reversed ON "user" ("first", "city")`,
			`CREATE INDEX loose ON "user" ("phone")`,
		)
		want := []string{
			`CREATE UNIQUE INDEX "user_phone_uidx" ON "user" ("phone")`,
			`CREATE INDEX "user_city_idx" ON "user" ("city")`,
		}
		p := fullPlan(t, s, schema)
		if got := unquoted(p.Statements); !slices.Equal(got, unquoted(want)) {
			t.Errorf("got %q, want %q", got, want)
		}
		if isMySQL(s) {
			return // it has no partial indexes, and MariaDB none over expressions
		}
		execute(
			t, s,
			`CREATE UNIQUE INDEX partly ON "user" ("phone") WHERE "phone" <> ''`,
			`CREATE INDEX lowered ON "user" (lower("city"))`,
		)
		p = fullPlan(t, s, schema)
		if got := unquoted(p.Statements); !slices.Equal(got, unquoted(want)) {
			t.Errorf("got %q, want %q", got, want)
		}
		if warning := `index "partly" of table "user" makes phone unique in some rows only; one over all rows is missing`; !slices.Equal(p.Warnings, []string{warning}) {
			t.Errorf("the warnings are %q", p.Warnings)
		}
	})
}

func TestReferenceTakesTheTypeOfALiveColumn(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.Postgres(t))
	execute(t, s, `CREATE TABLE "users" ("id" uuid PRIMARY KEY, "email" varchar(255) UNIQUE NOT NULL, "email_verified" boolean, "created_at" timestamptz)`)
	const id = "0199a7a4-98d0-7000-8000-0123456789ab"
	schema := compileIDs(t, always(id), declared(authSchema(t))...)
	migrate(t, s, schema)

	signIn(t, s, schema, id)
	got, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken(id))
	if err != nil || got["userId"] != id || got.Record("user").String("id") != id {
		t.Errorf("got %v, %v", got, err)
	}
	found, err := s.FindMany(t.Context(), schema.Table("user"), store.Query{
		Where: store.And(store.In("id", id), store.Gt("id", "0")), Sort: []store.Sort{{Field: "id"}},
	})
	if err != nil || len(found) != 1 {
		t.Errorf("got %v, %v", found, err)
	}
	if _, err := s.FindOne(t.Context(), schema.Table("user"), store.Query{Where: store.Eq("id", "no uuid")}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an id that is no uuid: got error %v", err)
	}
}

func TestPostgresMigratesInTheFirstSchemaOfTheSearchPath(t *testing.T) {
	t.Parallel()
	url, schema := testenv.Postgres(t), authSchema(t)
	public := open(t, url)
	migrate(t, public, schema)
	signIn(t, public, schema, "1")
	execute(t, public, `CREATE SCHEMA "tenant"`)

	tenant := open(t, with(url, "search_path=missing,tenant,public"))
	migrate(t, tenant, schema)
	if n, err := tenant.Count(t.Context(), schema.Table("user"), store.Where{}); n != 0 || err != nil {
		t.Errorf("%d users in the other schema (%v): these are those of public", n, err)
	}
	nowhere := open(t, with(url, "search_path=missing"))
	if err := nowhere.Migrate(t.Context(), schema); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "search_path") {
		t.Errorf("no schema to migrate in: got error %v", err)
	}
}

func TestTenStoresMigrateAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		schema := everyKind(t, store.Naming{})
		err := atOnce(10, func(int) error {
			s, err := bunstore.Open(url)
			if err != nil {
				return err
			}
			return errors.Join(s.Migrate(t.Context(), schema), s.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
		if left := plan(t, open(t, url), schema); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}
	})
}

func TestMigrateGivesUpWaitingWithItsContext(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s, other, schema := open(t, url), open(t, url), authSchema(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := holdSchemaLock(t, s, func() error { return other.Migrate(ctx, schema) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
	})
}

// holdSchemaLock runs fn while another migration would have the lock.
func holdSchemaLock(t testing.TB, s *bunstore.Store, fn func() error) error {
	t.Helper()
	return s.Tx(t.Context(), func(ctx context.Context) error {
		// On SQLite the transaction is the lock.
		var sql string
		switch s.DB().Dialect().Name() {
		case bundialect.PG:
			sql = fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", bunstore.SchemaLock)
		case bundialect.MySQL:
			sql = "SELECT GET_LOCK(CONCAT('ostiary!', MD5(DATABASE())), 0)"
			defer func() { _, _ = s.IDB(ctx).ExecContext(t.Context(), "DO RELEASE_ALL_LOCKS()") }()
		}
		if sql != "" {
			if _, err := s.IDB(ctx).ExecContext(ctx, sql); err != nil {
				return err
			}
		}
		return fn()
	})
}

func TestMigrateOutlastsTheStatementTimeout(t *testing.T) {
	t.Parallel()
	for name, waiter := range map[string]string{
		"postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
		"mariadb":  "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT GET_LOCK%'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, schema := databases[name](t), authSchema(t)
			s, holder := open(t, url, bunstore.StatementTimeout(800*time.Millisecond)), open(t, url)
			done := make(chan error, 1)
			err := holdSchemaLock(t, holder, func() error {
				go func() { done <- s.Migrate(t.Context(), schema) }()
				for n := 0; n == 0; {
					select {
					case err := <-done:
						return fmt.Errorf("it did not wait: %w", err)
					default:
					}
					if err := holder.DB().DB.QueryRowContext(t.Context(), waiter).Scan(&n); err != nil {
						return err
					}
				}
				// Longer than the time-out, by the server's clock.
				pause := map[string]string{"postgres": "SELECT pg_sleep(1.2)", "mariadb": "SELECT SLEEP(1.2)"}[name]
				return holder.DB().DB.QueryRowContext(t.Context(), pause).Scan(new(any))
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLongIndexNamesStayApart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		long := strings.Repeat("veryLong", 6)
		schema := compile(t, store.Naming{}, store.Table{Name: long, Fields: []*store.Field{
			{Name: long + "One", Type: store.String, Indexed: true},
			{Name: long + "Two", Type: store.String, Indexed: true},
			{Name: long + "Key", Type: store.String, Unique: true},
		}})
		migrate(t, s, schema)
		if left := plan(t, s, schema); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}
		create(t, s, schema, long, store.Record{"id": "1", long + "Key": "k"})
		_, err := s.Create(t.Context(), schema.Table(long), store.Record{"id": "2", long + "Key": "k"})
		var duplicate *store.DuplicateError
		if !errors.As(err, &duplicate) || !slices.Equal(duplicate.Fields, []string{long + "Key"}) {
			t.Errorf("got error %v", err)
		}
	})
}
