package mongostore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
)

var errNo = errors.New("the function says no")

// library is a schema with every kind of reference.
func library(t *testing.T) *store.Schema {
	t.Helper()
	schema, err := store.NewSchema(store.SnakePlural(), store.IDs{},
		store.Table{Name: "author", Fields: []*store.Field{
			{Name: "name", Type: store.String, Required: true, Unique: true},
			{Name: "rank", Type: store.Int},
			{Name: "score", Type: store.Float},
			{Name: "tags", Type: store.Strings},
		}},
		store.Table{Name: "book", Fields: []*store.Field{
			{Name: "authorId", Type: store.String, Required: true, References: &store.Reference{Table: "author"}},
			{Name: "editorId", Type: store.String, References: &store.Reference{Table: "author", OnDelete: store.SetNull}},
		}},
		store.Table{Name: "contract", Fields: []*store.Field{
			{Name: "authorId", Type: store.String, Required: true, References: &store.Reference{Table: "author", OnDelete: store.Restrict}},
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// migrated opens a store on an empty database with the library's tables.
func migrated(t *testing.T) (*mongostore.Store, *store.Schema) {
	t.Helper()
	s, schema := open(t), library(t)
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return s, schema
}

func create(t *testing.T, s store.Store, table *store.Table, recs ...store.Record) {
	t.Helper()
	for _, r := range recs {
		if _, err := s.Create(t.Context(), table, r); err != nil {
			t.Fatal(err)
		}
	}
}

// dump is every document of the store's tables.
func dump(t *testing.T, s *mongostore.Store, schema *store.Schema) string {
	t.Helper()
	var b strings.Builder
	for _, table := range schema.Tables() {
		cursor, err := s.Database().Collection(table.DBName()).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			t.Fatal(err)
		}
		var docs []map[string]any
		if err := cursor.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintln(&b, table.DBName(), docs)
	}
	return b.String()
}

func TestWhatFailsIsPutBack(t *testing.T) {
	t.Parallel()
	s, schema := migrated(t)
	authors, books := schema.Table("author"), schema.Table("book")
	create(t, s, authors,
		store.Record{"id": "a", "name": "Ada", "rank": 1, "tags": []string{"x"}},
		store.Record{"id": "b", "name": "Bob"},
		store.Record{"id": "c", "name": "Cy", "score": 0.5},
	)
	create(t, s, books,
		store.Record{"id": "1", "authorId": "a", "editorId": "b"},
		store.Record{"id": "2", "authorId": "b", "editorId": "a"},
	)
	before := dump(t, s, schema)

	change := func(ctx context.Context) error {
		_, created := s.Create(ctx, authors, store.Record{"id": "d", "name": "Dan"})
		_, updated := s.Update(ctx, authors, store.All(), store.Record{"rank": 7, "tags": nil})
		_, updatedAgain := s.Update(ctx, authors, store.Eq("id", "a"), store.Record{"name": "Eve", "tags": []string{}})
		_, added := s.Add(ctx, authors, store.Eq("id", "c"), map[string]int64{"score": 2, "rank": -1}, store.Record{"tags": []string{"y"}})
		_, addedToNull := s.Add(ctx, authors, store.Eq("id", "b"), map[string]int64{"score": 3}, nil)
		_, deleted := s.Delete(ctx, authors, store.Eq("id", "a"))
		_, taken := s.Take(ctx, authors, store.Eq("id", "c"))
		_, recreated := s.Create(ctx, authors, store.Record{"id": "a", "name": "Ada"})
		return errors.Join(created, updated, updatedAgain, added, addedToNull, deleted, taken, recreated)
	}
	ends := map[string]func(context.Context) error{
		"error": func(context.Context) error { return errNo },
		"panic": func(context.Context) error { panic(errNo) },
		"statement": func(ctx context.Context) error {
			_, err := s.Create(ctx, authors, store.Record{"id": "x", "name": "Bob"})
			return err
		},
		"nested": func(ctx context.Context) error {
			return s.Tx(ctx, func(ctx context.Context) error {
				_, err := s.Delete(ctx, authors, store.All())
				return errors.Join(err, errNo)
			})
		},
	}
	for name, end := range ends {
		func() {
			defer func() { _ = recover() }()
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				if err := change(ctx); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if dump(t, s, schema) == before {
					t.Errorf("%s: nothing was changed", name)
				}
				return end(ctx)
			})
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}()
		if after := dump(t, s, schema); after != before {
			t.Errorf("%s: the documents were\n%s\nand are\n%s", name, before, after)
		}
	}
}

func TestAStatementThatFailsHalfwayIsPutBack(t *testing.T) {
	t.Parallel()
	s, schema := migrated(t)
	authors, books, contracts := schema.Table("author"), schema.Table("book"), schema.Table("contract")
	create(t, s, authors, store.Record{"id": "a", "name": "Ada"}, store.Record{"id": "b", "name": "Bob"}, store.Record{"id": "c", "name": "Cy"})
	create(t, s, books, store.Record{"id": "1", "authorId": "a", "editorId": "b"}, store.Record{"id": "2", "authorId": "b"})
	create(t, s, contracts, store.Record{"id": "1", "authorId": "c"})
	before := dump(t, s, schema)

	inside := func(ctx context.Context) {
		_, err := s.Update(ctx, authors, store.All(), store.Record{"name": "one for all"})
		var taken *store.DuplicateError
		if !errors.As(err, &taken) || fmt.Sprint(taken.Fields) != "[name]" {
			t.Errorf("Update: got %v, want a duplicate name", err)
		}
		if _, err := s.Delete(ctx, authors, store.All()); !errors.Is(err, store.ErrReference) {
			t.Errorf("Delete: got %v, want that a contract refers to one of them", err)
		}
		if _, err := s.Update(ctx, books, store.All(), store.Record{"authorId": "nobody"}); !errors.Is(err, store.ErrReference) {
			t.Errorf("Update of a reference: got %v, want that nobody is there", err)
		}
		if _, err := s.Create(ctx, books, store.Record{"id": "3", "authorId": "nobody"}); !errors.Is(err, store.ErrReference) {
			t.Errorf("Create: got %v, want that nobody is there", err)
		}
	}
	inside(t.Context())
	if err := s.Tx(t.Context(), func(ctx context.Context) error { inside(ctx); return nil }); err != nil {
		t.Error(err)
	}
	if after := dump(t, s, schema); after != before {
		t.Errorf("the documents were\n%s\nand are\n%s", before, after)
	}
}

func TestWhatOthersHaveAddedSinceIsKept(t *testing.T) {
	t.Parallel()
	s, schema := migrated(t)
	authors := schema.Table("author")
	create(t, s, authors, store.Record{"id": "a", "name": "Ada", "rank": 10}, store.Record{"id": "b", "name": "Bob"})
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		for _, id := range []string{"a", "b"} {
			for _, caller := range []context.Context{ctx, t.Context()} {
				if _, err := s.Add(caller, authors, store.Eq("id", id), map[string]int64{"rank": 5}, nil); err != nil {
					return err
				}
			}
		}
		return errNo
	})
	if !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{"a": 15, "b": 5} {
		got, err := s.FindOne(t.Context(), authors, store.Query{Where: store.Eq("id", id)})
		if err != nil || got["rank"] != want {
			t.Errorf("the rank of %s is %v, want %d (%v)", id, got["rank"], want, err)
		}
	}
}

