package bunstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	bundialect "github.com/uptrace/bun/dialect"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// drifted is a schema over tables that the tests make in other ways.
func drifted(t testing.TB) *store.Schema {
	t.Helper()
	return compile(t, store.BetterAuth(),
		store.Table{Name: "team", Fields: []*store.Field{{Name: "name", Type: store.String}}},
		store.Table{Name: "user", Fields: []*store.Field{
			{Name: "email", Type: store.String, Required: true},
			{Name: "active", Type: store.Bool},
			{Name: "seen", Type: store.Time},
			{Name: "tags", Type: store.Strings},
			{Name: "age", Type: store.Int},
			{Name: "teamId", Type: store.String, References: &store.Reference{Table: "team"}},
			{Name: "otherTeamId", Type: store.String, References: &store.Reference{Table: "team", OnDelete: store.SetNull}},
		}},
	)
}

func TestPlanWarnsOfWhatIsLeftAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s, schema := open(t, url), drifted(t)
		text := map[bool]string{false: "varchar(64)", true: "varchar(64) COLLATE utf8mb4_general_ci"}[isMySQL(s)]
		execute(
			t, s,
			`CREATE TABLE "team" ("id" varchar(64) NOT NULL PRIMARY KEY, "name" `+text+`)`,
			`CREATE TABLE "user" (
				"id" varchar(64) NOT NULL PRIMARY KEY, "email" varchar(99), "active" varchar(5), "seen" integer, "tags" bigint, "age" varchar(9),
				"teamId" varchar(64), "otherTeamId" varchar(64), "legalName" varchar(99) NOT NULL, "legalForm" varchar(99) NOT NULL DEFAULT 'none',
				FOREIGN KEY ("otherTeamId") REFERENCES "team" ("id") ON DELETE CASCADE
			)`,
		)
		want := []string{
			`column "email" of table "user" may be null, which the schema does not allow`,
			`column "active" of table "user" is TYPE, which is not for the type bool`,
			`column "seen" of table "user" is TYPE, which is not for the type time`,
			`column "tags" of table "user" is TYPE, which is not for the type strings`,
			`column "age" of table "user" is TYPE, which is not for the type int`,
			`column "teamId" of table "user" has no foreign key to "id" of "team": rows may refer to nothing`,
			`the foreign key of column "otherTeamId" of table "user" does CASCADE on delete where the schema wants SET NULL`,
			`column "legalName" of table "user" is not in the schema, may not be null and has no default: no row can be added`,
		}
		if isMySQL(s) {
			want = slices.Insert(want, 0, `table "team" compares text of name by utf8mb4_general_ci, which takes different texts for equal: change the columns to a collation that compares bytes`)
			// The database's own collation is such a one too.
			want = slices.Insert(want, len(want)-1, `table "user" compares text of id, email, teamId, otherTeamId by utf8mb4_general_ci, which takes different texts for equal: change the columns to a collation that compares bytes`)
			want[0] = strings.Replace(want[0], "text of name", "text of id, name", 1)
		}
		p := fullPlan(t, s, schema)
		if got := typeless(p.Warnings); !slices.Equal(got, want) {
			t.Errorf("the warnings are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(p.Refused) > 0 {
			t.Errorf("refused: %q", p.Refused)
		}
		for _, sql := range unquoted(p.Statements) {
			if !strings.HasPrefix(sql, "CREATE INDEX") {
				t.Errorf("a statement of the plan: %s", sql)
			}
		}
		migrate(t, s, schema)
		if after := fullPlan(t, s, schema); len(after.Statements) > 0 || !slices.Equal(after.Warnings, p.Warnings) {
			t.Errorf("after Migrate: %+v", after)
		}
	})
}

// typeless leaves the databases' names of types out of warnings.
func typeless(warnings []string) []string {
	var out []string
	for _, w := range warnings {
		before, rest, found := strings.Cut(w, " is ")
		if _, after, ok := strings.Cut(rest, ", which is not for"); found && ok {
			w = before + " is TYPE, which is not for" + after
		}
		out = append(out, w)
	}
	return out
}

const (
	oneUUID   = "0199a7a4-98d0-7000-8000-0123456789ab"
	oneNumber = "42"
)

