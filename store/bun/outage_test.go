package bunstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// quick is the longest that an outage may take to be noticed, on a machine that
// is busy with other things.
const quick = 3 * time.Second

// operations are all calls of a store, on tables that exist.
func operations(s *bunstore.Store, schema *store.Schema) map[string]func(ctx context.Context) error {
	sessions := schema.Table("session")
	byToken := store.Eq("token", "1")
	return map[string]func(ctx context.Context) error{
		"Ping": s.Ping,
		"FindOne": func(ctx context.Context) error {
			_, err := s.FindOne(ctx, sessions, sessionByToken("1"))
			return err
		},
		"FindMany": func(ctx context.Context) error {
			_, err := s.FindMany(ctx, sessions, store.Query{})
			return err
		},
		"Count": func(ctx context.Context) error {
			_, err := s.Count(ctx, sessions, byToken)
			return err
		},
		"Create": func(ctx context.Context) error {
			_, err := s.Create(ctx, sessions, store.Record{"id": "2", "token": "2", "userId": "1", "expiresAt": noon})
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := s.Update(ctx, sessions, byToken, store.Record{"hits": 1})
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := s.Delete(ctx, sessions, byToken)
			return err
		},
		"Take": func(ctx context.Context) error {
			_, err := s.Take(ctx, sessions, byToken)
			return err
		},
		"Add": func(ctx context.Context) error {
			_, err := s.Add(ctx, sessions, byToken, map[string]int64{"hits": 1}, nil)
			return err
		},
		"Tx":      func(ctx context.Context) error { return s.Tx(ctx, s.Ping) },
		"Migrate": func(ctx context.Context) error { return s.Migrate(ctx, schema) },
	}
}

func TestStoppedDatabaseIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		proxy := testenv.NewProxy(t, url)
		s, schema := open(t, testenv.Through(url, proxy)), authSchema(t)
		migrate(t, s, schema)
		signIn(t, s, schema, "1")

		for range 2 {
			proxy.Stop()
			for name, operation := range operations(s, schema) {
				began := time.Now()
				err := operation(t.Context())
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s while the database is down: got error %v", name, err)
				}
				if took := time.Since(began); took > quick {
					t.Errorf("%s took %v to find that the database is down", name, took)
				}
			}
			proxy.Start()
			if _, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken("1")); err != nil {
				t.Errorf("after the database came back: %v", err)
			}
		}
	})
}

func TestConnectionLostInATransactionIsUnavailable(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		proxy := testenv.NewProxy(t, url)
		s, schema := open(t, testenv.Through(url, proxy)), authSchema(t)
		migrate(t, s, schema)
		signIn(t, s, schema, "1")

		for name, fn := range map[string]func(ctx context.Context) error{
			"before a statement": func(ctx context.Context) error {
				proxy.Stop()
				_, err := s.Count(ctx, schema.Table("user"), store.Where{})
				return err
			},
			"before the commit": func(context.Context) error {
				proxy.Stop()
				return nil
			},
		} {
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				if _, err := s.Update(ctx, schema.Table("session"), store.All(), store.Record{"hits": 99}); err != nil {
					return err
				}
				return fn(ctx)
			})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v", name, err)
			}
			proxy.Start()
		}
		row, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken("1"))
		if err != nil || row["hits"] != int64(0) {
			t.Errorf("hits are %v (%v), want what they were", row["hits"], err)
		}
	})
}

func TestDatabaseThatHangsIsLeftWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		proxy := testenv.NewProxy(t, url)
		s, schema := open(t, testenv.Through(url, proxy)), authSchema(t)
		migrate(t, s, schema)
		signIn(t, s, schema, "1")

		proxy.Hang()
		for name, operation := range operations(s, schema) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			began := time.Now()
			err := operation(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v, want the context's", name, err)
			}
			if took := time.Since(began); took > quick {
				t.Errorf("%s came back after %v", name, took)
			}
		}
		proxy.Start()
		if _, err := s.FindOne(t.Context(), schema.Table("session"), sessionByToken("1")); err != nil {
			t.Errorf("after the database came back: %v", err)
		}
	})
}

