package bunstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// usersWith is a table of users with an address and these fields.
func usersWith(more ...*store.Field) store.Table {
	return store.Table{Name: "user", Fields: append([]*store.Field{{Name: "email", Type: store.String, Required: true, Unique: true}}, more...)}
}

func mustRefuse(t *testing.T, s *bunstore.Store, schema *store.Schema, want ...string) {
	t.Helper()
	if p := fullPlan(t, s, schema); !slices.Equal(p.Refused, want) {
		t.Errorf("refused are\n%s\nwant\n%s", strings.Join(p.Refused, "\n"), strings.Join(want, "\n"))
	}
	var unsafe *store.UnsafeError
	if err := s.Migrate(t.Context(), schema); len(want) > 0 && !errors.As(err, &unsafe) {
		t.Errorf("Migrate: got error %v", err)
	}
}

func mustWarnOnly(t *testing.T, s *bunstore.Store, schema *store.Schema, want ...string) {
	t.Helper()
	if p := fullPlan(t, s, schema); !slices.Equal(p.Warnings, want) || len(p.Refused) > 0 {
		t.Errorf("the warnings are\n%s\nwant\n%s\nrefused: %q", strings.Join(p.Warnings, "\n"), strings.Join(want, "\n"), p.Refused)
	}
}

func TestEveryDefaultHasALiteral(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"it's", true, 7, -0.5, noon, map[string]any{"a": `\`}, []string{`it's \`}} {
		field := &store.Field{Name: "x", Required: true, Default: value}
		for field.Type = store.String; ; field.Type++ {
			if _, err := field.Type.Canonical(value); err == nil {
				break
			}
		}
		for _, dialect := range dialects {
			sql := bunstore.Literal(t, dialect, field)
			if sql == "NULL" || sql == "" {
				t.Errorf("%s: the default %v of type %s is %q", dialect, value, field.Type, sql)
			}
		}
	}
}

func TestPlanRefusesATableWhoseIDsMayRepeat(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s, schema := open(t, url), compile(t, store.Naming{}, usersWith())
		execute(
			t, s, `CREATE TABLE "users" ("id" varchar(64) NOT NULL, "email" varchar(99) NOT NULL UNIQUE)`,
			`CREATE INDEX loose ON "users" ("id")`, `CREATE UNIQUE INDEX wider ON "users" ("id", "email")`,
		)
		mustRefuse(t, s, schema, `table "users" has neither a primary key nor a unique index over its column "id" alone: give it one`)
		execute(t, s, `CREATE UNIQUE INDEX theirs ON "users" ("id")`)
		mustRefuse(t, s, schema)
	})
}

func TestSQLiteTellsWhatKeysDo(t *testing.T) {
	t.Parallel()
	const nullable = `column "id" of table "users" may be null, which the schema does not allow`
	const notMade = `column "id" of table "users" has no default, though the database is to make the ids: give it one, or choose ids that the application makes`
	for _, test := range []struct {
		columns, options string
		ids              store.IDs
		warned, refused  []string
	}{
		{`"id" text PRIMARY KEY`, ``, store.RandomIDs(), []string{nullable}, nil},
		{`"id" text PRIMARY KEY`, ` WITHOUT ROWID`, store.RandomIDs(), nil, nil},
		{`"id" text PRIMARY KEY`, ` STRICT`, store.RandomIDs(), nil, nil},
		{`"id" text UNIQUE, PRIMARY KEY ("id", "email")`, ``, store.RandomIDs(), []string{nullable}, nil},
		{`"id" INTEGER PRIMARY KEY`, ``, store.SerialIDs(), nil, nil},
		{`"id" integer, PRIMARY KEY ("id")`, ` STRICT`, store.SerialIDs(), nil, nil},
		{`"id" integer PRIMARY KEY DESC`, ``, store.SerialIDs(), nil, []string{notMade}},
		{`"id" int PRIMARY KEY`, ``, store.SerialIDs(), nil, []string{notMade}},
		{`"id" integer UNIQUE, PRIMARY KEY ("id", "email")`, ``, store.SerialIDs(), nil, []string{notMade}},
		{`"id" integer PRIMARY KEY`, ` WITHOUT ROWID`, store.SerialIDs(), nil, []string{notMade}},
	} {
		t.Run(test.columns+test.options, func(t *testing.T) {
			t.Parallel()
			s := open(t, sqliteFile(t))
			execute(t, s, `CREATE TABLE "users" ("email" text NOT NULL UNIQUE, `+test.columns+`)`+test.options)
			p := fullPlan(t, s, compileIDs(t, test.ids, usersWith()))
			if !slices.Equal(p.Warnings, test.warned) || !slices.Equal(p.Refused, test.refused) || len(p.Statements) > 0 {
				t.Errorf("the plan is %+v", p)
			}
		})
	}
}

