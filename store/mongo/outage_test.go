package mongostore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
)

func TestAServerThatIsAwayIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	url := testenv.Mongo(t)
	proxy := testenv.NewProxy(t, url)
	s, err := mongostore.Open(testenv.Through(url, proxy)+"?serverSelectionTimeoutMS=100&timeoutMS=500", mongostore.WithoutTransactions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	schema := library(t)
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	authors, books := schema.Table("author"), schema.Table("book")
	one := store.Eq("id", "a")
	calls := map[string]func(context.Context) error{
		"Ping":    s.Ping,
		"Migrate": func(ctx context.Context) error { return s.Migrate(ctx, schema) },
		"Create": func(ctx context.Context) error {
			_, err := s.Create(ctx, books, store.Record{"id": "a", "authorId": "a"})
			return err
		},
		"FindOne": func(ctx context.Context) error {
			_, err := s.FindOne(ctx, authors, store.Query{Where: one})
			return err
		},
		"FindMany": func(ctx context.Context) error { _, err := s.FindMany(ctx, authors, store.Query{}); return err },
		"Count":    func(ctx context.Context) error { _, err := s.Count(ctx, authors, one); return err },
		"Update": func(ctx context.Context) error {
			_, err := s.Update(ctx, authors, one, store.Record{"rank": 1})
			return err
		},
		"Delete": func(ctx context.Context) error { _, err := s.Delete(ctx, authors, one); return err },
		"Take":   func(ctx context.Context) error { _, err := s.Take(ctx, authors, one); return err },
		"Add": func(ctx context.Context) error {
			_, err := s.Add(ctx, authors, one, map[string]int64{"rank": 1}, nil)
			return err
		},
		"Tx": func(ctx context.Context) error {
			return s.Tx(ctx, func(ctx context.Context) error {
				_, err := s.Create(ctx, authors, store.Record{"id": "t", "name": "t"})
				return err
			})
		},
	}
	unavailable := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want %v and nothing that looks like the caller's time-out", what, err, store.ErrUnavailable)
		}
	}

	proxy.Stop()
	for name, call := range calls {
		unavailable(name+" of a server that is down", call(t.Context()))
	}
	proxy.Start()
	for err := s.Ping(t.Context()); err != nil; err = s.Ping(t.Context()) {
		unavailable("Ping while it comes back", err)
	}
	if _, err := s.FindMany(t.Context(), authors, store.Query{}); err != nil {
		t.Errorf("after it came back: %v", err)
	}

	proxy.Hang()
	unavailable("FindMany of a server that does not answer", calls["FindMany"](t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := calls["FindMany"](ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("with a context that ends first: got %v, want %v", err, context.DeadlineExceeded)
	}
	proxy.Start()
}

func TestOpenRefusesURLsAndKeepsTheirSecrets(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"",
		"postgres://app:hunter2@db/app",
		"mongodb://app:hunter2@db",
		"mongodb://app:hunter2@db/",
		"mongodb://app:hunter2@db/?replicaSet=rs0",
		"mongodb://app:hunter2@db/%zz",
		"mongodb://app:hun%zzter2@db/app",
		"mongodb://app:hunter2@:x/app?tls=maybe",
	} {
		s, err := mongostore.Open(url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		for _, secret := range []string{"hunter2", "hun%zzter2"} {
			if contains(err, secret) {
				t.Errorf("%v tells the password", err)
			}
		}
	}
	for _, url := range []string{"mongodb://localhost/app", "mongodb://a:1,b:2/app?replicaSet=rs0", "mongodb://u:p%40ss@localhost/%61pp"} {
		s, err := mongostore.Open(url)
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if got := s.Database().Name(); got != "app" {
			t.Errorf("%q names the database %q, want app", url, got)
		}
		_ = s.Close()
	}
}