func TestHangingConnectIsBoundedWithoutADeadline(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		proxy := testenv.NewProxy(t, url)
		proxy.Hang()
		for _, s := range []*bunstore.Store{
			open(t, with(testenv.Through(url, proxy), "connect_timeout=1"), bunstore.AcquireTimeout(0)),
			open(t, testenv.Through(url, proxy), bunstore.AcquireTimeout(100*time.Millisecond)),
		} {
			began := time.Now()
			err := s.Ping(t.Context())
			if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want unavailable and nobody's deadline", err)
			}
			if took := time.Since(began); took > quick {
				t.Errorf("it took %v", took)
			}
		}
	})
}

func TestCommitIsLeftWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		proxy := testenv.NewProxy(t, url)
		s, schema := open(t, testenv.Through(url, proxy)), authSchema(t)
		migrate(t, s, schema)
		for name, result := range map[string]error{"commit": nil, "roll-back": errors.New("undo")} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			hung := time.Now()
			err := s.Tx(ctx, func(ctx context.Context) error {
				if err := addUser(ctx, s, schema, "1"); err != nil {
					return err
				}
				proxy.Hang()
				hung = time.Now()
				return result
			})
			cancel()
			if result == nil {
				result = context.DeadlineExceeded
			}
			if !errors.Is(err, result) {
				t.Errorf("%s: got error %v, want %v", name, err, result)
			}
			if took := time.Since(hung); took > quick {
				t.Errorf("%s: it took %v", name, took)
			}
			proxy.Stop()
			proxy.Start()
		}
		if n, err := s.Count(soon(t), schema.Table("user"), store.Where{}); n != 0 || err != nil {
			t.Errorf("%d users (%v), want none", n, err)
		}
	})
}

// A server that has gone without a word: nothing ends these calls but the store.
func TestSilentServerIsLeftWithoutADeadline(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		const limit = 300 * time.Millisecond
		limits := []bunstore.Option{bunstore.StatementTimeout(limit), bunstore.AcquireTimeout(limit), bunstore.MaxOpen(5)}
		schema := authSchema(t)
		migrate(t, open(t, url), schema)
		for name, c := range map[string]struct {
			open  func(t *testing.T, url string) *bunstore.Store
			grace time.Duration
		}{
			"Open": {func(t *testing.T, url string) *bunstore.Store { return open(t, url, limits...) }, 5 * time.Second},
			"New": {func(t *testing.T, url string) *bunstore.Store {
				return bunstore.New(open(t, url, bunstore.StatementTimeout(0)).DB(), limits...)
			}, 0},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				proxy := testenv.NewProxy(t, url)
				leavesSilence(t, c.open(t, testenv.Through(url, proxy)), schema, proxy, limit+c.grace)
			})
		}
	})
	t.Run("PostgreSQL with limits of the URL", func(t *testing.T) {
		t.Parallel()
		url, schema := testenv.Postgres(t), authSchema(t)
		migrate(t, open(t, url), schema)
		for _, parameter := range []string{"statement_timeout=300ms", "statement_timeout="} {
			t.Run(parameter, func(t *testing.T) {
				t.Parallel()
				proxy := testenv.NewProxy(t, url)
				s := open(t, with(testenv.Through(url, proxy), parameter), bunstore.StatementTimeout(time.Second), bunstore.AcquireTimeout(300*time.Millisecond), bunstore.MaxOpen(5))
				leavesSilence(t, s, schema, proxy, 6*time.Second)
			})
		}
	})
}

