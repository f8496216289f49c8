package bunstore_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

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
	url := testenv.Postgres(t)
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
}

func TestConnectionLostInATransactionIsUnavailable(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
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
}

func TestDatabaseThatHangsIsLeftWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
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
}

func TestHangingConnectIsBoundedWithoutADeadline(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	proxy := testenv.NewProxy(t, url)
	proxy.Hang()
	s := open(t, with(testenv.Through(url, proxy), "connect_timeout=1"))
	err := s.Ping(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want unavailable and nobody's deadline", err)
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