// always is a policy of ids of the application's own making.
func always(id string) store.IDs {
	return store.IDFunc(func(string) (string, error) { return id, nil })
}

// What the plan says of ids is what becomes of rows: where it refuses, none could
// be written, read or found, and where it does not, all of that works.
func TestPlanRefusesIDsThatTheColumnsCannotKeep(t *testing.T) {
	t.Parallel()
	const (
		all    = "PostgreSQL SQLite MariaDB"
		others = "SQLite MariaDB"
	)
	failing := store.IDFunc(func(string) (string, error) { return "", errors.New("no ids today") })
	for name, c := range map[string]struct {
		ids       store.IDs
		team, ref string // the types of the id, and of the column that refers to it
		on        string // the databases
		refused   string // part of the reason, empty for none
		unknown   bool   // nothing can be written to see it
	}{
		"numbers that nobody makes, in text":    {store.SerialIDs(), "varchar(64) NOT NULL PRIMARY KEY", "varchar(64)", all, `which cannot keep serial ids`, false},
		"numbers that nobody makes":             {store.SerialIDs(), "bigint NOT NULL PRIMARY KEY", "bigint", all, `column "id" of table "teams" has no default, though the database is to make the ids: `, false},
		"numbers that the database makes":       {store.SerialIDs(), "SERIAL", "bigint", all, "", false},
		"numbers referred to by text":           {store.SerialIDs(), "SERIAL", "varchar(64)", others, "", false},
		"numbers referred to by text, strictly": {store.SerialIDs(), "SERIAL", "varchar(64)", "PostgreSQL", `column "team_id" of table "users" is character varying(64), which cannot keep serial ids`, false},
		"numbers referred to by decimals":       {store.SerialIDs(), "SERIAL", "decimal(20)", all, "", false},
		"numbers referred to by fractions":      {store.SerialIDs(), "SERIAL", "double precision", all, `which cannot keep serial ids`, false},
		"text in a number that counts":          {store.RandomIDs(), "SERIAL", "bigint", all, `which cannot keep text ids`, false},
		"text in a number":                      {store.RandomIDs(), "bigint NOT NULL PRIMARY KEY", "bigint", "PostgreSQL MariaDB", `which cannot keep text ids`, false},
		"text in any type":                      {store.RandomIDs(), "bigint NOT NULL PRIMARY KEY", "bigint", "SQLite", "", false},
		"text in any type of a strict table":    {store.RandomIDs(), "int NOT NULL PRIMARY KEY", "int", "strict SQLite", `which cannot keep text ids`, false},
		"text in a UUID":                        {store.RandomIDs(), "uuid NOT NULL PRIMARY KEY", "uuid", "PostgreSQL MariaDB", `which cannot keep text ids`, false},
		"text in a time":                        {store.RandomIDs(), "timestamp NOT NULL PRIMARY KEY", "varchar(64)", "PostgreSQL", `which cannot keep text ids`, false},
		"own UUIDs in a UUID":                   {always(oneUUID), "uuid NOT NULL PRIMARY KEY", "uuid", all, "", false},
		"own UUIDs in a number":                 {always(oneUUID), "bigint NOT NULL PRIMARY KEY", "bigint", "PostgreSQL MariaDB", `which cannot keep text ids`, false},
		"own numbers in a number":               {always(oneNumber), "bigint NOT NULL PRIMARY KEY", "bigint", all, "", false},
		"own numbers in a UUID":                 {always(oneNumber), "uuid NOT NULL PRIMARY KEY", "uuid", "PostgreSQL MariaDB", `which cannot keep text ids`, false},
		"own ids that cannot be made":           {failing, "uuid NOT NULL PRIMARY KEY", "uuid", all, "", true},
		"UUIDs in text":                         {store.UUIDv4(), "varchar(64) NOT NULL PRIMARY KEY", "varchar(64)", all, "", false},
		"UUIDs in a UUID":                       {store.UUIDv7(), "uuid NOT NULL PRIMARY KEY", "uuid", all, "", false},
		"UUIDs in a number":                     {store.UUIDv4(), "SERIAL", "bigint", all, `which cannot keep uuid ids`, false},
		"UUIDs that nobody makes":               {store.DatabaseUUIDs(), "varchar(64) NOT NULL PRIMARY KEY", "varchar(64)", "PostgreSQL", `has no default`, false},
		"UUIDs that the store makes":            {store.DatabaseUUIDs(), "varchar(64) NOT NULL PRIMARY KEY", "varchar(64)", others, "", false},
		"UUIDs that a default makes":            {store.DatabaseUUIDs(), "varchar(64) DEFAULT gen_random_uuid() PRIMARY KEY", "varchar(64)", "PostgreSQL", "", false},
		"a type that is unknown":                {store.RandomIDs(), "name NOT NULL PRIMARY KEY", "name", "PostgreSQL", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyServer(t, func(t *testing.T, s *bunstore.Store) {
				if server := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]; !strings.Contains(c.on, server) {
					t.Skip("another case is for", server)
				}
				counting := map[bundialect.Name]string{
					bundialect.SQLite: "integer PRIMARY KEY AUTOINCREMENT", bundialect.MySQL: "bigint AUTO_INCREMENT PRIMARY KEY", bundialect.PG: "bigserial PRIMARY KEY",
				}[s.DB().Dialect().Name()]
				id, options := strings.ReplaceAll(c.team, "SERIAL", counting), ""
				if strings.HasPrefix(c.on, "strict") {
					options = " STRICT"
				}
				execute(t, s, `CREATE TABLE "teams" ("id" `+id+`)`+options, `CREATE TABLE "users" ("id" `+id+`, "team_id" `+c.ref+`)`+options)
				schema := compileIDs(
					t, c.ids, store.Table{Name: "team"},
					store.Table{Name: "user", Fields: []*store.Field{{Name: "teamId", Type: store.String, References: &store.Reference{Table: "team"}}}},
				)
				refused := strings.Join(fullPlan(t, s, schema).Refused, "\n")
				if c.refused == "" && refused != "" || !strings.Contains(refused, c.refused) {
					t.Errorf("refused: %q, want %q", refused, c.refused)
				}
				var unsafe *store.UnsafeError
				if err := s.Migrate(t.Context(), schema); errors.As(err, &unsafe) != (c.refused != "") {
					t.Errorf("Migrate: got error %v", err)
				}
				if c.unknown {
					return
				}
				if err := useIDs(t.Context(), s, schema); (err != nil) != (c.refused != "") {
					t.Errorf("with such ids: got error %v", err)
				}
			})
		})
	}
}

