package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// notes is a plugin as a user may write one: a table, and a field of a core
// table.
type notes struct{ required bool }

func (notes) Name() string { return "notes" }

func (n notes) Register(r *core.Registry) error {
	r.Tables(
		store.Table{
			Name: "note",
			Fields: []*store.Field{
				{Name: "userId", Type: store.String, Required: true, References: &store.Reference{Table: core.TableUser}},
				{Name: "text", Type: store.String, Required: true, Input: true, Returned: true},
				{Name: "pinned", Type: store.Bool, Required: true, Default: false},
				{Name: "madeAt", Type: store.Time, DefaultFunc: func() any { return time.Now() }},
			},
			Indexes: []store.Index{{Fields: []string{"userId", "madeAt"}}},
		},
		store.Table{Name: core.TableUser, Fields: []*store.Field{{Name: "motto", Type: store.String, Required: n.required, Returned: true}}},
	)
	return nil
}

func withNotes(c *core.Config) { c.Plugins = append(c.Plugins, notes{}) }

func everywhere(t *testing.T, run func(t *testing.T, dialect string, s *bunstore.Store)) {
	for dialect, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "app.db") },
		"postgres": testenv.Postgres,
		"mariadb":  testenv.MySQL,
	} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			run(t, dialect, open(t, url(t)))
		})
	}
}

func open(t *testing.T, url string) *bunstore.Store {
	t.Helper()
	s, err := bunstore.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

func TestFromAnEmptyDatabaseToAWellKeptOne(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, _ string, s *bunstore.Store) {
		p := on(s, withNotes, disableUpkeep)
		execute(t, p, "doctor").says(t, cli.ExitFailed, "error  schema         The database lacks what ")
		plan := execute(t, p, "migrate", "--plan")
		plan.says(t, cli.ExitPending, "CREATE TABLE", "users", "notes", "motto", ";\n")
		migrated := execute(t, p, "migrate", "--yes")
		migrated.check(t, cli.ExitOK, "Done in ")
		if migrated.stdout != plan.stdout {
			t.Errorf("the plan was:\n%s\nand what ran:\n%s", plan.stdout, migrated.stdout)
		}
		if again := execute(t, p, "migrate", "--plan"); again.code != cli.ExitOK || again.stdout != "" {
			t.Errorf("after the migration the plan is %d:\n%s%s", again.code, again.stdout, again.stderr)
		}
		healthy := execute(t, p, "doctor")
		healthy.says(t, cli.ExitOK, "ok     schema         The database has all 5 tables")
		if strings.Contains(healthy.stdout, "warn") {
			t.Errorf("doctor warns of a new database:\n%s", healthy.stdout)
		}

		auth, err := p.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close(t.Context())
		fill(t, auth, 12, 72*time.Hour)
		execute(t, p, "doctor").says(t, cli.ExitOK, "12 expired sessions are waiting to be deleted, 12 for more than two days")
		execute(t, p, "sessions", "prune").says(t, cli.ExitOK, "Deleted 12 expired sessions and 1 expired one-time value.")
		execute(t, p, "doctor").says(t, cli.ExitOK, "ok     upkeep         0 expired sessions")
	})
}

func TestThePrintedSchemaIsTheOneThatMigrateMakes(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string]store.IDs{"random": store.RandomIDs(), "uuid": store.DatabaseUUIDs(), "serial": store.SerialIDs()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(t *testing.T, dialect string, s *bunstore.Store) {
				p := on(s, withNotes, func(c *core.Config) { c.IDs = ids; c.Naming.Prefix = "auth_" })
				printed := execute(t, p, "schema", "--dialect", dialect)
				printed.says(t, cli.ExitOK, "auth_users", "auth_notes")
				for _, statement := range strings.Split(strings.TrimSuffix(printed.stdout, ";\n"), ";\n\n") {
					if _, err := s.DB().DB.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
				if got := execute(t, p, "migrate", "--plan"); got.code != cli.ExitOK || got.stdout != "" || strings.Contains(got.stderr, "warning") {
					t.Errorf("migrate wants more: %d\n%s%s", got.code, got.stdout, got.stderr)
				}
			})
		})
	}
}