// What the application made of things that are not there any more is no concern
// of ours.
func TestSQLiteMigratesBesideBrokenViewsAndUnknownModules(t *testing.T) {
	t.Parallel()
	s, schema := open(t, sqliteFile(t)), authSchema(t)
	s.DB().SetMaxOpenConns(1) // the pragma is the connection's
	execute(
		t, s, `CREATE TABLE a (x int)`, `CREATE VIEW v AS SELECT * FROM a`, `DROP TABLE a`,
		`CREATE TABLE refers (x int REFERENCES v)`,
		`PRAGMA writable_schema = 1`,
		`INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES
			('table', 'geo', 'geo', 0, 'CREATE VIRTUAL TABLE geo USING VirtualSpatialIndex()')`,
		`PRAGMA writable_schema = RESET`,
	)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	mustWarnOnly(t, s, schema)
	mustRefuse(t, s, compile(t, store.Naming{Tables: map[string]string{"user": "v", "team": "geo"}}, usersWith(), store.Table{Name: "team"}),
		`"v" is a view, and a table of that name is needed: rename the view, or give the table another name`,
		`"geo" is a view, and a table of that name is needed: rename the view, or give the table another name`)
}

func TestSQLiteTellsHowTextIsCompared(t *testing.T) {
	t.Parallel()
	s := open(t, sqliteFile(t))
	execute(
		t, s,
		`CREATE TABLE users (id text NOT NULL PRIMARY KEY, "e""x, (" text, "mail" text /* COLLATE BINARY, */ NOT NULL DEFAULT ('x, y') COLLATE "nocase" UNIQUE,
			name text CHECK (name <> 'COLLATE' COLLATE NOCASE), [nick] text COLLATE rtrim, handle varchar(10) COLLATE BINARY UNIQUE, city text)`,
		`ALTER TABLE users ADD COLUMN realm text COLLATE NOCASE`,
		`CREATE UNIQUE INDEX loose ON users (name COLLATE NOCASE)`,
		`CREATE INDEX folding ON users (city COLLATE NOCASE)`,
		`CREATE INDEX exact ON users (realm COLLATE BINARY)`,
	)
	schema := compile(t, store.Naming{}, store.Table{Name: "user", Fields: []*store.Field{
		{Name: "mail", Type: store.String, Required: true, Unique: true},
		{Name: "name", Type: store.String, Unique: true},
		{Name: "nick", Type: store.String},
		{Name: "handle", Type: store.String, Unique: true},
		{Name: "city", Type: store.String, Indexed: true},
		{Name: "realm", Type: store.String, Indexed: true},
	}})
	want := []string{
		`table "users" compares text of mail, realm by NOCASE, which takes different texts for equal: change the columns to a collation that compares bytes`,
		`table "users" compares text of nick by RTRIM, which ignores spaces at the end: change the columns to a collation that does not`,
		`index "loose" of table "users" compares name by NOCASE, which takes different texts for equal`,
	}
	mustWarnOnly(t, s, schema, want...)
	made := []string{
		`CREATE UNIQUE INDEX users_name_uidx ON users (name)`,
		`CREATE INDEX users_city_idx ON users (city)`,
		`CREATE INDEX users_realm_idx ON users (realm)`,
	}
	if got := unquoted(plan(t, s, schema)); !slices.Equal(got, made) {
		t.Errorf("the plan is %q, want %q", got, made)
	}
	migrate(t, s, schema)
	if left := plan(t, s, schema); len(left) > 0 {
		t.Errorf("there is left to do: %q", left)
	}
	mustWarnOnly(t, s, schema, want...)
}

