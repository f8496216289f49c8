package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MySQL returns the URL of a fresh, empty database, mysql://user:password@host:port/name,
// which is dropped when the test ends, with the connections that still use it.
// Its text is utf8mb4; what the server does otherwise is its own.
func MySQL(t testing.TB) string {
	t.Helper()
	admin := require(t, MySQLEnv)
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s is no URL: %v", MySQLEnv, err)
	}

	name := "ostiary_test_" + randomName()
	create := func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
		return err
	}
	if err := withMySQL(t.Context(), u, create); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context is canceled by now.
		err := withMySQL(context.Background(), u, func(ctx context.Context, conn *sql.Conn) error {
			return dropMySQL(ctx, conn, name)
		})
		if err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	own := *u
	own.Path = "/" + name
	return own.String()
}

// dropMySQL ends the connections first: a transaction that one of them has open
// would hold the DROP back for ever.
func dropMySQL(ctx context.Context, conn *sql.Conn, name string) error {
	const user = "SELECT coalesce(min(id), 0) FROM information_schema.processlist WHERE db = '%s'"
	for {
		var id int64
		if err := conn.QueryRowContext(ctx, fmt.Sprintf(user, name)).Scan(&id); err != nil {
			return err
		}
		if id == 0 {
			break
		}
		// It may have gone by itself, which is as good.
		_, _ = conn.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
	return err
}

func withMySQL(ctx context.Context, admin *url.URL, do func(context.Context, *sql.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", admin.Host
	config.User = admin.User.Username()
	config.Passwd, _ = admin.User.Password()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer closeQuietly(db)
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the server in %s: %w", MySQLEnv, err)
	}
	defer closeQuietly(conn)
	return do(ctx, conn)
}
