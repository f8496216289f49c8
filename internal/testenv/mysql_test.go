package testenv_test

import (
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/ostiary/ostiary/internal/testenv"
)

func TestMySQLDatabaseIsEmptyAndOwn(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			db := openMySQL(t, testenv.MySQL(t))
			// Fails with "already exists" where two calls gave the same database.
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE only_one (n int)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMySQLDatabaseHoldsAllOfUnicode(t *testing.T) {
	t.Parallel()
	db := openMySQL(t, testenv.MySQL(t))
	var charset string
	if err := db.QueryRowContext(t.Context(), "SELECT @@character_set_database").Scan(&charset); err != nil {
		t.Fatal(err)
	}
	if charset != "utf8mb4" {
		t.Errorf("the database's character set is %s, want utf8mb4", charset)
	}
}

func TestMySQLDatabaseIsDroppedWithItsConnections(t *testing.T) {
	t.Parallel()
	var db *sql.DB
	t.Run("user", func(inner *testing.T) {
		rawURL := testenv.MySQL(inner)
		db = openMySQL(t, rawURL)
		conn, err := db.Conn(t.Context())
		if err != nil {
			inner.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		// The lock on the table would hold a DROP back.
		for _, statement := range []string{"CREATE TABLE held (n int)", "BEGIN", "SELECT n FROM held"} {
			if _, err := conn.ExecContext(t.Context(), statement); err != nil {
				inner.Fatal(err)
			}
		}
	})
	if db == nil {
		t.Skip("no server")
	}
	err := db.PingContext(t.Context())
	var myErr *mysql.MySQLError
	if !errors.As(err, &myErr) || myErr.Number != 1049 {
		t.Fatalf("connecting after the test ended: got %v, want error 1049, unknown database", err)
	}
}

func openMySQL(t *testing.T, rawURL string) *sql.DB {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User = "tcp", u.Host, u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
