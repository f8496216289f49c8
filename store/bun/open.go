package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	sqlitedriver "modernc.org/sqlite"
)

// What [Open] sets where the URL does not.
const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 30 * time.Second
	cancelTimeout    = 250 * time.Millisecond
	busyTimeout      = 5 * time.Second
	// A connection is replaced now and then, so that a fail-over or a change of
	// the name's address is noticed.
	connectionLife = 30 * time.Minute
	connectionIdle = 5 * time.Minute
)

// Open returns a store on the database of the URL, with a pool of its own that
// [Store.Close] closes.
//
//	postgres://user:password@host:5432/database?sslmode=verify-full
//	sqlite:app.db
//	sqlite:/var/lib/app/app.db
//	sqlite::memory:
//
// PostgreSQL is reached through pgx; its parameters, and the PG… variables of
// the environment, mean what pgx and libpq say. Open connects to nothing yet:
// the database may be down, and the store works as soon as it is up. Unless the
// URL has them, connect_timeout is 5 (seconds) and statement_timeout 30s; a
// pooler that refuses the latter at the start of a connection is pleased by an
// empty "statement_timeout=". One that gives each transaction another
// connection, as PgBouncer can, needs "default_query_exec_mode=exec" as well.
// The pool holds up to four connections a CPU, ten at least; [Store.DB] has the
// methods to change that. When a context ends during a statement, the server is
// asked to stop it and has a quarter of a second to say so: after that the
// connection is given up.
//
// SQLite needs no cgo. The file is created if need be, in write-ahead-log mode
// with foreign keys enforced, and a connection waits five seconds for another
// process that writes. ":memory:" is one database for the whole pool, on one
// connection, gone when the store is closed.
//
// An error says which part of the URL is wrong and holds nothing of its user,
// password or host.
func Open(url string) (*Store, error) {
	switch {
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgres(url)
	case strings.HasPrefix(url, "sqlite:"):
		return openSQLite(strings.TrimPrefix(url, "sqlite:"))
	}
	return nil, errors.New("database URL: neither postgres:// nor postgresql:// nor sqlite: is what it starts with")
}

func openPostgres(rawURL string) (*Store, error) {
	config, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	return opened(bun.NewDB(postgresPool(config), pgdialect.New())), nil
}

func postgresConfig(rawURL string) (*pgx.ConnConfig, error) {
	if problem := urlProblem(rawURL); problem != "" {
		return nil, errors.New("database URL: " + problem)
	}
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		// pgx's own error quotes the URL.
		return nil, errors.New("database URL: " + parameterProblem(rawURL))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// pgx by itself drops the connection when a context ends, and the server may
	// still carry the statement out. So ask the server to stop, and wait for
	// its answer for a moment.
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelTimeout}
	}
	switch t, ok := config.RuntimeParams["statement_timeout"]; {
	case !ok:
		config.RuntimeParams["statement_timeout"] = strconv.FormatInt(statementTimeout.Milliseconds(), 10)
	case t == "":
		delete(config.RuntimeParams, "statement_timeout")
	}
	return config, nil
}

func postgresPool(config *pgx.ConnConfig) *sql.DB {
	pool := stdlib.OpenDB(*config)
	size := max(10, 4*runtime.GOMAXPROCS(0))
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxLifetime(connectionLife)
	pool.SetConnMaxIdleTime(connectionIdle)
	return pool
}

func openSQLite(file string) (*Store, error) {
	memory := file == ":memory:"
	switch {
	case file == "":
		return nil, errors.New("database URL: sqlite: stands without a file, as in sqlite:app.db")
	case strings.HasPrefix(file, "//") && !strings.HasPrefix(file, "///"):
		return nil, errors.New("database URL: SQLite has no host: write sqlite:app.db, or sqlite:/folder/app.db for a file by its full path")
	case strings.ContainsAny(file, "?#"):
		return nil, errors.New("database URL: SQLite takes no parameters: for other settings open a *bun.DB and use New")
	}
	pragmas := url.Values{
		"_txlock": {"immediate"},
		// Names in double quotes that no column has are errors, not strings.
		"_dqs":    {"0"},
		"_pragma": {"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")", "foreign_keys(1)"},
	}
	// Opaque, because a path that begins with two slashes would be a host.
	dsn := url.URL{Scheme: "file", Opaque: ":memory:"}
	if !memory {
		dsn.Opaque = (&url.URL{Path: filepath.ToSlash(filepath.Clean(file))}).EscapedPath()
		pragmas.Add("_pragma", "journal_mode(WAL)")
	}
	dsn.RawQuery = pragmas.Encode()
	connector, err := sqlitedriver.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	pool := sqlitePool(connector, memory)
	// A file that cannot be opened will not mend itself, as a server may.
	if err := pool.PingContext(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("database URL: the file cannot be opened or created, is no SQLite database, or its folder does not exist: %w", err), pool.Close())
	}
	return opened(bun.NewDB(pool, sqlitedialect.New())), nil
}

func sqlitePool(connector driver.Connector, memory bool) *sql.DB {
	pool := sql.OpenDB(connector)
	size := max(4, runtime.GOMAXPROCS(0))
	if memory {
		// The connection is the database.
		size = 1
	} else {
		pool.SetConnMaxIdleTime(connectionIdle)
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool
}

func opened(db *bun.DB) *Store {
	s := New(db)
	s.owned = true
	return s
}
