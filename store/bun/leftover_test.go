package bunstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"

	bunstore "github.com/ostiary/ostiary/store/bun"
)

// A migration that forgets what it has opened must not take the process, or the
// lock that the others wait for, with it.
func TestMigrationThatLeavesSomethingOpenLetsGo(t *testing.T) {
	t.Parallel()
	forgetful := errors.New("an early return")
	rows := func(ctx context.Context, db bun.IDB) error {
		rows, err := db.QueryContext(ctx, "SELECT 1 UNION ALL SELECT 2") //nolint:sqlclosecheck,rowserrcheck // it is what is tested
		if err != nil {
			return err
		}
		rows.Next()
		return forgetful
	}
	tx := func(ctx context.Context, db bun.IDB) error {
		if _, err := db.BeginTx(ctx, nil); err != nil {
			return err
		}
		return forgetful
	}
	outlasting := t.Context()
	leaks := map[string]func(context.Context, bun.IDB) error{
		"rows":                    rows,
		"a transaction":           tx,
		"rows of another context": func(_ context.Context, db bun.IDB) error { return rows(outlasting, db) },
		"transaction of another":  func(_ context.Context, db bun.IDB) error { return tx(outlasting, db) },
		"rows, and a panic":       func(ctx context.Context, db bun.IDB) error { panic(rows(ctx, db)) },
	}
	for name, leak := range leaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, url string) {
				schema, r := authSchema(t), &ran{}
				forgetting := true
				s := open(t, url, bunstore.Migrations(bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
					r.migration("one", func(ctx context.Context, db bun.IDB) error {
						if forgetting {
							return leak(ctx, db)
						}
						return nil
					}),
				}}))
				done := make(chan error, 1)
				go func() {
					defer func() {
						if p, ok := recover().(error); ok {
							done <- p
						}
					}()
					done <- s.Migrate(t.Context(), schema)
				}()
				select {
				case err := <-done:
					if !errors.Is(err, forgetful) {
						t.Errorf("got error %v", err)
					}
				case <-time.After(2 * quick):
					t.Fatal("it does not come back")
				}
				// The lock is free for the next.
				forgetting = false
				if err := s.Migrate(soon(t), schema); err != nil {
					t.Error(err)
				}
				r.want(t, "one", "one")
			})
		})
	}
}