// leavesSilence checks that what is done on connections that exist does not wait
// for a silent server beyond the limit, nor to begin a transaction for as long.
func leavesSilence(t *testing.T, s *bunstore.Store, schema *store.Schema, proxy *testenv.Proxy, limit time.Duration) {
	t.Helper()
	count := func(ctx context.Context) error {
		_, err := s.Count(ctx, schema.Table("user"), store.Where{})
		return err
	}
	// Connections that are open, so that it is not connecting that fails.
	exhausted(t, s)()
	begun, hung := make(chan struct{}), make(chan struct{})
	inTx := func(fn func(ctx context.Context) error) error {
		return s.Tx(t.Context(), func(ctx context.Context) error {
			if err := count(ctx); err != nil {
				return fmt.Errorf("before it fell silent: %w", err)
			}
			begun <- struct{}{}
			<-hung
			return fn(ctx)
		})
	}
	calls := map[string]func() error{
		"statement":    func() error { <-hung; return count(t.Context()) },
		"begin":        func() error { <-hung; return s.Tx(t.Context(), func(context.Context) error { return nil }) },
		"statement in": func() error { return inTx(count) },
		"commit":       func() error { return inTx(func(context.Context) error { return nil }) },
	}
	type outcome struct {
		name string
		err  error
		took time.Duration
	}
	outcomes := make(chan outcome, len(calls))
	var began time.Time
	for name, call := range calls {
		go func() {
			err := call()
			outcomes <- outcome{name, err, time.Since(began)}
		}()
	}
	for range 2 {
		<-begun
	}
	proxy.Hang()
	began = time.Now()
	close(hung)
	patience := time.After(limit + quick)
	for len(calls) > 0 {
		select {
		case o := <-outcomes:
			delete(calls, o.name)
			if !errors.Is(o.err, store.ErrUnavailable) || errors.Is(o.err, context.DeadlineExceeded) || errors.Is(o.err, context.Canceled) {
				t.Errorf("%s: got error %v, want unavailable and nobody's context", o.name, o.err)
			}
			if o.name == "begin" && o.took > quick {
				t.Errorf("%s: it took %v", o.name, o.took)
			}
		case <-patience:
			t.Errorf("%d calls still wait for the silent server after %v", len(calls), limit+quick)
			proxy.Stop()
			return
		}
	}
}

// The lookup of a session, whose context the engine bounds, costs no more for
// the limits.
func TestLimitsCostNothingWhereTheContextEndsEarlier(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	s, schema := open(t, sqliteFile(t), bunstore.AcquireTimeout(0)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lookup := func(s *bunstore.Store) float64 {
		return testing.AllocsPerRun(200, func() {
			if _, err := s.FindOne(ctx, schema.Table("session"), sessionByToken("1")); err != nil {
				t.Error(err)
			}
		})
	}
	limited := bunstore.New(s.DB(), bunstore.AcquireTimeout(time.Hour), bunstore.StatementTimeout(time.Hour))
	// What ends in the background may be counted as well; the limits themselves
	// would be seven where the context does not end earlier.
	if without, with := lookup(s), lookup(limited); with > without+3 {
		t.Errorf("a lookup makes %v allocations with limits, %v without", with, without)
	}
}

// killOthers ends every other connection to the database.
func killOthers(ctx context.Context, t *testing.T, s *bunstore.Store) {
	t.Helper()
	if s.DB().Dialect().Name() == bundialect.PG {
		_, err := s.DB().DB.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err != nil {
			t.Error(err)
		}
		return
	}
	var ids []int64
	err := s.DB().NewRaw("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()").Scan(ctx, &ids)
	if err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		if _, err := s.DB().ExecContext(ctx, "KILL ?", id); err != nil {
			t.Error(err)
		}
	}
}

func TestTransactionThatTheServerKillsIsUnavailable(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		killer := open(t, url)
		migrate(t, s, schema)
		for name, rest := range map[string]func(ctx context.Context) error{
			"before a statement": func(ctx context.Context) error { return addUser(ctx, s, schema, "2") },
			"before the commit":  func(context.Context) error { return nil },
		} {
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				if err := addUser(ctx, s, schema, "1"); err != nil {
					return err
				}
				killOthers(t.Context(), t, killer)
				return rest(ctx)
			})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v", name, err)
			}
			// The next call finds a connection that works, whatever it takes.
			if n, err := s.Count(t.Context(), schema.Table("user"), store.Where{}); n != 0 || err != nil {
				t.Errorf("%s: afterwards %d users (%v), want none", name, n, err)
			}
		}
	})
}

