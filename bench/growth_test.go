package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

const (
	small, large = 10_000, 1_000_000
	perUser      = 10 // sessions of each user
	expired      = 100_000
)

// database is a kind of database and the SQL that fills its tables quickly:
// numbers from 0 to a count, and what a dialect says differently.
type database struct {
	name    string
	url     func(testing.TB) string
	numbers string // a table expression with a column n, from %d to %d
	text    string // the type to cast numbers to text with
	at      string // a point in time, %d seconds from now on
	analyze []string
}

var databases = []database{
	{
		"PostgreSQL", testenv.Postgres, "generate_series(%d::bigint, %d) AS s(n)", "text", "now() + interval '1 second' * (%s)",
		[]string{"VACUUM ANALYZE users", "VACUUM ANALYZE sessions"},
	},
	{
		"SQLite", sqliteFile, "(WITH RECURSIVE s(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n FROM s) AS s", "text",
		"strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now', (%s) || ' seconds')",
		[]string{"ANALYZE"},
	},
	{
		"MariaDB", testenv.MySQL, "(SELECT seq AS n FROM seq_%d_to_%d) AS s", "char",
		"utc_timestamp(3) + interval (%s) second",
		[]string{"ANALYZE TABLE users", "ANALYZE TABLE sessions"},
	},
}

func sqliteFile(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "bench.db") }

// filled is an engine on a database with sessions in it.
type filled struct {
	*core.Auth
	store    *bunstore.Store
	sessions *store.Table
	rows     int
}

// fill makes users and sessions, the last ones expired.
func (d database) fill(b testing.TB, rows, expired int) *filled {
	b.Helper()
	s, err := bunstore.Open(d.url(b), bunstore.StatementTimeout(0))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	auth, err := core.New(core.Config{
		Secret: "a-secret-of-32-bytes-or-more-0123456789", BaseURL: "http://localhost:3000", Store: s,
		RateLimit: ratelimit.Config{Disabled: true}, Upkeep: core.Upkeep{Disabled: true},
		StoreTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = auth.Close(context.Background()) })
	if err := auth.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	now, soon := fmt.Sprintf(d.at, "0"), fmt.Sprintf(d.at, fmt.Sprintf("CASE WHEN n < %d THEN 604800 + n ELSE -n - 1 END", rows-expired))
	key := func(prefix, n string) string {
		return fmt.Sprintf("%s || cast(%s AS %s)", prefix, n, d.text)
	}
	if d.name == "MariaDB" {
		key = func(prefix, n string) string { return fmt.Sprintf("concat(%s, %s)", prefix, n) }
	}
	statements := []string{
		fmt.Sprintf("INSERT INTO users (id, name, email, email_verified, created_at, updated_at) SELECT %s, 'Ada', %s, true, %s, %s FROM "+d.numbers,
			key("'user'", "n"), key("'user@example.com'", "n"), now, now, 0, rows/perUser-1),
		// The tokens come in no order, as hashes do, and are as long.
		fmt.Sprintf("INSERT INTO sessions (id, token, user_id, expires_at, created_at, updated_at, ip_address, user_agent) SELECT %s, %s, %s, %s, %s, %s, '192.0.2.1', 'Mozilla/5.0' FROM "+d.numbers,
			key("'session-of-thirty-two-letters-'", "n"), key("'hash-of-a-token-that-has-43-letters-or-'", scattered), key("'user'", floor(d, "n")), soon, now, now, 0, rows-1),
	}
	for _, sql := range append(statements, d.analyze...) {
		if _, err := s.DB().DB.ExecContext(b.Context(), sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
	return &filled{auth, s, auth.Schema().Table(core.TableSession), rows}
}

// scattered turns the numbers below a million into others of seven digits, each
// once: 7368787 is a prime.
const scattered = "(n * 3571 % 7368787)"

func token(n int) string {
	return fmt.Sprint("hash-of-a-token-that-has-43-letters-or-", n*3571%7368787)
}

func floor(d database, n string) string {
	if d.name == "MariaDB" {
		return fmt.Sprintf("%s DIV %d", n, perUser)
	}
	return fmt.Sprintf("%s / %d", n, perUser)
}

// lookUp finds a session with its user, as every check does.
func (f *filled) lookUp(b testing.TB, i int) {
	q := store.Query{Where: store.Eq("token", token(i%f.rows)), Join: []string{"userId"}}
	if _, err := f.store.FindOne(b.Context(), f.sessions, q); err != nil {
		b.Error(err)
	}
}

// list lists the sessions of a user.
func (f *filled) list(b testing.TB, i int) {
	got, err := f.Sessions().List(b.Context(), fmt.Sprint("user", i%(f.rows/perUser)))
	if err != nil || len(got) != perUser {
		b.Errorf("%d sessions, %v", len(got), err)
	}
}

// took is how long fn takes.
func took(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

func median(d []time.Duration) float64 { return quantile(d, 0.5) }

func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[min(len(d)-1, int(q*float64(len(d))))])
}

// BenchmarkGrowth compares a table of 1,000,000 sessions with one of 10,000,
// turn by turn. "x-of-10k" is the ratio of the medians: at most 1.3.
func BenchmarkGrowth(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			few, many := d.fill(b, small, 0), d.fill(b, large, 0)
			for name, op := range map[string]func(*filled, testing.TB, int){"LookUp": (*filled).lookUp, "List": (*filled).list} {
				b.Run(name, func(b *testing.B) {
					for i := range 2000 { // the pages that a server in use has in memory
						op(few, b, i*7919)
						op(many, b, i*7919)
					}
					var ofFew, ofMany []time.Duration
					b.ResetTimer()
					for i := range b.N {
						ofFew = append(ofFew, took(func() { op(few, b, i*7919) }))
						ofMany = append(ofMany, took(func() { op(many, b, i*7919) }))
					}
					b.ReportMetric(median(ofMany)/median(ofFew), "x-of-10k")
				})
			}
		})
	}
}

