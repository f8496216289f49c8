package bunstore

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ostiary/ostiary/store"
)

// PostgresConnector is what Open connects with, after tweak has changed its
// configuration.
func PostgresConnector(t testing.TB, url string, tweak func(*pgx.ConnConfig)) driver.Connector {
	t.Helper()
	config, err := postgresConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	tweak(config)
	return stdlib.GetConnector(*config)
}

// SchemaLock is the advisory lock that Migrate takes on PostgreSQL.
const SchemaLock = schemaLock

// Failure is what a call on the table returns for a driver's error.
func Failure(ctx context.Context, s *Store, t *store.Table, err error) error {
	return s.failure(ctx, t, err)
}