// A dead connection costs one call at most, and the pool is whole again.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, url string) {
		const size = 4
		s, schema := open(t, url, bunstore.MaxOpen(size)), authSchema(t)
		killer := open(t, url)
		migrate(t, s, schema)
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for name, ctx := range map[string]context.Context{"without a deadline": t.Context(), "with a near one": bounded} {
			for operation, run := range map[string]func() error{
				"Count": func() error { _, err := s.Count(ctx, schema.Table("user"), store.Where{}); return err },
				"Tx":    func() error { return s.Tx(ctx, s.Ping) },
			} {
				exhausted(t, s)()
				killOthers(t.Context(), t, killer)
				err := run()
				for range size {
					if !errors.Is(err, store.ErrUnavailable) {
						break
					}
					err = run()
				}
				if err != nil {
					t.Errorf("%s %s: %v", operation, name, err)
				}
			}
		}
	})
}

// exhausted takes all connections of the store's pool until the returned
// function is called.
func exhausted(t *testing.T, s *bunstore.Store) (release func()) {
	t.Helper()
	var held []*sql.Conn
	for range s.DB().Stats().MaxOpenConnections {
		c, err := s.DB().DB.Conn(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	return func() {
		for _, c := range held {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestExhaustedPoolIsUnavailable(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url, bunstore.MaxOpen(2), bunstore.AcquireTimeout(20*time.Millisecond)), authSchema(t)
		given := bunstore.New(s.DB(), bunstore.AcquireTimeout(20*time.Millisecond))
		patient := open(t, url)
		migrate(t, patient, schema)
		signIn(t, patient, schema, "1")
		release := exhausted(t, s)
		operations := func(s *bunstore.Store) map[string]func(ctx context.Context) error {
			calls := operations(s, schema)
			delete(calls, "Migrate") // it waits: it is called before anything else is
			return calls
		}
		for _, s := range []*bunstore.Store{s, given} {
			for name, operation := range operations(s) {
				began := time.Now()
				if err := operation(t.Context()); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: got error %v, want unavailable and nobody's deadline", name, err)
				}
				if took := time.Since(began); took > quick {
					t.Errorf("%s: it took %v", name, took)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for name, operation := range operations(s) {
			if err := operation(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v, want the context's", name, err)
			}
		}
		release()
		if err := s.Tx(t.Context(), s.Ping); err != nil {
			t.Errorf("with free connections: %v", err)
		}
	})
}

func TestCallBesideTheTransactionDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url, bunstore.MaxOpen(1), bunstore.AcquireTimeout(20*time.Millisecond)), authSchema(t)
		migrate(t, open(t, url), schema)
		// Making the connection may take longer than it is waited for.
		if err := s.DB().PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := s.Tx(t.Context(), func(context.Context) error { return addUser(t.Context(), s, schema, "1") })
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("SQLite writer", func(t *testing.T) {
		t.Parallel()
		url, schema := sqliteFile(t), authSchema(t)
		s := open(t, url, bunstore.AcquireTimeout(20*time.Millisecond))
		migrate(t, open(t, url), schema)
		for name, write := range map[string]func() error{
			"Create": func() error { return addUser(t.Context(), s, schema, "1") },
			"Tx":     func() error { return s.Tx(t.Context(), s.Ping) },
		} {
			err := s.Tx(t.Context(), func(context.Context) error { return write() })
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v", name, err)
			}
		}
	})
}

func TestStatementTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		holder, schema := open(t, url), authSchema(t)
		migrate(t, holder, schema)
		signIn(t, holder, schema, "1")
		limit := bunstore.StatementTimeout(500 * time.Millisecond)
		for name, s := range map[string]*bunstore.Store{"Open": open(t, url, limit), "New": bunstore.New(open(t, url).DB(), limit)} {
			update := func(ctx context.Context) error {
				_, err := s.Update(ctx, schema.Table("session"), store.Eq("id", "1"), store.Record{"hits": 2})
				return err
			}
			err := holder.Tx(t.Context(), func(ctx context.Context) error {
				_, err := holder.Update(ctx, schema.Table("session"), store.Eq("id", "1"), store.Record{"hits": 1})
				if err != nil {
					return err
				}
				began := time.Now()
				if err := update(t.Context()); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: got error %v, want unavailable and nobody's deadline", name, err)
				}
				if took := time.Since(began); took > quick {
					t.Errorf("%s: it took %v", name, took)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(update(t.Context()), s.Tx(t.Context(), update)); err != nil {
				t.Errorf("%s: when nobody is in the way: %v", name, err)
			}
		}
	})
}

