package bunstore_test

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreOnPostgres(t *testing.T) {
	schema := schemas(t)
	storetest.RunOptions(t, func(t *testing.T) store.Store { return open(t, schema(t, "")) }, storetest.Options{
		OpenSchema: func(t *testing.T) (store.Store, string) {
			name := "tenant_" + strings.ToLower(rand.Text())
			return open(t, schema(t, name)), name
		},
	})
}

func TestStoreOnMariaDB(t *testing.T) {
	storetest.RunOptions(t, func(t *testing.T) store.Store { return open(t, testenv.MySQL(t)) }, storetest.Options{
		OpenSchema: func(t *testing.T) (store.Store, string) {
			other, err := url.Parse(testenv.MySQL(t))
			if err != nil {
				t.Fatal(err)
			}
			return open(t, testenv.MySQL(t)), strings.TrimPrefix(other.Path, "/")
		},
	})
}

func TestStoreOnSQLiteFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, sqliteFile(t)) })
}

func TestStoreOnSQLiteInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "sqlite::memory:") })
}

// open opens a store that is closed with the test.
func open(t testing.TB, url string, options ...bunstore.Option) *bunstore.Store {
	t.Helper()
	s, err := bunstore.Open(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func sqliteFile(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// schemas makes one PostgreSQL database and returns a function for the URL of
// an empty schema in it: a hundred times quicker than a database for each case.
// Beside it the function makes another one of the name that it is given.
func schemas(t testing.TB) func(t testing.TB, another string) string {
	t.Helper()
	url := testenv.Postgres(t)
	var n atomic.Int64
	return func(t testing.TB, another string) string {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		// A name that has to be quoted, as names in the wild do.
		name := fmt.Sprintf("Case %d", n.Add(1))
		for _, name := range []string{name, another} {
			if name == "" {
				continue
			}
			if _, err := conn.Exec(t.Context(), `CREATE SCHEMA "`+name+`"`); err != nil {
				t.Fatal(err)
			}
		}
		return with(url, `search_path=`+strings.ReplaceAll(`"`+name+`"`, " ", "%20"))
	}
}

// with adds a parameter to a URL.
func with(url, parameter string) string {
	if strings.Contains(url, "?") {
		return url + "&" + parameter
	}
	return url + "?" + parameter
}
