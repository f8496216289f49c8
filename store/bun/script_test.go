package bunstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

var dialects = []string{"postgres", "sqlite", "mysql", "mariadb", "mssql"}

func script(t testing.TB, dialect string, schema *store.Schema) string {
	t.Helper()
	statements, err := bunstore.Script(dialect, schema)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(statements, ";\n\n") + ";\n"
}

func TestScriptMakesEveryTable(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		for name, naming := range map[string]store.Naming{"snake_plural": store.SnakePlural(), "better_auth": store.BetterAuth()} {
			t.Run(dialect+"_"+name, func(t *testing.T) {
				t.Parallel()
				golden(t, dialect+"_"+name+".sql", script(t, dialect, everyKind(t, naming)))
			})
		}
		t.Run(dialect+"_names", func(t *testing.T) {
			t.Parallel()
			naming := store.SnakePlural()
			naming.Prefix = "auth_"
			if dialect != "sqlite" {
				naming.Schema = "app"
			}
			golden(t, dialect+"_names.sql", script(t, dialect, authNamed(t, naming, store.RandomIDs())))
		})
		for name, ids := range map[string]store.IDs{"uuid": store.UUIDv7(), "database_uuid": store.DatabaseUUIDs(), "serial": store.SerialIDs()} {
			t.Run(dialect+"_"+name, func(t *testing.T) {
				t.Parallel()
				golden(t, dialect+"_"+name+".sql", script(t, dialect, authNamed(t, store.Naming{}, ids)))
			})
		}
	}
}

// authNamed is authSchema with other names and ids.
func authNamed(t testing.TB, naming store.Naming, ids store.IDs) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(naming, ids, declared(authSchema(t))...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScriptIsWhatMigrateRunsOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		dialect, _, _ := strings.Cut(url, ":")
		if dialect == "mysql" {
			dialect = "mariadb"
		}
		for name, naming := range map[string]store.Naming{"snake plural": store.SnakePlural(), "better-auth": store.BetterAuth()} {
			for ids, policy := range map[string]store.IDs{"text": store.RandomIDs(), "uuid": store.DatabaseUUIDs(), "serial": store.SerialIDs()} {
				t.Run(name+" "+ids, func(t *testing.T) {
					naming.Prefix = strings.ReplaceAll(name+ids, " ", "") + "_"
					naming.Prefix = strings.ReplaceAll(naming.Prefix, "-", "")
					s, schema := open(t, url), withIDs(t, everyKind(t, naming), naming, policy)
					statements, err := bunstore.Script(dialect, schema)
					if err != nil {
						t.Fatal(err)
					}
					if planned := plan(t, s, schema); !slices.Equal(planned, statements) {
						t.Errorf("Plan says\n%s\nScript says\n%s", strings.Join(planned, "\n"), strings.Join(statements, "\n"))
					}
					migrate(t, s, schema)
					if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
						t.Errorf("after Migrate there is left to do or to say: %q", p)
					}
				})
			}
		}
	})
}

func withIDs(t testing.TB, s *store.Schema, naming store.Naming, ids store.IDs) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(naming, ids, declared(s)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScriptRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := bunstore.Script("oracle", authSchema(t)); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "mariadb") {
		t.Errorf("a dialect that is none: got error %v", err)
	}
	if _, err := bunstore.Script("postgres", nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no schema: got error %v", err)
	}
	_, err := bunstore.Script("sqlite", authNamed(t, store.Naming{Schema: "app"}, store.IDs{}))
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "use Naming.Prefix") {
		t.Errorf("a schema on SQLite: got error %v", err)
	}
}

// SQL Server takes one way for a delete to each table.
func TestScriptForSQLServerSaysWhatADeleteCannotDo(t *testing.T) {
	t.Parallel()
	ref := func(name, table string, do store.OnDelete) *store.Field {
		return &store.Field{Name: name, Type: store.String, References: &store.Reference{Table: table, OnDelete: do}}
	}
	schema := compile(t, store.BetterAuth(),
		store.Table{Name: "user"},
		store.Table{Name: "org", Fields: []*store.Field{ref("ownerId", "user", store.Cascade), ref("parentId", "org", store.Cascade)}},
		store.Table{Name: "member", Fields: []*store.Field{
			ref("orgId", "org", store.Cascade),
			ref("userId", "user", store.Cascade),    // on two ways
			ref("inviterId", "user", store.SetNull), // on three
			ref("auditId", "user", store.Restrict),  // does nothing anyway
		}},
	)
	all := script(t, "mssql", schema)
	for constraint, action := range map[string]string{
		"org_ownerId_fkey": "CASCADE", "org_parentId_fkey": "NO ACTION",
		"member_orgId_fkey": "CASCADE", "member_userId_fkey": "NO ACTION", "member_inviterId_fkey": "NO ACTION", "member_auditId_fkey": "NO ACTION",
	} {
		_, rest, _ := strings.Cut(all, "["+constraint+"]")
		line, _, _ := strings.Cut(rest, "\n")
		if !strings.Contains(line, "ON DELETE "+action) {
			t.Errorf("%s: %s, want %s", constraint, line, action)
		}
	}
}
