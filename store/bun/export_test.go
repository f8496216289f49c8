package bunstore

import (
	"context"
	"database/sql/driver"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ostiary/ostiary/store"
)

// PostgresConnector is what Open connects with, after tweak has changed its
// configuration.
func PostgresConnector(t testing.TB, url string, tweak func(*pgx.ConnConfig)) driver.Connector {
	t.Helper()
	config, err := postgresConfig(url, &options{})
	if err != nil {
		t.Fatal(err)
	}
	tweak(config)
	return stdlib.GetConnector(*config)
}

// PostgresDuration is how long a statement_timeout of that text is.
func PostgresDuration(text string) time.Duration { return postgresDuration(text) }

// MySQLConnector is what Open connects with, after tweak has changed its
// configuration.
func MySQLConnector(t testing.TB, url string, tweak func(*mysqldriver.Config)) driver.Connector {
	t.Helper()
	config, err := mysqlConfig(url, &options{})
	if err != nil {
		t.Fatal(err)
	}
	tweak(config)
	c, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// SchemaLock is the advisory lock that Migrate takes on PostgreSQL.
const SchemaLock = schemaLock

// Failure is what a call on the table returns for a driver's error.
func Failure(ctx context.Context, s *Store, t *store.Table, err error) error {
	return s.failure(ctx, t, err)
}

// Literal is the default of a field that is added to a table with rows, in SQL.
func Literal(t testing.TB, name string, f *store.Field) string {
	t.Helper()
	d := map[string]schemaDialect{"postgres": postgres{}, "sqlite": sqlite{}, "mysql": mysql{}, "mariadb": mysql{}, "mssql": mssql{}}[name]
	v, err := f.Type.Canonical(f.Default)
	if err != nil {
		t.Fatal(err)
	}
	return d.literal(f.Type, v)
}
