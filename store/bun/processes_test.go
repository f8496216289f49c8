package bunstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	neturl "net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	sqlitedriver "modernc.org/sqlite"

	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// What a process that migrates is told by its environment.
const (
	processURL  = "OSTIARY_MIGRATING_PROCESS" // the database; without it there is none
	processStop = "OSTIARY_MIGRATING_STOP"    // before which change it stops for ever
)

// TestMigratingProcess is no test of its own: it is the process that others
// start, and kill.
func TestMigratingProcess(t *testing.T) {
	url := os.Getenv(processURL)
	if url == "" {
		t.Skip("run by other tests")
	}
	stop, _ := strconv.Atoi(os.Getenv(processStop))
	connector, dialect := connectorOf(t, url)
	s := bunstore.New(bun.NewDB(sql.OpenDB(&stopping{Connector: connector, before: stop}), dialect), processGroup(stop))
	defer func() { _ = s.DB().Close() }()
	tables := processSchema(t, stop)
	// Its standard input ends when all are to begin.
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	migrate(t, s, tables)
}

// processPrefix is what the names begin with in a process, which has tables and
// migrations of its own for each place to stop at.
func processPrefix(stop int) string { return fmt.Sprintf("n%d_", stop) }

// processGroup is what a process migrates besides.
func processGroup(stop int) bunstore.Option {
	prefix := processPrefix(stop)
	return bunstore.Migrations(bunstore.MigrationGroup{Name: prefix, Migrations: []bunstore.Migration{
		{Name: "one", Up: bunstore.SQL("CREATE TABLE IF NOT EXISTS " + prefix + "one (id integer)")},
		{Name: "two", Up: bunstore.SQL("DELETE FROM "+prefix+"one", "INSERT INTO "+prefix+"one VALUES (2)")},
	}})
}

// processSchema is what a process migrates to.
func processSchema(t testing.TB, stop int) *store.Schema {
	t.Helper()
	naming := store.SnakePlural()
	naming.Prefix = processPrefix(stop)
	// In a circle, which takes the most statements.
	return compile(
		t, naming,
		store.Table{Name: "user", Fields: []*store.Field{
			{Name: "email", Type: store.String, Required: true, Unique: true},
			{Name: "teamId", Type: store.String, References: &store.Reference{Table: "team", OnDelete: store.SetNull}},
		}},
		store.Table{Name: "team", Fields: []*store.Field{
			{Name: "ownerEmail", Type: store.String, References: &store.Reference{Table: "user", Field: "email", OnDelete: store.Restrict, As: "owner"}},
		}},
	)
}

func connectorOf(t testing.TB, url string) (driver.Connector, schema.Dialect) {
	t.Helper()
	switch {
	case strings.HasPrefix(url, "postgres"):
		return bunstore.PostgresConnector(t, url, func(*pgx.ConnConfig) {}), pgdialect.New()
	case strings.HasPrefix(url, "sqlite:"):
		c, err := sqlitedriver.NewConnector("file:" + strings.TrimPrefix(url, "sqlite:") + "?_pragma=busy_timeout(50)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)")
		if err != nil {
			t.Fatal(err)
		}
		return c, sqlitedialect.New()
	}
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	config := mysqldriver.NewConfig()
	config.User, config.Net, config.Addr, config.DBName, config.ParseTime = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/"), true
	config.Passwd, _ = u.User.Password()
	c, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, mysqldialect.New()
}

// stopping is a connector whose connections say so and stop for ever before the
// change of that number.
type stopping struct {
	driver.Connector
	before, changes int
}

func (s *stopping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &stoppingConn{c, s}, nil
}

type stoppingConn struct {
	driver.Conn
	owner *stopping
}

func (c *stoppingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	for _, word := range []string{"CREATE", "ALTER", "INSERT", "COMMIT"} {
		if strings.HasPrefix(query, word) {
			c.owner.change()
		}
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (s *stopping) change() {
	s.changes++
	if s.changes == s.before {
		fmt.Println("stopped")
		select {}
	}
}

func (c *stoppingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *stoppingConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	return stoppingTx{tx, c.owner}, err
}

func (c *stoppingConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type stoppingTx struct {
	driver.Tx
	owner *stopping
}

func (x stoppingTx) Commit() error {
	x.owner.change()
	return x.Tx.Commit()
}

// process starts this binary as a process that migrates. It begins when begin
// is closed.
func process(t testing.TB, url string, stop int, begin *os.File) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMigratingProcess$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), processURL+"="+url, processStop+"="+strconv.Itoa(stop))
	cmd.Stdin = begin
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

func TestTenProcessesMigrateAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = read.Close() }()
		var all []*exec.Cmd
		var outs []*bufio.Reader
		for range 10 {
			cmd, out := process(t, url, 0, read)
			all, outs = append(all, cmd), append(outs, out)
		}
		if err := write.Close(); err != nil {
			t.Fatal(err)
		}
		for i, cmd := range all {
			said, _ := io.ReadAll(outs[i])
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, said)
			}
		}
		mustBeMigrated(t, url, 0)
	})
}

// mustBeMigrated completes the migration of a process that is no more.
func mustBeMigrated(t *testing.T, url string, stop int) {
	t.Helper()
	s := open(t, url, processGroup(stop))
	schema := processSchema(t, stop)
	migrate(t, s, schema)
	if p := fullPlan(t, s, schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
		t.Errorf("there is left to do or to say: %+v", p)
	}
	if n := count(t, s, fmt.Sprintf("n%d_one", stop)); n != 1 {
		t.Errorf("a migration of the application has run %d times", n)
	}
	create(t, s, schema, "user", store.Record{"id": "1", "email": "1"})
	_, err := s.Create(t.Context(), schema.Table("team"), store.Record{"id": "1", "ownerEmail": "nobody"})
	if !errors.Is(err, store.ErrReference) {
		t.Errorf("a reference is not enforced: got error %v", err)
	}
}

// Wherever a process is killed, the next one completes what it began.
func TestKilledProcessLeavesWhatTheNextCompletes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		for stop := 1; ; stop++ {
			if stop > 60 {
				t.Fatal("the process never came to its end")
			}
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			cmd, out := process(t, url, stop, null)
			line, _ := out.ReadString('\n')
			stopped := line == "stopped\n"
			if stopped {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			rest, _ := io.ReadAll(out)
			err = cmd.Wait()
			_ = null.Close()
			if !stopped {
				if err != nil || stop < 5 {
					t.Fatalf("%d: the process ended by itself: %v\n%s%s", stop, err, line, rest)
				}
				return
			}
			mustBeMigrated(t, url, stop)
		}
	})
}
