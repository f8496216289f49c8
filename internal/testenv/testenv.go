// Package testenv gives tests the services they need: an empty PostgreSQL,
// MySQL or MongoDB database, a Redis server, and a proxy in front of any of
// them that can refuse, cut or hang.
//
//	func TestSomething(t *testing.T) {
//		url := testenv.Postgres(t)
//		...
//	}
//
// The services themselves come from outside: `make test` starts private ones
// and names them in the environment, in [PostgresEnv], [MySQLEnv], [MongoEnv]
// and [RedisEnv]. Where a variable is missing the test is skipped, and fails
// when CI is set, so that nothing goes unchecked there.
//
// Only test code may import this package.
package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The environment variables that name the services.
const (
	// PostgresEnv holds the URL of a PostgreSQL database whose user may create
	// databases, such as postgres://postgres@127.0.0.1:5432/postgres.
	PostgresEnv = "OSTIARY_TEST_POSTGRES"
	// MySQLEnv holds the URL of a MySQL or MariaDB server whose user may create
	// databases, such as mysql://root@127.0.0.1:3306/mysql.
	MySQLEnv = "OSTIARY_TEST_MYSQL"
	// MongoEnv holds the URL of a server that speaks MongoDB's protocol, such as
	// mongodb://127.0.0.1:27017/.
	MongoEnv = "OSTIARY_TEST_MONGO"
	// RedisEnv holds the URL of a Redis database, such as
	// redis://127.0.0.1:6379/0.
	RedisEnv = "OSTIARY_TEST_REDIS"
)

// adminTimeout bounds the creation and the removal of one database.
const adminTimeout = time.Minute

// Postgres returns the URL of a fresh, empty database, which is dropped when
// the test ends, with whoever is still connected to it.
//
// Where the server can, text in it is ordered by the rules of a language and
// not by its bytes, as in most databases in production: a test that depends on
// the order of bytes by accident fails here and not there.
func Postgres(t testing.TB) string {
	t.Helper()
	admin := require(t, PostgresEnv)
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s is no URL: %v", PostgresEnv, err)
	}

	name := "ostiary_test_" + randomName()
	if err := createDatabase(t.Context(), admin, name); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context is canceled by now.
		if err := dropDatabase(context.Background(), admin, name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// Redis returns the URL of the Redis server. All tests share it, so every key a
// test writes has to start with a [Prefix] of its own, and a test must not
// flush or reconfigure the server.
func Redis(t testing.TB) string {
	t.Helper()
	return require(t, RedisEnv)
}

// Prefix returns a key prefix that no other call returns. It holds only lower
// case letters, digits and hyphens, and ends with a colon.
func Prefix(t testing.TB) string {
	t.Helper()
	return "test-" + randomName() + ":"
}

func require(t testing.TB, env string) string {
	t.Helper()
	value := os.Getenv(env)
	switch {
	case value != "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not set: run the tests through `make test`, which starts the services", env)
	default:
		t.Skipf("%s is not set: `make test` starts the services this test needs", env)
	}
	return value
}

func createDatabase(ctx context.Context, admin, name string) error {
	const linguistic = `SELECT current_setting('server_version_num')::int >= 150000
		AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')`
	return withAdmin(ctx, admin, func(ctx context.Context, conn *pgx.Conn) error {
		var icu bool
		if err := conn.QueryRow(ctx, linguistic).Scan(&icu); err != nil {
			return err
		}
		// Nobody can be connected to template0, and a template in use cannot be
		// copied.
		create := "CREATE DATABASE " + name + " TEMPLATE template0"
		if icu {
			create += " ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
		}
		_, err := conn.Exec(ctx, create)
		return err
	})
}

func dropDatabase(ctx context.Context, admin, name string) error {
	return withAdmin(ctx, admin, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		return err
	})
}

func withAdmin(ctx context.Context, admin string, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("connect to the server in %s: %w", PostgresEnv, err)
	}
	err = do(ctx, conn)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

func randomName() string { return strings.ToLower(rand.Text()) }
