package bunstore_test

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

// coreSchema is what the engine itself stores now.
func coreSchema(t testing.TB, naming store.Naming, ids store.IDs) *store.Schema {
	t.Helper()
	auth, err := core.New(core.Config{
		Secret: "the-secret-of-a-test-that-signs-nothing", BaseURL: "http://localhost", Store: memory.New(), Naming: naming, IDs: ids,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return auth.Schema()
}

// landedDialects are those whose schemas are kept in testdata/landed, and the
// database each is loaded into.
var landedDialects = map[string]string{"postgres": "postgres", "sqlite": "sqlite", "mariadb": "mariadb", "mysql": ""}

// Every schema that has been released stays in testdata, as the statements that
// made it. This test fails when the engine's own has changed: -update keeps it
// as the next, and the rows for it are to be written by hand.
func TestTheSchemaIsKept(t *testing.T) {
	t.Parallel()
	schema := coreSchema(t, store.Naming{}, store.IDs{})
	for dialect := range landedDialects {
		now := script(t, dialect, schema)
		kept := landed(t, dialect)
		last := ""
		if len(kept) > 0 {
			b, err := os.ReadFile(kept[len(kept)-1])
			if err != nil {
				t.Fatal(err)
			}
			last = string(b)
		}
		switch {
		case last == now:
		case *update:
			next := filepath.Join("testdata", "landed", fmt.Sprintf("%04d-%s.sql", versionOf(kept)+1, dialect))
			if err := os.WriteFile(next, []byte(now), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: the schema is not the last in testdata/landed: run with -update, and write rows for the new one", dialect)
		}
	}
}

func versionOf(kept []string) int {
	if len(kept) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(filepath.Base(kept[len(kept)-1])[:4])
	return n
}

func landed(t testing.TB, dialect string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "landed", "*-"+dialect+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func TestUpgradeFromEverySchemaThatLanded(t *testing.T) {
	t.Parallel()
	for dialect, database := range landedDialects {
		if database == "" {
			continue
		}
		files := landed(t, dialect)
		if len(files) == 0 {
			t.Errorf("%s: no schema is kept", dialect)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				s := open(t, databases[database](t))
				load(t, s, file)
				load(t, s, strings.Replace(file, dialect, "rows", 1))
				schema := coreSchema(t, store.Naming{}, store.IDs{})
				before := contents(t, s, schema)
				migrate(t, s, schema)
				mustHoldRows(t, s, schema, before)
				if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
					t.Errorf("there is left to do or to say: %+v", p)
				}
			})
		}
	}
}

var isoTime = regexp.MustCompile(`'(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d\.\d{3})Z'`)

// load runs the statements of a file, which end with a semicolon at the end of a
// line.
func load(t testing.TB, s *bunstore.Store, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, string(b))
}

func run(t testing.TB, s *bunstore.Store, script string) {
	t.Helper()
	if isMySQL(s) {
		script = isoTime.ReplaceAllString(script, "'$1 $2'")
	}
	for sql := range strings.SplitSeq(script, ";\n") {
		if sql = strings.TrimSpace(sql); sql != "" {
			execute(t, s, sql)
		}
	}
}

// contents is every value of every table, as text, by table, row and column.
func contents(t testing.TB, s *bunstore.Store, schema *store.Schema) map[string][]map[string]string {
	t.Helper()
	all := map[string][]map[string]string{}
	for _, table := range schema.Tables() {
		query := `SELECT * FROM "` + table.DBName() + `" ORDER BY "id"`
		if isMySQL(s) {
			query = strings.ReplaceAll(query, `"`, "`")
		}
		rows, err := s.DB().DB.QueryContext(t.Context(), query)
		if err != nil {
			if strings.Contains(err.Error(), "exist") || strings.Contains(err.Error(), "no such table") {
				continue // a table that came later
			}
			t.Fatal(err)
		}
		all[table.Name] = read(t, rows)
	}
	return all
}

