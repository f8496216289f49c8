package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
	"github.com/ostiary/ostiary/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

func compile(t testing.TB, tables ...store.Table) *store.Schema {
	t.Helper()
	schema, err := store.NewSchema(store.Naming{}, store.IDs{}, tables...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// open returns a store with a table of counters.
func open(t testing.TB) (*memory.Store, *store.Table) {
	t.Helper()
	schema := compile(t, store.Table{Name: "counter", Fields: []*store.Field{
		{Name: "name", Type: store.String},
		{Name: "n", Type: store.Int},
	}})
	s := memory.New()
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return s, schema.Table("counter")
}

func create(t testing.TB, s *memory.Store, table *store.Table, r store.Record) {
	t.Helper()
	if _, err := s.Create(t.Context(), table, r); err != nil {
		t.Fatal(err)
	}
}

func TestRowsComeInTheOrderOfTheirCreation(t *testing.T) {
	t.Parallel()
	s, counters := open(t)
	for _, id := range []string{"c", "a", "d", "b"} {
		create(t, s, counters, store.Record{"id": id, "n": 1})
	}
	if _, err := s.Update(t.Context(), counters, store.Eq("id", "c"), store.Record{"name": "changed"}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []store.Query{{}, {Sort: []store.Sort{{Field: "n"}}}, {Where: store.In("id", "a", "b", "c", "d")}} {
		rows, err := s.FindMany(t.Context(), counters, q)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range rows {
			got += r.String("id")
		}
		if got != "cadb" {
			t.Errorf("%+v: got %s, want cadb", q, got)
		}
	}
}

func TestAddRefusesASumThatOverflows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, delta int64 }{
		{math.MaxInt64, 1},
		{1, math.MaxInt64},
		{math.MinInt64, -1},
		{-1, math.MinInt64},
	} {
		s, counters := open(t)
		create(t, s, counters, store.Record{"id": "1", "n": c.n})
		_, err := s.Add(t.Context(), counters, store.Eq("id", "1"), map[string]int64{"n": c.delta}, nil)
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%d and %d: got error %v, want ErrInvalid", c.n, c.delta, err)
		}
		if got, err := s.FindOne(t.Context(), counters, store.Query{}); err != nil || got["n"] != c.n {
			t.Errorf("%d became %v, %v", c.n, got["n"], err)
		}
	}
}

// A call in a transaction that does not carry its context can only wait; what
// matters is that it does not wait for ever.
func TestACallBesideItsTransactionWaitsForItsContext(t *testing.T) {
	t.Parallel()
	s, counters := open(t)
	err := s.Tx(t.Context(), func(inside context.Context) error {
		beside, cancel := context.WithCancel(t.Context())
		waiting := make(chan error)
		go func() {
			_, err := s.Create(beside, counters, store.Record{"id": "beside"})
			waiting <- err
		}()
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		_, err := s.Create(inside, counters, store.Record{"id": "inside"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(t.Context(), counters, store.Where{}); n != 1 || err != nil {
		t.Errorf("%d rows, %v; want 1", n, err)
	}
}

func TestATransactionThatCannotBeJoinedDoesNotRun(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var ended context.Context
	run := func(context.Context) error {
		t.Error("it ran")
		return nil
	}
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		ended = ctx
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if err := s.Tx(cancelled, run); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tx(ended, run); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("after the end: got %v, want ErrInvalid", err)
	}
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	s, counters := open(t)
	create(t, s, counters, store.Record{"id": "1", "name": "x"})
	create(t, s, counters, store.Record{"id": "2", "name": "x"})
	schema := compile(t,
		store.Table{Name: "added"},
		store.Table{Name: "counter", Fields: []*store.Field{{Name: "name", Type: store.String, Unique: true}}},
	)
	err := s.Migrate(t.Context(), schema)
	var dup *store.DuplicateError
	if !errors.As(err, &dup) || dup.Table != "counter" || len(dup.Fields) != 1 || dup.Fields[0] != "name" {
		t.Errorf("got error %v, want a DuplicateError of counter.name", err)
	}
	if _, err := s.Create(t.Context(), schema.Table("added"), store.Record{"id": "1"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("the other table was added: %v", err)
	}
	create(t, s, counters, store.Record{"id": "3", "name": "x"})
}

func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	s, counters := open(t)
	if err := s.Migrate(t.Context(), nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no schema: got %v", err)
	}
	err := s.Tx(t.Context(), func(ctx context.Context) error { return s.Migrate(ctx, counters.Schema()) })
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("in a transaction: got %v", err)
	}
}

func TestAJoinToATableThatIsNotMigratedIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	later := compile(t,
		store.Table{Name: "counter", Fields: []*store.Field{{Name: "name", Type: store.String, References: &store.Reference{Table: "later", As: "owner"}}}},
		store.Table{Name: "later"},
	)
	if _, err := s.FindMany(t.Context(), later.Table("counter"), store.Query{Join: []string{"name"}}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func ExampleNew() {
	ctx := context.Background()
	schema, err := store.NewSchema(store.Naming{}, store.IDs{}, store.Table{
		Name:   "counter",
		Fields: []*store.Field{{Name: "hits", Type: store.Int}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := memory.New()
	if err := s.Migrate(ctx, schema); err != nil {
		fmt.Println(err)
		return
	}
	counters := schema.Table("counter")
	if _, err := s.Create(ctx, counters, store.Record{"id": "home"}); err != nil {
		fmt.Println(err)
		return
	}
	row, err := s.Add(ctx, counters, store.Eq("id", "home"), map[string]int64{"hits": 1}, nil)
	fmt.Println(row.Int("hits"), err)
	// Output: 1 <nil>
}

// BenchmarkFindSession is the hot path: a session by its token, with its user.
func BenchmarkFindSession(b *testing.B) {
	schema := compile(b,
		store.Table{Name: "user", Fields: []*store.Field{{Name: "email", Type: store.String, Unique: true}}},
		store.Table{Name: "session", Fields: []*store.Field{
			{Name: "token", Type: store.String, Unique: true},
			{Name: "userId", Type: store.String, Indexed: true, References: &store.Reference{Table: "user"}},
		}},
	)
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := memory.New()
			if err := s.Migrate(b.Context(), schema); err != nil {
				b.Fatal(err)
			}
			sessions := schema.Table("session")
			for i := range size {
				id := fmt.Sprint(i)
				create(b, s, schema.Table("user"), store.Record{"id": id, "email": id})
				create(b, s, sessions, store.Record{"id": id, "token": "token-" + id, "userId": id})
			}
			q := store.Query{Where: store.Eq("token", "token-7"), Join: []string{"userId"}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.FindOne(b.Context(), sessions, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