// useIDs writes a row that refers to another one, finds both by their ids and
// deletes them.
func useIDs(ctx context.Context, s *bunstore.Store, schema *store.Schema) error {
	made := func(r store.Record, table string) (store.Record, error) {
		if !schema.IDs().ByDatabase() {
			id, err := schema.IDs().New(rand.Reader, table)
			if err != nil {
				return nil, err
			}
			r["id"] = id
		}
		return s.Create(ctx, schema.Table(table), r)
	}
	team, err := made(store.Record{}, "team")
	if err != nil {
		return err
	}
	user, err := made(store.Record{"teamId": team.String("id")}, "user")
	if err != nil {
		return err
	}
	found, err := s.FindOne(ctx, schema.Table("user"), store.Query{
		Where: store.And(store.Eq("id", user.String("id")), store.Eq("teamId", team.String("id"))), Join: []string{"teamId"},
	})
	if err != nil {
		return err
	}
	if found.String("teamId") != team.String("id") || found.Record("team").String("id") != team.String("id") || team.String("id") == "" {
		return fmt.Errorf("got %v of team %v", found, team)
	}
	n, err := s.Delete(ctx, schema.Table("user"), store.Eq("id", user.String("id")))
	if err == nil && n != 1 {
		err = fmt.Errorf("%d users were deleted", n)
	}
	return err
}