func read(t testing.TB, rows *sql.Rows) []map[string]string {
	t.Helper()
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, column := range columns {
			if b, ok := values[i].([]byte); ok {
				values[i] = string(b)
			}
			row[column] = fmt.Sprintf("%T %v", values[i], values[i])
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// mustHoldRows checks that the rows are what they were, and that the store reads
// and writes them.
func mustHoldRows(t testing.TB, s *bunstore.Store, schema *store.Schema, before map[string][]map[string]string) {
	t.Helper()
	after := contents(t, s, schema)
	for table, rows := range before {
		if len(rows) == 0 || len(rows) != len(after[table]) {
			t.Errorf("%s had %d rows and has %d", table, len(rows), len(after[table]))
			continue
		}
		for i, row := range rows {
			for column, value := range row {
				if got := after[table][i][column]; got != value {
					t.Errorf("%s: %s of row %d was %s and is %s", table, column, i, value, got)
				}
			}
		}
		read, err := s.FindMany(t.Context(), schema.Table(table), store.Query{})
		if err != nil || len(read) != len(rows) {
			t.Errorf("%s: %d rows are read: %v", table, len(read), err)
		}
		n, err := s.Update(t.Context(), schema.Table(table), store.Eq("id", read[0].String("id")), store.Record{"updatedAt": noon})
		if n != 1 || err != nil {
			t.Errorf("%s: %d rows are written: %v", table, n, err)
		}
	}
}

// betterAuthRows are what better-auth keeps of a user who has signed up, by kind
// of id.
const betterAuthRows = `
INSERT INTO "user" ("id", "name", "email", "emailVerified", "createdAt", "updatedAt") VALUES ($1, 'Ada', 'ada@example.com', true, '2026-05-04T12:00:00.123Z', '2026-05-04T12:00:00.123Z');
INSERT INTO "user" ("id", "name", "email", "emailVerified", "createdAt", "updatedAt") VALUES ($2, 'Grace', 'grace@example.com', false, '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');
INSERT INTO "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId") VALUES ($1, '2036-05-04T12:00:00.000Z', 'token', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z', '', 'curl', $1);
INSERT INTO "account" ("id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt") VALUES ($1, $1, 'credential', $1, 'hash', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');
INSERT INTO "account" ("id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt") VALUES ($2, $2, 'credential', $2, 'hash', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');
INSERT INTO "verification" ("id", "identifier", "value", "expiresAt", "createdAt", "updatedAt") VALUES ($1, 'reset', 'value', '2036-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');
`

func betterAuthFiles(t *testing.T, test func(t *testing.T, url func(testing.TB) string, file string, ids store.IDs, rows string)) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("testdata/better-auth"), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("files of better-auth: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			parts := strings.Split(strings.TrimSuffix(file, ".sql"), "-")
			url := databases[parts[len(parts)-1]]
			if url == nil {
				url = databases["mariadb"]
			}
			ids, one, two := store.RandomIDs(), "'aZ0123456789aZ0123456789aZ012345'", "'bZ0123456789aZ0123456789aZ012345'"
			switch parts[1] {
			case "uuid":
				ids, one, two = store.UUIDv4(), "'0199a7a4-98d0-7000-8000-0123456789ab'", "'0199a7a4-98d0-7000-8000-0123456789ac'"
			case "serial":
				ids, one, two = store.SerialIDs(), "1", "2"
			}
			rows := strings.NewReplacer("$1", one, "$2", two).Replace(betterAuthRows)
			if strings.HasPrefix(file, "1.7.0-") {
				rows = strings.NewReplacer(`"account" (`, `"account" ("issuer", `, one+", "+one+", 'credential'", "'local', "+one+", "+one+", 'credential'",
					two+", "+two+", 'credential'", "'local', "+two+", "+two+", 'credential'").Replace(rows)
			}
			test(t, url, filepath.Join("testdata/better-auth", file), ids, rows)
		})
	}
}

func TestUpgradeOfADatabaseThatBetterAuthMade(t *testing.T) {
	t.Parallel()
	betterAuthFiles(t, func(t *testing.T, url func(testing.TB) string, file string, ids store.IDs, rows string) {
		s := open(t, url(t))
		load(t, s, file)
		run(t, s, rows)
		schema := coreSchema(t, store.BetterAuth(), ids)
		live, before := catalogue(t, s), contents(t, s, schema)

		p := fullPlan(t, s, schema)
		if len(p.Refused) > 0 {
			t.Fatalf("refused: %q", p.Refused)
		}
		for _, statement := range unquoted(p.Statements) {
			if !strings.HasPrefix(statement, "CREATE ") && (!strings.Contains(statement, " ADD COLUMN ") || strings.Contains(statement, "NOT NULL")) {
				t.Errorf("a statement that is no addition: %s", statement)
			}
		}
		mustWarn(t, s, file, p.Warnings)
		migrate(t, s, schema)
		mustHoldRows(t, s, schema, before)
		now := catalogue(t, s)
		for _, line := range live {
			if !slices.Contains(now, line) {
				t.Errorf("this was there and is not: %s", line)
			}
		}
		if left := plan(t, s, schema); len(left) > 0 {
			t.Errorf("there is left to do: %q", left)
		}
		mustWork(t, s, schema, ids)
	})
}

// mustWarn checks the warnings: there are none but these.
func mustWarn(t *testing.T, s *bunstore.Store, file string, warnings []string) {
	t.Helper()
	for _, w := range warnings {
		switch {
		case strings.Contains(file, "1.7.0-") && strings.HasPrefix(w, `column "issuer" of table "account" is not in the schema`):
		case isMySQL(s) && strings.Contains(w, "which takes different texts for equal"):
		case isMySQL(s) && strings.HasPrefix(w, "the unique index over providerId, accountId of table"):
		default:
			t.Errorf("warning: %s", w)
		}
	}
	if strings.Contains(file, "1.7.0-") && !strings.Contains(strings.Join(warnings, "\n"), "issuer") {
		t.Error("there is no warning of the column that no row is written without")
	}
}

