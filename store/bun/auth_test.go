package bunstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// authSchema has the shape of what the engine stores.
func authSchema(t testing.TB) *store.Schema {
	t.Helper()
	return compile(t, store.Naming{},
		store.Table{Name: "user", Fields: []*store.Field{
			{Name: "email", Type: store.String, Required: true, Unique: true},
			{Name: "emailVerified", Type: store.Bool, Required: true},
			{Name: "createdAt", Type: store.Time, Required: true},
		}},
		store.Table{Name: "session", Fields: []*store.Field{
			{Name: "token", Type: store.String, Required: true, Unique: true},
			{Name: "expiresAt", Type: store.Time, Required: true, Indexed: true},
			{Name: "hits", Type: store.Int},
			{Name: "userId", Type: store.String, Required: true, References: &store.Reference{Table: "user"}},
		}},
	)
}

func compile(t testing.TB, naming store.Naming, tables ...store.Table) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(naming, store.IDs{}, tables...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signIn creates a user and a session of that id, which is also the session's
// token.
func signIn(t testing.TB, s store.Store, schema *store.Schema, id string) {
	t.Helper()
	create(t, s, schema, "user", store.Record{"id": id, "email": id + "@example.com", "emailVerified": true, "createdAt": noon})
	create(t, s, schema, "session", store.Record{"id": id, "token": id, "expiresAt": noon, "hits": 0, "userId": id})
}

func create(t testing.TB, s store.Store, schema *store.Schema, table string, r store.Record) {
	t.Helper()
	if _, err := s.Create(t.Context(), schema.Table(table), r); err != nil {
		t.Fatal(err)
	}
}

func migrate(t testing.TB, s store.Store, schema *store.Schema) {
	t.Helper()
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
}

// sessionByToken is the query behind every request of a signed-in user.
func sessionByToken(token string) store.Query {
	return store.Query{Where: store.Eq("token", token), Join: []string{"userId"}}
}

func id(i int) string { return fmt.Sprintf("id-%04d", i) }