func TestPlanRefusesTablesThatAreNone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		execute(
			t, s,
			`CREATE TABLE "people" ("id" varchar(64) NOT NULL PRIMARY KEY, "email" varchar(99))`,
			`CREATE VIEW "users" AS SELECT "id", "email" FROM "people"`,
			`CREATE TABLE "sessions" ("number" integer NOT NULL PRIMARY KEY)`,
		)
		p := fullPlan(t, s, authSchema(t))
		want := []string{
			`"users" is a view, and a table of that name is needed: rename the view, or give the table another name`,
			`table "sessions" has no column "id" and so is not the one that is needed: give ours another name, or the column`,
		}
		if !slices.Equal(p.Refused, want) {
			t.Errorf("refused: %q", p.Refused)
		}
		var unsafe *store.UnsafeError
		if err := s.Migrate(t.Context(), authSchema(t)); !errors.As(err, &unsafe) {
			t.Errorf("got error %v", err)
		}
	})
}

// Names are joined with the character that they may hold themselves.
func TestIndexNamesStayApart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		api := store.Table{
			Name: "api",
			Fields: []*store.Field{
				{Name: "keyHash", Type: store.String, Unique: true},
				{Name: "key", Type: store.String},
				{Name: "hashKey", Type: store.String},
				{Name: "keyHashKey", Type: store.String, Indexed: true},
				{Name: "hash", Type: store.String},
			},
			Indexes: []store.Index{
				{Fields: []string{"key", "hashKey"}},
				{Fields: []string{"key", "hash"}, Unique: true},
			},
		}
		key := store.Table{Name: "apiKey", Fields: []*store.Field{{Name: "hash", Type: store.String, Unique: true}}}
		naming := store.Naming{
			Table: func(t string) string {
				return map[string]string{"apiKey": "api_key"}[t] + map[string]string{"api": "api", "user": "user"}[t]
			},
			Column: store.SnakePlural().Column,
		}
		schema := compile(t, naming, key, api)
		migrate(t, s, schema)
		if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Refused) > 0 {
			t.Errorf("there is left to do: %+v", p)
		}
		// The other order gives the plain name to another index.
		swapped := compile(t, naming, api, key)
		if p := fullPlan(t, s, swapped); len(p.Statements)+len(p.Refused) > 0 {
			t.Errorf("with the tables in another order there is left to do: %+v", p)
		}

		create(t, s, schema, "apiKey", store.Record{"id": "1", "hash": "h"})
		create(t, s, schema, "api", store.Record{"id": "1", "keyHash": "h", "key": "k", "hash": "h"})
		for _, test := range []struct {
			table  string
			record store.Record
			fields []string
		}{
			{"apiKey", store.Record{"id": "2", "hash": "h"}, []string{"hash"}},
			{"api", store.Record{"id": "2", "keyHash": "h"}, []string{"keyHash"}},
			{"api", store.Record{"id": "2", "key": "k", "hash": "h"}, []string{"key", "hash"}},
		} {
			_, err := s.Create(t.Context(), schema.Table(test.table), test.record)
			var duplicate *store.DuplicateError
			if !errors.As(err, &duplicate) || !slices.Equal(duplicate.Fields, test.fields) {
				t.Errorf("%s %v: got error %v, want a duplicate of %v", test.table, test.record, err, test.fields)
			}
		}
	})
}

// A table that comes later must not take the name of an index that is there.
func TestIndexNameThatAnotherTableOfTheSchemaHasIsNoProblem(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		naming := store.SnakePlural()
		naming.Tables = map[string]string{"apiKey": "api_key"}
		key := store.Table{Name: "apiKey", Fields: []*store.Field{{Name: "hash", Type: store.String, Indexed: true}}}
		api := store.Table{Name: "api", Fields: []*store.Field{{Name: "keyHash", Type: store.String, Indexed: true}}}
		migrate(t, s, compile(t, naming, key))
		naming.Tables["api"] = "api"
		both := compile(t, naming, api, key)
		migrate(t, s, both)
		if p := fullPlan(t, s, both); len(p.Statements)+len(p.Refused) > 0 {
			t.Errorf("there is left to do: %+v", p)
		}
	})
}

