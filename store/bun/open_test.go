package bunstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/testenv"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

func TestOpenSaysWhichPartOfTheURLIsWrong(t *testing.T) {
	t.Parallel()
	notSQLite := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notSQLite, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, want string }{
		{"", "what it starts with"},
		{"hunter2", "what it starts with"},
		{"mysql://app:hunter2@db/app", "what it starts with"},
		{"host=db user=app password=hunter2", "what it starts with"},
		{"Postgres ://app:hunter2@db/app", "what it starts with"},

		{"postgres://app:hunter2@db", "name of the database is missing"},
		{"postgres://app:hunter2@db/", "name of the database is missing"},
		{"postgres://app:hunter2@db?sslmode=disable", "name of the database is missing"},
		{"postgres://app:hunter2@db:5432x/app", "host or its port"},
		{"postgres://app:hunter2@db:/app", "host or its port"},
		{"postgres://app:hunter2@db:0/app", "host or its port"},
		{"postgres://app:hunter2@db:65536/app", "host or its port"},
		{"postgres://app:hunter2@[::1/app", "host or"},
		{"postgres://app:hun ter2@d b/app", "host or"},
		{"postgres://app:hunter2%@db/app", "user or the password holds a %"},
		{"postgres://app:%zzhunter2@db/app", "user or the password holds a %"},
		{"postgres://app:hunter2/x@db/app", "percent-encoded"},
		{"postgres://app:123/hunter2@db/app", "percent-encoded"},
		{"postgres://app:123?hunter2@db/app", "percent-encoded"},
		{"postgres://app:hunter2#x@db/app", "percent-encoded"},
		{"postgres://app:hunter2@db/app%", "database holds a %"},
		{"postgres://app:hunter2@db/app?sslmode=%zz", "parameter after the question mark"},
		{"postgres://app:hunter2@db/app?sslmode=maybe", "parameter sslmode"},
		{"postgres://app:hunter2@db/app?connect_timeout=soon", "parameter connect_timeout"},
		{"postgresql://app:hunter2@db/app?sslrootcert=/does/not/exist&sslmode=verify-full", "parameter sslrootcert"},
		{"postgres://app:hunter2@db/app?target_session_attrs=best", "parameter target_session_attrs"},
		{"postgres://app:hunter2@db/app?default_query_exec_mode=fast", "parameter default_query_exec_mode"},

		{"sqlite:", "without a file"},
		{"sqlite://app.db", "SQLite has no host"},
		{"sqlite:app.db?mode=ro", "no parameters"},
		{"sqlite:" + filepath.Join(t.TempDir(), "missing", "app.db"), "folder does not exist"},
		{"sqlite:" + notSQLite, "no SQLite database"},
		{"sqlite:" + t.TempDir(), "cannot be opened"},
	} {
		s, err := bunstore.Open(c.url)
		if err == nil {
			_ = s.Close()
			t.Errorf("Open(%q) succeeds", c.url)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%q): the error %q does not say %q", c.url, err, c.want)
		}
		for _, secret := range []string{"hunter2", "123", "x@db"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("Open(%q): the error holds a part of the password: %v", c.url, err)
			}
		}
	}
}

func TestOpenTakesEveryFormOfURL(t *testing.T) {
	t.Parallel()
	// Nothing is connected to: no database has to be there.
	for _, url := range []string{
		"postgres://localhost/app",
		"postgresql://app@localhost:5432/app?sslmode=disable",
		"postgres://app:p%40ss%2Fword%23%3F@[::1]:5432/app",
		"postgres://app@one:5432,two:5433/app?target_session_attrs=read-write",
		"postgres:///app?host=/var/run/postgresql",
		"postgres://localhost?dbname=app",
		"postgres://localhost/app?statement_timeout=",
		"postgres://localhost/app?connect_timeout=3&default_query_exec_mode=exec",
	} {
		s, err := bunstore.Open(url)
		if err != nil {
			t.Errorf("Open(%q): %v", url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("close %q: %v", url, err)
		}
	}
}

func TestOpenTakesAnyFileName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.db", "with space.db", "100%.db", "ünï&=+.db", "a:b.db", "'quoted\".db"} {
		path := filepath.Join(t.TempDir(), name)
		for _, url := range []string{"sqlite:" + path, "sqlite://" + path} {
			s := open(t, url)
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("%q: %v", url, err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%q made no file of that name: %v", url, err)
			}
		}
	}
}

func TestSQLiteConnectionsAreSetUp(t *testing.T) {
	t.Parallel()
	for url, journal := range map[string]string{sqliteFile(t): "wal", "sqlite::memory:": "memory"} {
		s := open(t, url)
		for pragma, want := range map[string]string{"journal_mode": journal, "foreign_keys": "1", "busy_timeout": "5000", "synchronous": "2"} {
			var got string
			if err := s.DB().DB.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q (%v), want %q", url, pragma, got, err, want)
			}
		}
	}
}

func TestPostgresTimeoutsAreSetUnlessTheURLHasThem(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	for parameter, want := range map[string]string{"": "30s", "statement_timeout=1234": "1234ms", "statement_timeout=": "0"} {
		var got string
		s := open(t, with(url, parameter))
		if err := s.DB().DB.QueryRowContext(t.Context(), "SHOW statement_timeout").Scan(&got); err != nil || got != want {
			t.Errorf("with %q statement_timeout is %q (%v), want %q", parameter, got, err, want)
		}
	}
}

func TestBunQueriesWorkOnTheSamePool(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		migrate(t, s, schema)
		signIn(t, s, schema, "1")

		type user struct {
			ID            string `bun:",pk"`
			Email         string
			EmailVerified bool
		}
		var got []user
		if err := s.DB().NewSelect().Model(&got).Where("email LIKE ?", "1@%").Scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0] != (user{"1", "1@example.com", true}) {
			t.Errorf("got %+v", got)
		}
		var rows []map[string]any
		if err := s.DB().NewSelect().Table("sessions").Scan(t.Context(), &rows); err != nil || len(rows) != 1 || rows[0]["token"] != "1" {
			t.Errorf("got %v, %v", rows, err)
		}
		stmt, err := s.DB().PrepareContext(t.Context(), "SELECT 1")
		if err != nil {
			t.Fatal(err)
		}
		var one int
		for range 2 {
			if err := stmt.QueryRowContext(t.Context()).Scan(&one); err != nil || one != 1 {
				t.Errorf("a prepared statement returned %d, %v", one, err)
			}
		}
		if err := stmt.Close(); err != nil {
			t.Error(err)
		}
	})
}
