package faults_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/conformance/internal/faults"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database is a database that fails, with one table.
type database struct {
	faults.Injector
	store.Store
	items *store.Table
	// lost is what a transaction gets that lost against another.
	lost error
}

func (d *database) create(ctx context.Context, name string) error {
	_, err := d.Create(ctx, d.items, store.Record{"id": name})
	return err
}

func (d *database) has(t *testing.T, name string) bool {
	t.Helper()
	n, err := d.Store.Count(t.Context(), d.items, store.Eq("id", name))
	if err != nil {
		t.Errorf("after the fault: %v", err)
	}
	return n > 0
}

// everywhere runs a test on every database.
func everywhere(t *testing.T, test func(t *testing.T, d *database)) {
	for name, url := range map[string]func(*testing.T) string{
		"postgres":         func(t *testing.T) string { return testenv.Postgres(t) },
		"mysql":            func(t *testing.T) string { return testenv.MySQL(t) },
		"sqlite":           func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "a.db") },
		"sqlite in memory": func(*testing.T) string { return "sqlite::memory:" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &database{lost: store.ErrConflict}
			st, err := faults.Open(url(t), &d.Injector, bunstore.MaxOpen(3))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			})
			d.Store = st
			if name == "sqlite" || name == "sqlite in memory" {
				d.lost = store.ErrUnavailable
			}
			d.migrate(t)
			test(t, d)
		})
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		d := &database{lost: store.ErrConflict}
		d.Store = faults.Calls(memory.New(), &d.Injector)
		d.migrate(t)
		test(t, d)
	})
}

func (d *database) migrate(t *testing.T) {
	t.Helper()
	schema, err := store.NewSchema(store.Naming{}, store.IDs{}, store.Table{Name: "item"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	d.items = schema.Table("item")
}

func TestAFaultHitsTheStatementThatWasNamedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, d *database) {
		for name, c := range map[string]struct {
			kind faults.Kind
			want error
			done bool
		}{
			"reset": {faults.Reset, store.ErrUnavailable, false},
			"lost":  {faults.Lost, store.ErrUnavailable, true},
		} {
			d.Fail(2, c.kind)
			if err := d.create(t.Context(), name+"1"); err != nil {
				t.Errorf("%s: the statement before: %v", name, err)
			}
			if err := d.create(t.Context(), name+"2"); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
			if err := d.create(t.Context(), name+"3"); err != nil {
				t.Errorf("%s: the statement after: %v", name, err)
			}
			if !d.Clear() {
				t.Errorf("%s has not happened, it says", name)
			}
			if done := d.has(t, name+"2"); done != c.done {
				t.Errorf("%s: the row is there: %v", name, done)
			}
		}
		d.Fail(1000, faults.Reset)
		if d.has(t, "x") || d.Clear() {
			t.Error("a fault to come has happened")
		}
	})
}

func TestATransactionWithAFaultDidNotHappen(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, d *database) {
		work := func(ctx context.Context) error {
			return d.Tx(ctx, func(ctx context.Context) error {
				for _, name := range []string{"first", "second"} {
					// Whoever goes on regardless must not get anything done.
					if err := errors.Join(d.create(ctx, name), d.create(ctx, name+" again")); err != nil {
						return err
					}
				}
				return nil
			})
		}
		before := d.Injector.Count()
		if err := work(t.Context()); err != nil {
			t.Fatal(err)
		}
		statements := d.Injector.Count() - before
		if _, err := d.Delete(t.Context(), d.items, store.All()); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= statements; n++ {
			for _, kind := range []faults.Kind{faults.Serialization, faults.Deadlock, faults.Reset, faults.Lost} {
				d.Fail(n, kind)
				err := work(t.Context())
				want := store.ErrUnavailable
				if kind == faults.Serialization || kind == faults.Deadlock {
					want = d.lost
				}
				committed := false
				if kind == faults.Lost && n == statements && d.has(t, "second") {
					committed = true
				}
				if !errors.Is(err, want) || !d.Clear() {
					t.Errorf("%s at statement %d of %d: error %v, want %v", kind, n, statements, err, want)
				}
				for _, name := range []string{"first", "first again", "second", "second again"} {
					if d.has(t, name) != committed {
						t.Errorf("%s at statement %d of %d: the row %q is there: %v", kind, n, statements, name, !committed)
					}
				}
				if _, err := d.Delete(t.Context(), d.items, store.All()); err != nil {
					t.Errorf("%s at statement %d of %d: what comes after: %v", kind, n, statements, err)
				}
			}
		}
	})
}

func TestKindsAreRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"40001", "40P01", "reset", "lost"} {
		if k, err := faults.ParseKind(text); err != nil || string(k) != text {
			t.Errorf("%q is %q, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "23505", "RESET"} {
		if _, err := faults.ParseKind(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
