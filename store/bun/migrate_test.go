package bunstore_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

var update = flag.Bool("update", false, "write the files of testdata")

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

func TestPlanOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	for name, naming := range map[string]store.Naming{"snake_plural": store.SnakePlural(), "better_auth": store.BetterAuth()} {
		for database, url := range map[string]func(testing.TB) string{
			"postgres": testenv.Postgres,
			"sqlite":   func(testing.TB) string { return "sqlite::memory:" },
		} {
			t.Run(database+"_"+name, func(t *testing.T) {
				t.Parallel()
				s := open(t, url(t))
				schema := everyKind(t, naming)
				statements := plan(t, s, schema)
				golden(t, database+"_"+name+".sql", strings.Join(statements, ";\n\n")+";\n")

				migrate(t, s, schema)
				if left := plan(t, s, schema); len(left) > 0 {
					t.Errorf("after Migrate there is left to do: %q", left)
				}
			})
		}
	}
}

func plan(t testing.TB, s *bunstore.Store, schema *store.Schema) []string {
	t.Helper()
	statements, err := s.Plan(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	return statements
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
		if _, err := s.DB().DB.ExecContext(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestMigrateAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
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
		if _, known := got["shoe_size"]; known {
			t.Error("a column that the schema does not have was returned")
		}
		var size int
		if err := s.DB().DB.QueryRowContext(t.Context(), `SELECT "shoe_size" FROM "users"`).Scan(&size); err != nil || size != 43 {
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
		tables = append(tables, store.Table{
			Name:    t.Name,
			Fields:  slices.DeleteFunc(slices.Clone(t.Fields), func(f *store.Field) bool { return f.Name == store.ID }),
			Indexes: t.Indexes,
		})
	}
	return tables
}

func TestMigrateRefusesBeforeAnythingHasRun(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
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
	everywhere(t, func(t *testing.T, url string) {
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

func TestMigrateThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s := open(t, url)
		before := compile(t, store.Naming{}, store.Table{Name: "user", Fields: []*store.Field{{Name: "handle", Type: store.String}}})
		migrate(t, s, before)
		for _, id := range []string{"1", "2"} {
			create(t, s, before, "user", store.Record{"id": id, "handle": "same"})
		}
		after := compile(t, store.Naming{},
			store.Table{Name: "user", Fields: []*store.Field{{Name: "handle", Type: store.String, Unique: true}, {Name: "added", Type: store.String}}},
			store.Table{Name: "team"},
		)
		var duplicate *store.DuplicateError
		if err := s.Migrate(t.Context(), after); !errors.As(err, &duplicate) || duplicate.Table != "user" || !slices.Equal(duplicate.Fields, []string{"handle"}) {
			t.Errorf("a unique index over equal values: got error %v", err)
		}
		if left := plan(t, s, after); len(left) != 3 {
			t.Errorf("of the three statements these are left: %q", left)
		}
		if _, err := s.Count(t.Context(), before.Table("user"), store.Where{}); err != nil {
			t.Errorf("the store is of no more use: %v", err)
		}
	})
}

func TestMigrateKnowsTheIndexesOfOthers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
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
			`CREATE TABLE "user" ("id" text PRIMARY KEY, "email" text UNIQUE, "first" text, "last" text, "phone" text, "city" text)`,
			`CREATE UNIQUE INDEX theirs ON "user" ("last", "first")`,
			// These serve nothing of ours.
			`CREATE UNIQUE INDEX partly ON "user" ("phone") WHERE "phone" <> ''`,
			`CREATE INDEX lowered ON "user" (lower("city"))`,
			`CREATE INDEX reversed ON "user" ("first", "city")`,
		)
		want := []string{
			`CREATE UNIQUE INDEX "user_phone_uidx" ON "user" ("phone")`,
			`CREATE INDEX "user_city_idx" ON "user" ("city")`,
		}
		if got := plan(t, s, schema); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestReferenceTakesTheTypeOfALiveColumn(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.Postgres(t))
	execute(t, s, `CREATE TABLE "users" ("id" uuid PRIMARY KEY, "email" varchar(255) UNIQUE NOT NULL, "email_verified" boolean, "created_at" timestamptz)`)
	schema := authSchema(t)
	migrate(t, s, schema)

	const id = "0199a7a4-98d0-7000-8000-0123456789ab"
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

func TestTenProcessesMigrateAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
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
	everywhere(t, func(t *testing.T, url string) {
		s, other, schema := open(t, url), open(t, url), authSchema(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := s.Tx(t.Context(), func(context.Context) error {
			// On SQLite the transaction is the lock.
			if strings.HasPrefix(url, "postgres") {
				return holdSchemaLock(t, s, func() error { return other.Migrate(ctx, schema) })
			}
			return other.Migrate(ctx, schema)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
	})
}

func holdSchemaLock(t testing.TB, s *bunstore.Store, fn func() error) error {
	t.Helper()
	tx, err := s.DB().DB.BeginTx(t.Context(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock($1)", bunstore.SchemaLock); err != nil {
		return err
	}
	return fn()
}

func TestMigrateOutlastsTheStatementTimeout(t *testing.T) {
	t.Parallel()
	url, schema := testenv.Postgres(t), authSchema(t)
	s := open(t, with(url, "statement_timeout=50"))
	done := make(chan error, 1)
	holder := open(t, url)
	err := holdSchemaLock(t, holder, func() error {
		go func() { done <- s.Migrate(t.Context(), schema) }()
		if err := waiting(t, holder, 1); err != nil {
			return err
		}
		// Longer than the time-out, by the server's clock.
		_, err := holder.DB().DB.ExecContext(t.Context(), "SELECT pg_sleep(0.2)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLongIndexNamesStayApart(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
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
