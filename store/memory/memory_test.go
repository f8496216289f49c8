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
	storetest.RunOptions(t, func(*testing.T) store.Store { return memory.New() }, storetest.Options{
		OpenSchema: func(*testing.T) (store.Store, string) { return memory.New(), "tenant" },
	})
}

func compile(t testing.TB, tables ...store.Table) *store.Schema {
	t.Helper()
	return compileIDs(t, store.IDs{}, tables...)
}

func compileIDs(t testing.TB, ids store.IDs, tables ...store.Table) *store.Schema {
	t.Helper()
	schema, err := store.NewSchema(store.Naming{}, ids, tables...)
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

// numbered returns a store whose tables "a" and "b" have numbers for ids, and a
// function that creates a row and returns its id. An empty id is left out.
func numbered(t *testing.T) (s *memory.Store, create func(ctx context.Context, table, id string) string) {
	t.Helper()
	schema := compileIDs(t, store.SerialIDs(), store.Table{Name: "a"}, store.Table{Name: "b"})
	s = memory.New()
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return s, func(ctx context.Context, table, id string) string {
		t.Helper()
		r := store.Record{}
		if id != "" {
			r["id"] = id
		}
		got, err := s.Create(ctx, schema.Table(table), r)
		if err != nil {
			t.Fatal(err)
		}
		return got.String("id")
	}
}

func TestNumbersAreCountedForEachTable(t *testing.T) {
	t.Parallel()
	_, create := numbered(t)
	for _, c := range []struct{ table, given, want string }{
		{"a", "", "1"},
		{"a", "", "2"},
		{"b", "", "1"},
		{"a", "3", "3"},
		{"a", "", "4"}, // steps over a given one
		{"a", "10", "10"},
		{"a", "7", "7"},
		{"a", "", "11"},
	} {
		if got := create(t.Context(), c.table, c.given); got != c.want {
			t.Errorf("in %s, given %q: the id is %s, want %s", c.table, c.given, got, c.want)
		}
	}
}

func TestANumberIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	s, create := numbered(t)
	errNo := errors.New("no")
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		create(ctx, "a", "")
		return errNo
	})
	if !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	if got := create(t.Context(), "a", ""); got != "2" {
		t.Errorf("after a rollback the id is %s, want 2", got)
	}
}

func TestThereIsNoNumberBeyondTheLast(t *testing.T) {
	t.Parallel()
	schema := compileIDs(t, store.SerialIDs(), store.Table{Name: "a"})
	s := memory.New()
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	create(t, s, schema.Table("a"), store.Record{"id": fmt.Sprint(int64(math.MaxInt64))})
	if _, err := s.Create(t.Context(), schema.Table("a"), store.Record{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func TestNumbersStepOverTextThatLooksLikeOne(t *testing.T) {
	t.Parallel()
	text := compile(t, store.Table{Name: "a"})
	numbers := compileIDs(t, store.SerialIDs(), store.Table{Name: "a"})
	s := memory.New()
	if err := s.Migrate(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"x", "5", "1"} {
		create(t, s, text.Table("a"), store.Record{"id": id})
	}
	if err := s.Migrate(t.Context(), numbers); err != nil {
		t.Fatal(err)
	}
	got, err := s.Create(t.Context(), numbers.Table("a"), store.Record{})
	if err != nil || got["id"] != "6" {
		t.Errorf("the id is %v, %v; want 6", got["id"], err)
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
	benchmark(b, "session", store.Query{Where: store.Eq("token", "token-7"), Join: []string{"userId"}})
}

func BenchmarkFindUserWithSessions(b *testing.B) {
	benchmark(b, "user", store.Query{Where: store.Eq("email", "7"), Children: []store.Children{{Table: "session"}}})
}

// benchmark reads one row among few and among many: an index makes no
// difference of it.
func benchmark(b *testing.B, table string, q store.Query) {
	b.Helper()
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
			for i := range size {
				id := fmt.Sprint(i)
				create(b, s, schema.Table("user"), store.Record{"id": id, "email": id})
				create(b, s, schema.Table("session"), store.Record{"id": id, "token": "token-" + id, "userId": id})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.FindOne(b.Context(), schema.Table(table), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