func TestWhatCannotBePutBackIsReported(t *testing.T) {
	t.Parallel()
	url := testenv.Mongo(t)
	proxy := testenv.NewProxy(t, url)
	s, err := mongostore.Open(testenv.Through(url, proxy)+"?serverSelectionTimeoutMS=200", mongostore.WithoutTransactions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	schema := library(t)
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	err = s.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := s.Create(ctx, schema.Table("author"), store.Record{"id": "a", "name": "Ada"}); err != nil {
			return err
		}
		proxy.Stop()
		return errNo
	})
	if !errors.Is(err, errNo) || !strings.Contains(err.Error(), "1 documents could not be put back") {
		t.Errorf("got %v, want the function's error and what is left", err)
	}
}

func TestReferencesHoldWithoutTransactions(t *testing.T) {
	t.Parallel()
	s, schema := migrated(t)
	authors, books, contracts := schema.Table("author"), schema.Table("book"), schema.Table("contract")
	for round := range 10 {
		id := fmt.Sprint("author", round)
		create(t, s, authors, store.Record{"id": id, "name": id})
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				own := fmt.Sprint(id, i)
				var err error
				switch {
				case i == 4:
					_, err = s.Delete(t.Context(), authors, store.Eq("id", id))
				case i == 5 && round%2 == 0:
					_, err = s.Create(t.Context(), contracts, store.Record{"id": own, "authorId": id})
				default:
					_, err = s.Create(t.Context(), books, store.Record{"id": own, "authorId": id, "editorId": id})
				}
				if err != nil && !errors.Is(err, store.ErrReference) {
					t.Error(err)
				}
			})
		}
		callers.Wait()
	}
	for _, table := range []*store.Table{books, contracts} {
		recs, err := s.FindMany(t.Context(), table, store.Query{Join: []string{"authorId"}, Limit: store.NoLimit})
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range recs {
			if rec.Record("author") == nil {
				t.Errorf("%v of %s has outlived its author", rec, table.Name)
			}
		}
	}
}

func TestAServerWithoutTransactionsIsRefusedUnlessThatIsKnown(t *testing.T) {
	t.Parallel()
	s, err := mongostore.Open(testenv.Mongo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var answer bson.M
	if err := s.Database().RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer["setName"] != nil {
		t.Skip("this server has transactions")
	}
	schema := library(t)
	called := false
	calls := map[string]error{
		"Migrate": s.Migrate(t.Context(), schema),
		"Tx":      s.Tx(t.Context(), func(context.Context) error { called = true; return nil }),
	}
	for name, err := range calls {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, store.ErrInvalid)
			continue
		}
		for _, hint := range []string{"replica set", "mongostore.WithoutTransactions"} {
			if !strings.Contains(err.Error(), hint) {
				t.Errorf("%s: %v does not mention %s", name, err, hint)
			}
		}
	}
	if called {
		t.Error("the function was called")
	}

	// Where somebody else has migrated, what may have to be put back is refused.
	known := mongostore.New(s.Database(), mongostore.WithoutTransactions())
	if err := known.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), schema.Table("author"), store.Record{"id": "a", "name": "Ada"}); err != nil {
		t.Errorf("Create of one document: %v", err)
	}
	if _, err := s.Delete(t.Context(), schema.Table("author"), store.All()); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Delete with what refers to it: got %v, want %v", err, store.ErrInvalid)
	}
}

func TestCloseLeavesTheApplicationsClient(t *testing.T) {
	t.Parallel()
	client, err := mongo.Connect(options.Client().ApplyURI(testenv.Mongo(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	s := mongostore.New(client.Database("unused"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("after Close: %v", err)
	}

	own := open(t)
	for range 2 {
		if err := own.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := own.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after Close of an own client: got %v, want %v", err, store.ErrUnavailable)
	}
}
