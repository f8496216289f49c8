package bunstore_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun/dialect/feature"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
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
		{"oracle://app:hunter2@db/app", "what it starts with"},
		{"postgres:app:hunter2@db/app", "what it starts with"},
		{"mysql:app:hunter2@tcp(db)/app", "what it starts with"},
		{"app:hunter2@tcp(db:3306)/app", "what it starts with"},
		{"sqlite", "what it starts with"},
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

		{"mysql://app:hunter2@db", "name of the database is missing"},
		{"mysql://app:hunter2@db/", "name of the database is missing"},
		{"mysql://app:hunter2@/app", "host is missing"},
		{"mysql:///app", "host is missing"},
		{"mysql://app:hunter2@tcp(db:3306)/app", "host or its port"},
		{"mysql://app:hunter2@db:3306x/app", "host or its port"},
		{"mysql://app:hunter2@one,two/app", "host or its port"},
		{"mysql://app:hun ter2@d b/app", "host or"},
		{"mysql://app:hunter2%@db/app", "user or the password holds a %"},
		{"mysql://app:hunter2/x@db/app", "percent-encoded"},
		{"mysql://app:123?hunter2@db/app", "percent-encoded"},
		{"mysql://app:hunter2#x@db/app", "percent-encoded"},
		{"mysql://app:hunter2@db/app%", "database holds a %"},
		{"mysql://app:hunter2@db/app?tls=%zz", "parameter after the question mark"},
		{"mysql://app:hunter2@db/app?tls=maybe", "parameter tls"},
		{"mysql://app:hunter2@db/app?hunter2=true", "is none of tls"},
		{"mysql://app:hunter2@db/app?allowAllFiles=true", "is none of tls"},
		{"mysql://app:hunter2@db/app?connect_timeout=soon", "parameter connect_timeout"},
		{"mysql://app:hunter2@db/app?connect_timeout=-1", "parameter connect_timeout"},
		{"mysql://app:hunter2@db/app?connect_timeout=0", "parameter connect_timeout"},
		{"mysql://app:hunter2@db/app?socket=/run/mysqld.sock", "both a host and the parameter socket"},
		{"mysql://app:hunter2@db/app?tls_ca=/does/not/exist", "needs tls=true"},
		{"mysql://app:hunter2@db/app?tls=true&tls_ca=/does/not/exist", "cannot be read"},
		{"mariadb://app:hunter2@db/app?tls=true&tls_ca=" + notSQLite, "without a certificate"},

		{"sqlserver://app:hunter2@db", "name of the database is missing"},
		{"sqlserver://app:hunter2@?database=app", "host is missing"},
		{"sqlserver://app:hunter2@db:1433x?database=app", "host or its port"},
		{"sqlserver://app:hunter2/x@db?database=app", "percent-encoded"},
		{"sqlserver://app:hunter2@db?database=app&encrypt=hunter2", "go-mssqldb does not take"},

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
		"mysql://localhost/app",
		"mariadb://app:p%40ss%2Fword%23%3F@[::1]:3307/app?tls=true&connect_timeout=3",
		"mysql://app@[::1]/app?tls=skip-verify",
		"mysql://app@/app?socket=/run/mysqld/mysqld.sock",
		"sqlserver://app:p%40ss@localhost:1433?database=app&encrypt=true",
		"sqlserver://app@localhost/instance?database=app",
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