// mustWork adds a user with a session, finds them and deletes them.
func mustWork(t *testing.T, s *bunstore.Store, schema *store.Schema, ids store.IDs) {
	t.Helper()
	user := store.Record{"name": "Alan", "email": "alan@example.com", "emailVerified": false, "createdAt": noon, "updatedAt": noon}
	session := store.Record{"token": "new", "expiresAt": noon, "createdAt": noon, "updatedAt": noon}
	again := store.Record{"name": "Ada", "email": "ada@example.com", "emailVerified": false, "createdAt": noon, "updatedAt": noon}
	for _, r := range []store.Record{user, session, again} {
		if ids.ByDatabase() {
			continue
		}
		id, err := ids.New(rand.Reader, "")
		if err != nil {
			t.Fatal(err)
		}
		r["id"] = id
	}
	user, err := s.Create(t.Context(), schema.Table("user"), user)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), schema.Table("user"), again)
	var duplicate *store.DuplicateError
	if !errors.As(err, &duplicate) || !slices.Equal(duplicate.Fields, []string{"email"}) {
		t.Errorf("an address that is there: got error %v", err)
	}
	session["userId"] = user["id"]
	if _, err := s.Create(t.Context(), schema.Table("session"), session); err != nil {
		t.Fatal(err)
	}
	found, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken("new"))
	if err != nil || found.Record("user").String("email") != "alan@example.com" {
		t.Errorf("got %v, %v", found, err)
	}
	if n, err := s.Delete(t.Context(), schema.Table("user"), store.Eq("id", user.String("id"))); n != 1 || err != nil {
		t.Errorf("%d users are deleted: %v", n, err)
	}
	if n, err := s.Count(t.Context(), schema.Table("session"), store.Eq("token", "new")); n != 0 || err != nil {
		t.Errorf("%d sessions of a user who is no more (%v)", n, err)
	}
}

// MySQL before version 9 takes no notice of references that stand beside their
// columns, which is where better-auth writes them.
func TestPlanWarnsOfReferencesThatMySQLHasIgnored(t *testing.T) {
	t.Parallel()
	s := open(t, databases["mariadb"](t))
	b, err := os.ReadFile("testdata/better-auth/1.7.25-mysql.sql")
	if err != nil {
		t.Fatal(err)
	}
	inline := regexp.MustCompile(" references `\\w+` \\(`\\w+`\\) on delete cascade")
	run(t, s, inline.ReplaceAllString(string(b), ""))
	warnings := strings.Join(fullPlan(t, s, coreSchema(t, store.BetterAuth(), store.IDs{})).Warnings, "\n")
	for _, table := range []string{"session", "account"} {
		if want := `column "userId" of table "` + table + `" has no foreign key to "id" of "user": rows may refer to nothing`; !strings.Contains(warnings, want) {
			t.Errorf("the warnings do not say %s:\n%s", want, warnings)
		}
	}
}

// catalogue is what the database says of its columns, indexes and constraints,
// a line each.
func catalogue(t testing.TB, s *bunstore.Store) []string {
	t.Helper()
	queries := []string{
		`SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default FROM information_schema.columns WHERE table_schema = SCHEMA`,
		`SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints WHERE table_schema = SCHEMA`,
	}
	schema := "current_schema()"
	switch {
	case isMySQL(s):
		schema = "DATABASE()"
		queries = append(queries, `SELECT table_name, index_name, non_unique, seq_in_index, column_name FROM information_schema.statistics WHERE table_schema = SCHEMA`,
			`SELECT table_name, column_name, referenced_table_name, referenced_column_name FROM information_schema.key_column_usage WHERE table_schema = SCHEMA`)
	case s.DB().Dialect().Name() == sqlitedialect.New().Name():
		queries = []string{
			`SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master m, pragma_table_xinfo(m.name) c`,
			`SELECT m.name, l.name, l."unique", x.name FROM sqlite_master m, pragma_index_list(m.name) l, pragma_index_xinfo(l.name) x`,
			`SELECT m.name, f."from", f."table", f."to", f.on_delete FROM sqlite_master m, pragma_foreign_key_list(m.name) f`,
		}
	default:
		queries = append(queries, `SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = SCHEMA`,
			`SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = SCHEMA::text::regnamespace`)
	}
	var lines []string
	for _, query := range queries {
		rows, err := s.DB().DB.QueryContext(t.Context(), strings.ReplaceAll(query, "SCHEMA", schema))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range read(t, rows) {
			lines = append(lines, fmt.Sprint(row))
		}
	}
	slices.SortFunc(lines, cmp.Compare[string])
	if len(lines) == 0 {
		t.Fatal("the database says nothing of its tables")
	}
	return lines
}
