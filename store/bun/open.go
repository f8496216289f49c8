package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
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

// What [Open] sets where neither the URL nor an [Option] does.
const (
	connectTimeout   = 5 * time.Second
	acquireTimeout   = 5 * time.Second
	statementTimeout = 30 * time.Second
	cancelTimeout    = 250 * time.Millisecond
	busyTimeout      = 5 * time.Second
	busyPause        = 20 * time.Millisecond
	// A connection is replaced now and then, so that a fail-over or a change of
	// the name's address is noticed.
	connectionLife = 30 * time.Minute
	connectionIdle = 5 * time.Minute
)

// Open returns a store on the database of the URL, with a pool of its own that
// [Store.Close] closes. The options size the pool and set time-outs; each says
// its default.
//
//	postgres://user:password@host:5432/database?sslmode=verify-full
//	mysql://user:password@host:3306/database?tls=true
//	mariadb://user:password@host:3306/database?tls=true
//	sqlserver://user:password@host:1433?database=name
//	sqlite:app.db
//	sqlite:/var/lib/app/app.db
//	sqlite::memory:
//
// To a server, Open connects only when it is needed: it may be down, and the
// store works as soon as it is up. An error says which part of the URL is wrong
// and holds nothing of its user, password or host.
//
// # PostgreSQL
//
// PostgreSQL is reached through pgx; the parameters of the URL, and the PG…
// variables of the environment, mean what pgx and libpq say. Without one,
// connect_timeout is 5 (seconds). A pooler that refuses statement_timeout at the
// start of a connection is pleased by an empty "statement_timeout=": then the
// store alone stops its own statements, five seconds after [StatementTimeout].
// One that gives each transaction another connection, as PgBouncer can, needs
// "default_query_exec_mode=exec" as well. When a context ends during a
// statement, the server is asked to stop it and has a quarter of a second to say
// so: after that the connection is given up.
//
// # MySQL and MariaDB
//
// Both are reached through go-sql-driver/mysql. Say mariadb: for MariaDB, so
// that Bun uses RETURNING in the application's own queries. Sessions are in UTC and
// utf8mb4, read committed, and in the strict mode that MySQL 8 has by default:
// text that is too long is an error. The parameters are
//
//	tls              true, skip-verify (encrypt, trust anybody), preferred
//	                 (skip-verify if the server can), false; the default is
//	                 preferred, and false for a socket
//	tls_ca           a file with the authorities to trust, for tls=true
//	socket           the path of a Unix socket, instead of a host
//	connect_timeout  seconds; 5 by default
//
// When a context ends during a statement, the connection is given up; the server
// may still carry the statement out.
//
// # SQL Server
//
// SQL Server is reached through go-mssqldb, whose parameters the URL takes. Of
// this dialect only the statements have been checked, against files of what they
// should be; it has been tested on no server.
//
// # SQLite
//
// SQLite needs no cgo. The file is created if need be, in write-ahead-log mode
// with foreign keys enforced, and a connection waits five seconds for another
// process that writes. ":memory:" is one database for the whole pool, on one
// connection whatever the options say, gone when the store is closed.
func Open(url string, given ...Option) (*Store, error) {
	o, err := settings(given)
	if err != nil {
		return nil, err
	}
	scheme, rest, ok := strings.Cut(url, ":")
	if open := servers[scheme]; open != nil && strings.HasPrefix(rest, "//") {
		db, err := open(url, o)
		if err != nil {
			return nil, fmt.Errorf("database URL: %w", err)
		}
		return opened(db, o), nil
	}
	if ok && scheme == "sqlite" {
		return openSQLite(rest, o)
	}
	return nil, errors.New("database URL: neither postgres:// nor mysql:// nor mariadb:// nor sqlserver:// nor sqlite: is what it starts with")
}

// servers opens the pool of each kind of server, by the scheme of the URL.
var servers = map[string]func(url string, o *options) (*bun.DB, error){
	"postgres":   openPostgres,
	"postgresql": openPostgres,
	"mysql":      openMySQL,
	"mariadb":    openMySQL,
	"sqlserver":  openSQLServer,
}

// hasty is a connector that gives up a connection which takes too long to make.
type hasty struct {
	driver.Connector
	limit time.Duration
}

// Connect implements [driver.Connector].
func (c hasty) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	return c.Connector.Connect(ctx)
}