func TestTablesOfANamedSchema(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"postgres": testenv.Postgres, "mariadb": testenv.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, url(t))
			// A name that has to be quoted, and is nobody else's on a server of MySQL.
			app := "App" + strings.ReplaceAll(testenv.Prefix(t), "-", "_")
			app = strings.TrimSuffix(app, ":")
			naming := store.SnakePlural()
			naming.Schema = app
			naming.Prefix = "auth_"
			schema := authNamed(t, naming, store.IDs{})

			err := s.Migrate(t.Context(), schema)
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), app) || !strings.Contains(err.Error(), "create it first") {
				t.Errorf("without the schema: got error %v", err)
			}
			execute(t, s, `CREATE SCHEMA "`+app+`"`)
			if name == "mariadb" {
				t.Cleanup(func() {
					// The test's own context is canceled by now.
					if _, err := s.DB().DB.ExecContext(context.Background(), "DROP SCHEMA `"+app+"`"); err != nil {
						t.Error(err)
					}
				})
			}
			// The tables of the same names elsewhere are others.
			elsewhere := store.SnakePlural()
			elsewhere.Prefix = "auth_"
			public := authNamed(t, elsewhere, store.IDs{})
			migrate(t, s, public)
			signIn(t, s, public, "1")

			migrate(t, s, schema)
			if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
				t.Errorf("there is left to do or to say: %+v", p)
			}
			signIn(t, s, schema, "2")
			got, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken("2"))
			if err != nil || got.Record("user").String("email") != "2@example.com" {
				t.Errorf("got %v, %v", got, err)
			}
			if n, err := s.Count(t.Context(), schema.Table("user"), store.Where{}); n != 1 || err != nil {
				t.Errorf("%d users (%v)", n, err)
			}
			_, err = s.Create(t.Context(), schema.Table("session"), store.Record{"id": "3", "token": "3", "expiresAt": noon, "userId": "1"})
			if !errors.Is(err, store.ErrReference) {
				t.Errorf("a user of the other schema was referred to: got error %v", err)
			}
		})
	}
}

func TestSQLiteHasNoSchemas(t *testing.T) {
	t.Parallel()
	s, schema := open(t, sqliteFile(t)), authNamed(t, store.Naming{Schema: "app"}, store.IDs{})
	for name, err := range map[string]error{
		"Migrate": s.Migrate(t.Context(), schema),
		"Plan":    func() error { _, err := s.Plan(t.Context(), schema); return err }(),
	} {
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "SQLite has no schemas: use Naming.Prefix") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// Text of any length cannot be in an index of MySQL, its beginning can.
func TestMySQLIndexesOverTextOfOthers(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.MySQL(t))
	execute(t, s, `CREATE TABLE "users" ("id" varchar(36) NOT NULL PRIMARY KEY, "name" text, "city" text, "handle" varchar(600), "realm" varchar(600))`)
	schema := compile(t, store.Naming{}, store.Table{
		Name: "user",
		Fields: []*store.Field{
			{Name: "name", Type: store.String, Unique: true},
			{Name: "city", Type: store.String, Indexed: true},
			{Name: "handle", Type: store.String},
			{Name: "realm", Type: store.String},
		},
		Indexes: []store.Index{{Fields: []string{"handle", "realm"}, Unique: true}},
	})
	want := []string{
		"CREATE UNIQUE INDEX users_handle_realm_uidx ON users (handle(255), realm(255))",
		"CREATE UNIQUE INDEX users_name_uidx ON users (name(255))",
		"CREATE INDEX users_city_idx ON users (city(255))",
	}
	p := fullPlan(t, s, schema)
	if got := unquoted(p.Statements); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := strings.Join(p.Warnings, "\n"); !strings.Contains(got, `the unique index over name of table "users" takes texts for equal whose first 255 characters are`) {
		t.Errorf("the warnings are\n%s", got)
	}
	migrate(t, s, schema)
	if left := plan(t, s, schema); len(left) > 0 {
		t.Errorf("there is left to do: %q", left)
	}
}

// An index of several texts holds less of each.
func TestMySQLKeysFit(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.MySQL(t))
	fields := []*store.Field{{Name: "userId", Type: store.String, References: &store.Reference{Table: "user"}}}
	var names []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		fields = append(fields, &store.Field{Name: name, Type: store.String})
		names = append(names, name)
	}
	schema := compile(t, store.Naming{}, store.Table{Name: "user"}, store.Table{
		Name: "thing", Fields: fields, Indexes: []store.Index{{Fields: append(names, "userId"), Unique: true}, {Fields: []string{"a", "b"}}},
	})
	migrate(t, s, schema)
	if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
		t.Errorf("there is left to do or to say: %+v", p)
	}
}
