package bunstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// everyServer runs a test on an empty database of every kind.
func everyServer(t *testing.T, test func(t *testing.T, s *bunstore.Store)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{
		"PostgreSQL": testenv.Postgres,
		"SQLite":     sqliteFile,
		"MariaDB":    testenv.MySQL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, url(t)))
		})
	}
}

func compileIDs(t testing.TB, ids store.IDs, tables ...store.Table) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(store.Naming{}, ids, tables...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSerialIDsGoOnAfterThoseThatWereGiven(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, s *bunstore.Store) {
		schema := compileIDs(t, store.SerialIDs(), store.Table{Name: "note", Fields: []*store.Field{{Name: "n", Type: store.Int}}})
		migrate(t, s, schema)
		const given = 300
		for i := range given {
			create(t, s, schema, "note", store.Record{"id": fmt.Sprint(i + 1), "n": i})
		}
		// Also in a transaction, which a duplicate would end.
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			for range 3 {
				got, err := s.Create(ctx, schema.Table("note"), store.Record{"n": given})
				if err != nil {
					return err
				}
				if len(got.String("id")) < 3 {
					t.Errorf("made the id %v", got["id"])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(t.Context(), schema.Table("note"), store.Gt("id", fmt.Sprint(given))); err != nil || n != 3 {
			t.Errorf("%d rows have a made id (%v), want 3", n, err)
		}
	})
}