func opened(db *bun.DB, o *options) *Store {
	s := newStore(db, o)
	s.owned = true
	return s
}

// serverSize is how many connections a pool holds at most by default.
func serverSize() int { return max(10, 4*runtime.GOMAXPROCS(0)) }

func openPostgres(rawURL string, o *options) (*bun.DB, error) {
	config, err := postgresConfig(rawURL, o)
	if err != nil {
		return nil, err
	}
	pool := o.pool(stdlib.OpenDB(*config), serverSize(), connectionLife)
	return bun.NewDB(pool, pgdialect.New()), nil
}

func postgresConfig(rawURL string, o *options) (*pgx.ConnConfig, error) {
	if problem := postgresProblem(rawURL); problem != "" {
		return nil, errors.New(problem)
	}
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		// pgx's own error quotes the URL.
		return nil, errors.New(parameterProblem(rawURL))
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
	limit := o.handOver()
	switch text, ok := config.RuntimeParams["statement_timeout"]; {
	case !ok:
		config.RuntimeParams["statement_timeout"] = strconv.FormatInt(milliseconds(limit), 10)
	case text == "":
		delete(config.RuntimeParams, "statement_timeout")
	default:
		limit = postgresDuration(text)
	}
	if limit > 0 {
		// Of a server that has gone without a word nothing else tells.
		limit += connectTimeout
		o.statement = &limit
	}
	return config, nil
}

// maxPostgresDuration is what the server counts in 32 bits, in milliseconds.
const maxPostgresDuration = float64(math.MaxInt32 * time.Millisecond)

// postgresUnits are those of PostgreSQL's settings, the longer ones first among
// those that end alike.
var postgresUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"us", time.Microsecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"min", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
	{"", time.Millisecond},
}

// postgresDuration reads a setting that counts milliseconds where it has no
// unit. What the server would not take is zero.
func postgresDuration(text string) time.Duration {
	for _, u := range postgresUnits {
		number, ok := strings.CutSuffix(strings.TrimSpace(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= float64(u.unit); err == nil && n >= 0 && n <= maxPostgresDuration {
			return time.Duration(n)
		}
		return 0
	}
	return 0
}

// milliseconds rounds up: zero is no limit to a server.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

func openSQLite(file string, o *options) (*Store, error) {
	memory := file == ":memory:"
	switch {
	case file == "":
		return nil, errors.New("database URL: sqlite: stands without a file, as in sqlite:app.db")
	case strings.HasPrefix(file, "//") && !strings.HasPrefix(file, "///"):
		return nil, errors.New("database URL: SQLite has no host: write sqlite:app.db, or sqlite:/folder/app.db for a file by its full path")
	case strings.ContainsAny(file, "?#"):
		return nil, errors.New("database URL: SQLite takes no parameters: for other settings open a *bun.DB and use New")
	}
	connector, err := sqlitedriver.NewConnector(sqliteDSN(file, memory))
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	pool := sqlitePool(sql.OpenDB(connector), memory, o)
	if err := pingFile(pool); err != nil {
		return nil, errors.Join(fmt.Errorf("database URL: the file cannot be opened or created, is no SQLite database, or its folder does not exist: %w", err), pool.Close())
	}
	s := opened(bun.NewDB(pool, sqlitedialect.New()), o)
	s.dialect = sqlite{immediate: true}
	return s, nil
}

func sqliteDSN(file string, memory bool) string {
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
	return dsn.String()
}

// pingFile opens the file: one that cannot be opened will not mend itself, as a
// server may. While another process switches the write-ahead log on, though,
// SQLite says that the file is locked, and does not wait as it does otherwise.
func pingFile(pool *sql.DB) error {
	for end := time.Now().Add(busyTimeout); ; {
		err := pool.PingContext(context.Background())
		if err == nil || !strings.Contains(err.Error(), "database is locked") || time.Now().After(end) {
			return err
		}
		<-time.After(busyPause)
	}
}

func sqlitePool(pool *sql.DB, memory bool, o *options) *sql.DB {
	if memory {
		// The connection is the database.
		pool.SetMaxOpenConns(1)
		pool.SetMaxIdleConns(1)
		return pool
	}
	return o.pool(pool, max(4, runtime.GOMAXPROCS(0)), 0)
}