func TestStatementTimeoutOfTheURLIsReadAsPostgresReadsIt(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.Postgres(t))
	for text, want := range map[string]time.Duration{
		"0": 0, "1234": 1234 * time.Millisecond, " 1234 ": 1234 * time.Millisecond, "1500us": 1500 * time.Microsecond, "20ms": 20 * time.Millisecond,
		"2s": 2 * time.Second, "1.5 s": 1500 * time.Millisecond, "5min": 5 * time.Minute, "5 min ": 5 * time.Minute, "1h": time.Hour, "1d": 24 * time.Hour,
		"2147483647": 2147483647 * time.Millisecond,
	} {
		if got := bunstore.PostgresDuration(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
		if _, err := s.DB().DB.ExecContext(t.Context(), "SELECT set_config('statement_timeout', $1, true)", text); err != nil {
			t.Errorf("the server does not take %q: %v", text, err)
		}
	}
	for _, text := range []string{"-1", "x", "s", "", "nan", "inf", "2147483648", "1e99d", "5 weeks"} {
		if got := bunstore.PostgresDuration(text); got != 0 {
			t.Errorf("%q, which the server does not take, is %v", text, got)
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

func TestMySQLSessionsAreSetUp(t *testing.T) {
	t.Parallel()
	url := testenv.MySQL(t)
	strict := "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
	for name, c := range map[string]struct {
		url     string
		options []bunstore.Option
		want    string
	}{
		"by default": {url, nil, "30.000000|30"},
		"MariaDB":    {strings.Replace(url, "mysql:", "mariadb:", 1), nil, "30.000000|30"},
		"limited":    {url, []bunstore.Option{bunstore.StatementTimeout(1500 * time.Millisecond)}, "1.500000|1"},
		"unlimited":  {url, []bunstore.Option{bunstore.StatementTimeout(0)}, "0.000000|50"},
	} {
		s := open(t, c.url, c.options...)
		var session, limits string
		err := s.DB().DB.QueryRowContext(t.Context(), `SELECT
			concat_ws('|', @@time_zone, @@sql_mode, @@tx_isolation, @@character_set_client, @@character_set_connection, @@character_set_results),
			concat_ws('|', @@max_statement_time, @@innodb_lock_wait_timeout)`).Scan(&session, &limits)
		if err != nil {
			t.Fatal(err)
		}
		if want := "+00:00|" + strict + "|READ-COMMITTED|utf8mb4|utf8mb4|utf8mb4"; session != want {
			t.Errorf("%s: the session is %s, want %s", name, session, want)
		}
		if limits != c.want {
			t.Errorf("%s: the limits are %s, want %s", name, limits, c.want)
		}
	}
}

func TestMySQLTakesEveryByteOfAValue(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.MySQL(t))
	// The driver writes values into the text: whatever the mode, they come back.
	for _, mode := range []string{"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"} {
		err := func() error {
			c, err := s.DB().DB.Conn(t.Context())
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			if _, err := c.ExecContext(t.Context(), "SET sql_mode = '"+mode+"'"); err != nil {
				return err
			}
			for _, value := range []string{`\`, `\'`, `'`, `''`, `"`, `\" OR 1=1 -- `, "' OR 1=1 -- ", "\x00\n\r\x1a", "ü💥\u2028", "?", "/* ? */", `\\' OR '1'='1`} {
				var got string
				var one int
				if err := c.QueryRowContext(t.Context(), "SELECT ?, ?", value, 1).Scan(&got, &one); err != nil || got != value || one != 1 {
					t.Errorf("with sql_mode %q %q comes back as %q, %d (%v)", mode, value, got, one, err)
				}
			}
			return nil
		}()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBunKnowsWhatMariaDBCan(t *testing.T) {
	t.Parallel()
	url := testenv.MySQL(t)
	for scheme, want := range map[string]bool{"mysql:": false, "mariadb:": true} {
		s := open(t, strings.Replace(url, "mysql:", scheme, 1))
		if got := s.DB().HasFeature(feature.InsertReturning); got != want {
			t.Errorf("%s returning is %v, want %v", scheme, got, want)
		}
		var n int
		err := s.DB().NewSelect().With("one", s.DB().NewSelect().ColumnExpr("1 AS n")).Table("one").Scan(t.Context(), &n)
		if err != nil || n != 1 {
			t.Errorf("%s a common table expression gives %d, %v", scheme, n, err)
		}
	}
}

func TestOpenWaitsForNoServer(t *testing.T) {
	t.Parallel()
	for _, url := range []string{testenv.Postgres(t), testenv.MySQL(t)} {
		proxy := testenv.NewProxy(t, url)
		proxy.Hang()
		began := time.Now()
		s := open(t, testenv.Through(url, proxy))
		if took := time.Since(began); took > time.Second {
			t.Errorf("Open of a server that hangs took %v", took)
		}
		proxy.Start()
		if err := s.DB().PingContext(t.Context()); err != nil {
			t.Errorf("once the server is there: %v", err)
		}
	}
}

func TestMySQLThatHangsIsLeftAfterTheConnectTimeout(t *testing.T) {
	t.Parallel()
	url := testenv.MySQL(t)
	proxy := testenv.NewProxy(t, url)
	proxy.Hang()
	began := time.Now()
	if err := open(t, with(testenv.Through(url, proxy), "connect_timeout=1")).Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
	if took := time.Since(began); took > quick {
		t.Errorf("the connect took %v", took)
	}
}

func TestOptionsSizeThePool(t *testing.T) {
	t.Parallel()
	url := sqliteFile(t)
	s := open(t, url, bunstore.MaxOpen(3), bunstore.MaxIdle(0), bunstore.MaxLifetime(time.Hour), bunstore.MaxIdleTime(time.Minute), nil)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := s.DB().Stats(); stats.MaxOpenConnections != 3 || stats.OpenConnections != 0 {
		t.Errorf("got %+v, want a pool of three that keeps none", stats)
	}

	given := bunstore.New(s.DB())
	if n := given.DB().Stats().MaxOpenConnections; n != 3 {
		t.Errorf("New without options made the pool %d connections big", n)
	}
	given = bunstore.New(s.DB(), bunstore.MaxOpen(7), bunstore.MaxIdle(1))
	if err := given.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := given.DB().Stats(); stats.MaxOpenConnections != 7 || stats.Idle != 1 {
		t.Errorf("got %+v, want a pool of seven that keeps one", stats)
	}

	memory := open(t, "sqlite::memory:", bunstore.MaxOpen(20), bunstore.MaxIdle(0), bunstore.MaxLifetime(1))
	migrate(t, memory, authSchema(t))
	signIn(t, memory, authSchema(t), "1")
	if n := memory.DB().Stats().OpenConnections; n != 1 {
		t.Errorf("the database in memory is on %d connections", n)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite::memory:").DB()
	for want, options := range map[string][]bunstore.Option{
		"MaxOpen(0)":                               {bunstore.MaxOpen(0)},
		"MaxIdle(-1)":                              {bunstore.MaxIdle(-1)},
		"MaxIdle(5) is more than MaxOpen(4)":       {bunstore.MaxIdle(5), bunstore.MaxOpen(4)},
		"MaxLifetime(-1ns)":                        {bunstore.MaxLifetime(-1)},
		"MaxIdleTime(-1s)":                         {bunstore.MaxIdleTime(-time.Second)},
		"AcquireTimeout(-1s)":                      {bunstore.AcquireTimeout(-time.Second)},
		"StatementTimeout(-1s)":                    {bunstore.StatementTimeout(-time.Second)},
		"MaxOpen(-2): the pool needs a connection": {bunstore.AcquireTimeout(-time.Second), bunstore.MaxOpen(-2)},
	} {
		s, err := bunstore.Open("sqlite::memory:", options...)
		if err == nil {
			_ = s.Close()
		}
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got error %v, want %q", err, want)
		}
		given := bunstore.New(db, options...)
		for name, operation := range operations(given, authSchema(t)) {
			if err := operation(t.Context()); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", name, err, want)
			}
		}
		if err := given.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestStatementTimeoutOfTheURLWins(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	for parameter, want := range map[string]string{"": "2s", "statement_timeout=1234": "1234ms", "statement_timeout=": "0"} {
		var got string
		s := open(t, with(url, parameter), bunstore.StatementTimeout(2*time.Second))
		if err := s.DB().DB.QueryRowContext(t.Context(), "SHOW statement_timeout").Scan(&got); err != nil || got != want {
			t.Errorf("with %q statement_timeout is %q (%v), want %q", parameter, got, err, want)
		}
	}
}

func TestSQLServerThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "sqlserver://app:hunter2@" + l.Addr().String() + "?database=app"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = open(t, url, bunstore.AcquireTimeout(time.Second)).Ping(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v", err)
	}
}