// What is done to large tables takes its time, also by calls of the store.
func TestMigrationOfTheApplicationOutlastsTheStatementTimeout(t *testing.T) {
	t.Parallel()
	url, schema := testenv.Postgres(t), authSchema(t)
	holder := open(t, url)
	migrate(t, holder, schema)
	signIn(t, holder, schema, "1")
	var s *bunstore.Store
	s = bunstore.New(open(t, url).DB(), bunstore.StatementTimeout(300*time.Millisecond), bunstore.Migrations(bunstore.MigrationGroup{
		Name: "app",
		Migrations: []bunstore.Migration{{Name: "one", Up: func(ctx context.Context, _ bun.IDB) error {
			_, err := s.Update(ctx, schema.Table("session"), store.All(), store.Record{"hits": 2})
			return err
		}}},
	}))
	done := make(chan error, 1)
	err := holder.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := holder.Update(ctx, schema.Table("session"), store.All(), store.Record{"hits": 1}); err != nil {
			return err
		}
		go func() { done <- s.Migrate(t.Context(), schema) }()
		if err := waiting(t, holder, 1); err != nil {
			return err
		}
		return holder.IDB(ctx).NewRaw("SELECT pg_sleep(0.6)").Scan(ctx, new(string))
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Error(err)
	}
}

func TestServersOwnTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	s, schema := open(t, with(url, "statement_timeout=100")), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")

	err := s.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := s.Update(ctx, schema.Table("session"), store.All(), store.Record{"hits": 1}); err != nil {
			return err
		}
		_, err := s.Update(t.Context(), schema.Table("session"), store.All(), store.Record{"hits": 2})
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a statement that ran into statement_timeout: got error %v", err)
	}
}

func TestAbandonedStatementDoesNotHappenLater(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	sessions := schema.Table("session")

	// Many rounds: without the server's word on it, it goes wrong now and then.
	for round := range int64(20) {
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Update(ctx, sessions, store.All(), store.Record{"hits": round}); err != nil {
				return err
			}
			abandoned, cancel := context.WithCancel(t.Context())
			defer cancel()
			given := make(chan error, 1)
			go func() {
				_, err := s.Update(abandoned, sessions, store.All(), store.Record{"hits": -1})
				given <- err
			}()
			if err := waiting(t, s, 1); err != nil {
				return err
			}
			cancel()
			if err := <-given; !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		row, err := s.FindOne(t.Context(), sessions, sessionByToken("1"))
		if err != nil || row["hits"] != round {
			t.Fatalf("hits are %v (%v): the abandoned update happened", row["hits"], err)
		}
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, err := bunstore.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		schema := authSchema(t)
		migrate(t, s, schema)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for name, operation := range operations(s, schema) {
			if err := operation(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: got error %v", name, err)
			}
		}
	})
}

func TestStoreOnAPoolOfTheApplicationLeavesItOpen(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite::memory:")
	if err := bunstore.New(s.DB()).Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("the application's pool was closed: %v", err)
	}
}

func TestSQLiteFileInUseIsUnavailable(t *testing.T) {
	t.Parallel()
	url, schema := sqliteFile(t), authSchema(t)
	s, other := open(t, url), open(t, url)
	migrate(t, s, schema)
	other.DB().SetMaxOpenConns(1)
	if _, err := other.DB().DB.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	err := s.Tx(t.Context(), func(context.Context) error {
		_, err := other.Delete(t.Context(), schema.Table("session"), store.All())
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	proxy := testenv.NewProxy(t, server)
	proxy.Stop()
	for name, server := range map[string]string{"down": testenv.Through(server, proxy), "unknown user": server} {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("nobody", "hunter2!@/")
		err = open(t, u.String()).Ping(t.Context())
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: got error %v", name, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}