func TestPlanWarnsOfTextThatIsComparedWithoutSpaces(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.MySQL(t)), compile(t, store.Naming{}, usersWith())
	execute(t, s, `CREATE TABLE users (
		id varchar(64) COLLATE utf8mb4_nopad_bin PRIMARY KEY, email varchar(99) COLLATE utf8mb4_bin NOT NULL UNIQUE) CHARACTER SET utf8mb4`)
	mustWarnOnly(t, s, schema, `table "users" compares text of email by utf8mb4_bin, which ignores spaces at the end: change the columns to a collation that does not`)
}

func TestPlanWarnsOfUniqueIndexesThatAreTooStrict(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := open(t, testenv.Postgres(t))
		execute(t, s, `CREATE TABLE users (id text PRIMARY KEY, email text NOT NULL, nick text)`,
			`CREATE UNIQUE INDEX one ON users (email) NULLS NOT DISTINCT`, `CREATE UNIQUE INDEX two ON users (nick) NULLS NOT DISTINCT`)
		mustWarnOnly(t, s, compile(t, store.Naming{}, usersWith(&store.Field{Name: "nick", Type: store.String, Unique: true})),
			`index "two" of table "users" takes null for a value like others: of the rows without nick there can be one only`)
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		s := open(t, testenv.MySQL(t))
		execute(t, s, `CREATE TABLE users (id varchar(64) PRIMARY KEY, email varchar(99) NOT NULL, UNIQUE KEY short (email(3))) COLLATE utf8mb4_nopad_bin`)
		mustWarnOnly(t, s, compile(t, store.Naming{}, usersWith()),
			`index "short" of table "users" compares email by its first 3 characters, which takes different texts for equal`)
	})
}

// Other programs' rows are to refer to the default in the new column.
func TestMigrateAddsAReferenceOnlyToARowThatIsThere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		org := store.Table{Name: "org"}
		before := compile(t, store.Naming{}, org, usersWith())
		after := func(value string, more ...store.Table) *store.Schema {
			return compile(t, store.Naming{}, append(more, org, usersWith(&store.Field{
				Name: "orgId", Type: store.String, Required: true, Default: value, References: &store.Reference{Table: "org"},
			}))...)
		}
		migrate(t, s, before)
		create(t, s, before, "org", store.Record{"id": `o'1`})
		if p := fullPlan(t, s, after("nobody")); len(p.Refused) > 0 {
			t.Errorf("without rows: refused %q", p.Refused)
		}
		create(t, s, before, "user", store.Record{"id": "u", "email": "x"})
		if strings.HasPrefix(url, "sqlite") {
			mustRefuse(t, s, after(`o'1`),
				`table "users" has rows, and no column "org_id" can be added to them that refers to "orgs" and has a value: let the field "orgId" of "user" be null until all rows have one`)
			return
		}
		mustRefuse(t, s, after("nobody"),
			`table "users" has rows, and the default of its new column "org_id" refers to no row of "orgs": add that row first, or let the field "orgId" of "user" be null until all rows have a value`)
		schema := after(`o'1`)
		migrate(t, s, schema)
		got, err := s.FindOne(t.Context(), schema.Table("user"), store.Query{})
		if err != nil || got["orgId"] != `o'1` {
			t.Errorf("the row that was there is %v (%v)", got, err)
		}
	})
}

