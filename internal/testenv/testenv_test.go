package testenv_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPostgresDatabaseIsEmptyAndOwn(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, testenv.Postgres(t))
			// Fails with "already exists" where two calls gave the same database.
			if _, err := conn.Exec(t.Context(), "CREATE TABLE only_one (n int)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPostgresDatabaseIsDroppedWithItsConnections(t *testing.T) {
	t.Parallel()
	var url string
	var left *pgx.Conn
	t.Run("user", func(t *testing.T) {
		url = testenv.Postgres(t)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		left = conn
	})
	if url == "" {
		t.Skip("no server")
	}
	t.Cleanup(func() { _ = left.Close(context.Background()) })

	_, err := pgx.Connect(t.Context(), url)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "3D000" {
		t.Fatalf("connecting after the test ended: got %v, want error 3D000, no such database", err)
	}
}

func TestPostgresOrdersTextByLanguage(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Postgres(t))
	var provider string
	err := conn.QueryRow(t.Context(), "SELECT to_jsonb(d)->>'datlocprovider' FROM pg_database d WHERE datname = current_database()").Scan(&provider)
	if err != nil {
		t.Fatal(err)
	}
	if provider != "i" {
		t.Skipf("this server offers no linguistic collation (provider %q)", provider)
	}
	var first string
	if err := conn.QueryRow(t.Context(), "SELECT min(s) FROM (VALUES ('B'), ('a')) v(s)").Scan(&first); err != nil {
		t.Fatal(err)
	}
	if first != "a" {
		t.Errorf("the first of a and B is %q, want a", first)
	}
}

func TestRedisAnswers(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	key := testenv.Prefix(t) + "greeting"
	if err := client.Set(t.Context(), key, "hello", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := client.GetDel(t.Context(), key).Val(); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}

func TestPrefixIsUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		p := testenv.Prefix(t)
		if seen[p] {
			t.Fatalf("%q was given out twice", p)
		}
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789-") != ":" {
			t.Fatalf("%q holds other characters than documented", p)
		}
		seen[p] = true
	}
}

// Not parallel: it changes the environment.
func TestMissingServiceSkipsLocallyAndFailsInCI(t *testing.T) {
	tests := []struct {
		ci, want string
		ask      func(testing.TB) string
	}{
		{"", "skip", testenv.Postgres},
		{"", "skip", testenv.MySQL},
		{"", "skip", testenv.Mongo},
		{"", "skip", testenv.Redis},
		{"true", "fatal", testenv.Postgres},
		{"true", "fatal", testenv.MySQL},
		{"true", "fatal", testenv.Mongo},
		{"true", "fatal", testenv.Redis},
	}
	t.Setenv(testenv.PostgresEnv, "")
	t.Setenv(testenv.MySQLEnv, "")
	t.Setenv(testenv.MongoEnv, "")
	t.Setenv(testenv.RedisEnv, "")
	for i, test := range tests {
		t.Run(fmt.Sprint(i, test.want), func(t *testing.T) {
			t.Setenv("CI", test.ci)
			fake := &outcome{TB: t}
			func() {
				defer func() {
					if r := recover(); r != nil && r != ended {
						panic(r)
					}
				}()
				test.ask(fake)
			}()
			if fake.what != test.want || !strings.Contains(fake.message, "make test") {
				t.Errorf("got %s %q, want %s and the way to mend it", fake.what, fake.message, test.want)
			}
		})
	}
}

const ended = "the test ended"

// outcome is a test that remembers how it ended.
type outcome struct {
	testing.TB
	what, message string
}

func (o *outcome) Skipf(format string, args ...any)  { o.end("skip", format, args) }
func (o *outcome) Fatalf(format string, args ...any) { o.end("fatal", format, args) }

func (o *outcome) end(what, format string, args []any) {
	o.what, o.message = what, fmt.Sprintf(format, args...)
	panic(ended)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