// BenchmarkSweep looks sessions up while 100,000 expired ones of 1,000,000 are
// deleted. "x-idle-p99" is the 99th percentile in relation to that before the
// sweep: at most 2. "swept/s" is the speed of the sweep.
func BenchmarkSweep(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				f := d.fill(b, large, expired)
				live := large - expired
				idle := make([]time.Duration, 0, 10_000)
				for i := range 10_000 {
					idle = append(idle, took(func() { f.lookUp(b, i*7919%live) }))
				}
				b.StartTimer()
				var sweep time.Duration
				swept := make(chan struct{})
				var done sync.WaitGroup
				done.Go(func() {
					defer close(swept)
					sweep = took(func() {
						if got, err := f.Prune(b.Context(), nil); err != nil || got.Sessions != expired {
							b.Errorf("swept %+v, %v", got, err)
						}
					})
				})
				var busy []time.Duration
				for i := 0; ; i++ {
					select {
					case <-swept:
					default:
						busy = append(busy, took(func() { f.lookUp(b, i*7919%live) }))
						continue
					}
					break
				}
				done.Wait()
				b.ReportMetric(quantile(busy, 0.99)/quantile(idle, 0.99), "x-idle-p99")
				b.ReportMetric(expired/sweep.Seconds(), "swept/s")
			}
		})
	}
}

// TestSessionsAreNeverSearchedRowByRow asks PostgreSQL whether anything that is
// done with sessions reads the whole table.
func TestSessionsAreNeverSearchedRowByRow(t *testing.T) {
	t.Parallel()
	f := databases[0].fill(t, 20_000, 2_000)
	db := f.store.DB()
	db.SetMaxOpenConns(1) // statistics are a connection's until it flushes them
	scans := func() (n int64) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
			t.Skip("PostgreSQL before 15 does not tell at once: ", err)
		}
		if err := db.QueryRowContext(t.Context(), "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'sessions'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := scans()
	for name, do := range map[string]func(){
		"look up": func() { f.lookUp(t, 17) },
		"list":    func() { f.list(t, 17) },
		"extend": func() {
			guard := store.And(store.Eq(store.ID, "session-of-thirty-two-letters-17"), store.Lt("expiresAt", time.Now().Add(time.Hour*24*365)))
			if n, err := f.Database().Update(t.Context(), core.TableSession, guard, store.Record{"userAgent": "x"}); err != nil || n != 1 {
				t.Errorf("%d extended, %v", n, err)
			}
		},
		"end one": func() {
			where := store.And(store.Eq("userId", "user17"), store.Eq("token", token(175)))
			if n, err := f.Database().Delete(t.Context(), core.TableSession, where); err != nil || n != 1 {
				t.Errorf("%d ended, %v", n, err)
			}
		},
		"end all": func() {
			if err := f.Sessions().RevokeAll(t.Context(), "user19", nil); err != nil {
				t.Error(err)
			}
		},
		"sweep": func() {
			if got, err := f.Prune(t.Context(), nil); err != nil || got.Sessions != 2_000 {
				t.Errorf("swept %+v, %v", got, err)
			}
		},
	} {
		do()
		if after := scans(); after != before {
			t.Errorf("%s: the table was read whole", name)
			before = after
		}
	}
}