func TestSQLiteAddsColumnsToStrictTables(t *testing.T) {
	t.Parallel()
	s := open(t, sqliteFile(t))
	execute(t, s, `CREATE TABLE teams (id varchar(64) PRIMARY KEY NOT NULL)`,
		`CREATE TABLE users (id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE) /* as */ STRICT, WITHOUT ROWID`)
	schema := compile(t, store.Naming{}, store.Table{Name: "team"}, usersWith(
		&store.Field{Name: "at", Type: store.Time}, &store.Field{Name: "n", Type: store.Int}, &store.Field{Name: "f", Type: store.Float},
		&store.Field{Name: "ok", Type: store.Bool}, &store.Field{Name: "tags", Type: store.Strings},
		&store.Field{Name: "teamId", Type: store.String, References: &store.Reference{Table: "team"}},
	))
	migrate(t, s, schema)
	mustWarnOnly(t, s, schema)
	create(t, s, schema, "team", store.Record{"id": "t"})
	want := store.Record{"id": "1", "email": "x", "at": noon, "n": int64(1), "f": 0.5, "ok": true, "tags": []string{"a"}, "teamId": "t"}
	create(t, s, schema, "user", want)
	got, err := s.FindOne(t.Context(), schema.Table("user"), store.Query{})
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func TestPlanWarnsOfTimesThatLoseTheirFractions(t *testing.T) {
	t.Parallel()
	at := []*store.Field{{Name: "whole", Type: store.Time}, {Name: "tenth", Type: store.Time}, {Name: "milli", Type: store.Time}, {Name: "own", Type: store.Time}}
	for name, columns := range map[string]string{
		"postgres": `whole timestamptz(0), tenth timestamp(2), milli timestamp(3), own timestamptz`,
		"mariadb":  `whole datetime, tenth timestamp(2) NULL, milli datetime(4), own datetime(3)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, schema := open(t, databases[name](t)), compile(t, store.Naming{}, store.Table{Name: "user", Fields: at})
			execute(t, s, `CREATE TABLE users (id varchar(64) PRIMARY KEY, `+columns+`)`)
			var got []string
			for _, warning := range typeless(fullPlan(t, s, schema).Warnings) {
				if strings.Contains(warning, "TYPE") {
					got = append(got, warning)
				}
			}
			want := []string{
				`column "whole" of table "users" is TYPE, which is not for the type time`,
				`column "tenth" of table "users" is TYPE, which is not for the type time`,
			}
			if !slices.Equal(got, want) {
				t.Errorf("the warnings are %q", got)
			}
			exact := time.Date(2026, 5, 4, 12, 0, 0, 789_000_000, time.UTC)
			create(t, s, schema, "user", store.Record{"id": "1", "milli": exact, "own": exact})
			r, err := s.FindOne(t.Context(), schema.Table("user"), store.Query{})
			if err != nil || r["milli"] != exact || r["own"] != exact {
				t.Errorf("got %v (%v)", r, err)
			}
		})
	}
}

func TestPlanRefusesATableWhoseNameIsTaken(t *testing.T) {
	t.Parallel()
	for taken, url := range map[string]func(testing.TB) string{
		`CREATE SEQUENCE users`:                                    testenv.Postgres,
		`CREATE TYPE users AS (x int)`:                             testenv.Postgres,
		`CREATE TYPE users AS ENUM ('x')`:                          testenv.Postgres,
		`CREATE DOMAIN users AS text[]`:                            testenv.Postgres,
		`CREATE TABLE t (x int); CREATE INDEX users ON t (x)`:      sqliteFile,
		`CREATE TABLE theirs (x int CONSTRAINT users PRIMARY KEY)`: testenv.Postgres,
	} {
		t.Run(taken, func(t *testing.T) {
			t.Parallel()
			s := open(t, url(t))
			execute(t, s, taken)
			mustRefuse(t, s, compile(t, store.Naming{}, usersWith()),
				`the name of table "users" is taken by something that is no table: rename or drop that, or give the table another name`)
		})
	}
}

// The type of an array makes way by itself.
func TestPostgresArraysTakeNoNames(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.Postgres(t))
	execute(t, s, `CREATE TABLE users (x int)`)
	schema := compile(t, store.Naming{Tables: map[string]string{"user": "_users"}}, usersWith())
	migrate(t, s, schema)
}