func TestWhatCannotBeDoneSafelyIsRefused(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, _ string, s *bunstore.Store) {
		before := on(s)
		execute(t, before, "migrate", "--yes").check(t, cli.ExitOK)
		auth, err := before.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close(t.Context())
		fill(t, auth, 0, time.Hour)

		// Users exist, and the plugin wants a motto of each.
		after := on(s, func(c *core.Config) { c.Plugins = []core.Plugin{notes{required: true}} })
		for _, args := range []string{"migrate --plan", "migrate --yes"} {
			execute(t, after, strings.Fields(args)...).check(t, cli.ExitRefused, "refused: ", "motto")
		}
		execute(t, after, "doctor").says(t, cli.ExitFailed, "error  schema         Cannot be done safely: ", "motto")
		execute(t, before, "migrate", "--plan").check(t, cli.ExitOK, "Nothing to do")
	})
}

func TestADatabaseThatIsDown(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"postgres": testenv.Postgres, "mariadb": testenv.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url(t)
			proxy := testenv.NewProxy(t, url)
			proxy.Stop()
			s := open(t, withPassword(testenv.Through(url, proxy)))
			for _, args := range []string{"doctor", "migrate --plan", "migrate --yes", "sessions prune"} {
				got := execute(t, on(s), strings.Fields(args)...)
				got.check(t, cli.ExitFailed)
				if strings.Contains(got.stdout+got.stderr, "hunter2") {
					t.Errorf("%s shows the password:\n%s%s", args, got.stdout, got.stderr)
				}
			}
			execute(t, on(s), "doctor").says(t, cli.ExitFailed, "error  storage        It does not answer: store: ", "→ Check the address")
		})
	}
}

// withPassword puts a password into a URL.
func withPassword(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	_, host, _ := strings.Cut(rest, "@")
	return scheme + "://app:hunter2@" + host
}

func TestSchemaAsJSON(t *testing.T) {
	t.Parallel()
	p := on(script(), withNotes, func(c *core.Config) {
		c.IDs = store.SerialIDs()
		c.Naming = store.BetterAuth()
		c.Naming.Schema = "auth"
		c.UserFields = []*store.Field{{Name: "tier", Type: store.String, Default: "<free>", Input: true}}
	})
	got := execute(t, p, "schema", "--json")
	got.check(t, cli.ExitOK)
	type object = map[string]any
	var schema struct {
		IDs    object
		Schema string
		Tables []struct {
			Name, DBName string
			Fields       []object
			Indexes      []object
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &schema); err != nil {
		t.Fatal(err)
	}
	same := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is\n%v, want\n%v", what, got, want)
		}
	}
	same("ids", schema.IDs, object{"kind": "serial", "byDatabase": true})
	same("schema", schema.Schema, "auth")
	names := []string{}
	for _, table := range schema.Tables {
		names = append(names, table.Name)
	}
	same("the order of the tables", names, []string{"user", "session", "account", "verification", "note"})
	field := func(table, name string) object {
		for _, tb := range schema.Tables {
			for _, f := range tb.Fields {
				if tb.Name == table && f["name"] == name {
					return f
				}
			}
		}
		t.Errorf("there is no %s.%s", table, name)
		return nil
	}
	same("user.id", field("user", "id"), object{
		"name": "id", "dbName": "id", "type": "string", "id": "serial",
		"required": true, "unique": true, "indexed": false, "input": false, "returned": true,
	})
	same("user.tier", field("user", "tier"), object{
		"name": "tier", "dbName": "tier", "type": "string", "default": "<free>",
		"required": false, "unique": false, "indexed": false, "input": true, "returned": false,
	})
	same("note.userId", field("note", "userId"), object{
		"name": "userId", "dbName": "userId", "type": "string", "id": "serial",
		"required": true, "unique": false, "indexed": false, "input": false, "returned": false,
		"references": object{"table": "user", "field": "id", "onDelete": "cascade", "as": "user"},
	})
	same("note.madeAt", field("note", "madeAt"), object{
		"name": "madeAt", "dbName": "madeAt", "type": "time", "defaultComputed": true,
		"required": false, "unique": false, "indexed": false, "input": false, "returned": false,
	})
	same("note.pinned", field("note", "pinned")["default"], false)
	same("the indexes of account", schema.Tables[slices.Index(names, "account")].Indexes,
		[]object{{"fields": []string{"providerId", "accountId"}, "unique": true}})
	same("the indexes of user", schema.Tables[0].Indexes == nil, false)
}
