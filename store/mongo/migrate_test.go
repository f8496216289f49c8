package mongostore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
)

func contains(err error, part string) bool { return strings.Contains(err.Error(), part) }

func TestPlanIsWhatMongoshTakes(t *testing.T) {
	t.Parallel()
	schema, err := store.NewSchema(store.BetterAuth(), store.SerialIDs(),
		store.Table{
			Name: "account",
			Fields: []*store.Field{
				{Name: "email", Type: store.String, Required: true, Unique: true},
				{Name: "handle", Type: store.String, Unique: true},
				{Name: "provider", Type: store.String, Indexed: true},
				{Name: "parentId", Type: store.String, References: &store.Reference{Table: "account"}},
			},
			Indexes: []store.Index{
				{Fields: []string{"provider", "handle"}, Unique: true},
				{Fields: []string{"provider", "handle"}},
				{Fields: []string{"handle"}},
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	t.Cleanup(func() { _ = s.Close() })
	plan, err := s.Plan(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`db.createCollection("account")`,
		`db.account.createIndex({"email":1}, {"name":"email_uidx","unique":true})`,
		`db.account.createIndex({"handle":1}, {"name":"handle_uidx","unique":true,"partialFilterExpression":{"handle":{"$exists":true}}})`,
		`db.account.createIndex({"provider":1}, {"name":"provider_idx"})`,
		`db.account.createIndex({"parentId":1}, {"name":"parentId_idx"})`,
		`db.account.createIndex({"provider":1,"handle":1}, {"name":"provider_handle_uidx","unique":true,"partialFilterExpression":{"provider":{"$exists":true},"handle":{"$exists":true}}})`,
		`db.ostiary_tables.updateOne({"_id":"account"}, {"$set":{"fields._id":"serial","fields.email":"string","fields.handle":"string","fields.provider":"string","fields.parentId":"serial"}}, {upsert: true})`,
	}
	if !slices.Equal(plan.Statements, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(plan.Statements, "\n"), strings.Join(want, "\n"))
	}
	if names, err := s.Database().ListCollectionNames(t.Context(), bson.D{}); err != nil || len(names) > 0 {
		t.Errorf("the plan has made %v (%v)", names, err)
	}
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if plan, err := s.Plan(t.Context(), schema); err != nil || len(plan.Statements) > 0 {
		t.Errorf("after Migrate: %v, %v", plan, err)
	}
}

func TestWhatMongoDBCannotKeepIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	thing := store.Table{Name: "thing", Fields: []*store.Field{{Name: "size", Type: store.Int}}}
	for want, naming := range map[string]store.Naming{
		"Naming.Schema":  {Schema: "auth"},
		"ostiary_tables": {Tables: map[string]string{"thing": "ostiary_tables"}},
		"_id":            {Columns: map[string]string{"thing.size": "_id"}},
	} {
		schema, err := store.NewSchema(naming, store.IDs{}, thing)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t)
		t.Cleanup(func() { _ = s.Close() })
		err = s.Migrate(t.Context(), schema)
		var unsafe *store.UnsafeError
		if !errors.As(err, &unsafe) || !contains(err, want) {
			t.Errorf("got %v, want a refusal that names %s", err, want)
		}
		if names, err := s.Database().ListCollectionNames(t.Context(), bson.D{}); err != nil || len(names) > 0 {
			t.Errorf("%s: it has made %v (%v)", want, names, err)
		}
	}
}

func TestATypeThatHasChangedIsAWarning(t *testing.T) {
	t.Parallel()
	s := open(t)
	t.Cleanup(func() { _ = s.Close() })
	for i, kind := range []store.Type{store.Int, store.String} {
		schema, err := store.NewSchema(store.Naming{}, store.IDs{}, store.Table{Name: "thing", Fields: []*store.Field{{Name: "size", Type: kind}}})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := s.Plan(t.Context(), schema)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 && (len(plan.Warnings) != 1 || plan.Warnings[0] != "things.size has been migrated as int and is string now") {
			t.Errorf("got the warnings %q", plan.Warnings)
		}
		if err := s.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatAnotherProcessHasMigratedIsKnown(t *testing.T) {
	t.Parallel()
	s, schema := migrated(t)
	other := mongostore.New(s.Database(), mongostore.WithoutTransactions())
	if _, err := other.Create(t.Context(), schema.Table("author"), store.Record{"id": "a", "name": "Ada"}); err != nil {
		t.Error(err)
	}
	grown, err := store.NewSchema(store.SnakePlural(), store.IDs{}, store.Table{Name: "author", Fields: []*store.Field{
		{Name: "name", Type: store.String, Required: true, Unique: true}, {Name: "born", Type: store.Time},
	}})
	if err != nil {
		t.Fatal(err)
	}
	born := store.Record{"id": "b", "name": "Bob", "born": time.Now()}
	if _, err := other.Create(t.Context(), grown.Table("author"), born); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a field that is not migrated: got %v, want %v", err, store.ErrInvalid)
	}
	if err := s.Migrate(t.Context(), grown); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(t.Context(), grown.Table("author"), born); err != nil {
		t.Errorf("after another process has migrated it: %v", err)
	}
}

func TestDocumentsAreWhatTheDocumentationSays(t *testing.T) {
	t.Parallel()
	schema, err := store.NewSchema(store.SnakePlural(), store.SerialIDs(), store.Table{Name: "thing", Fields: []*store.Field{
		{Name: "fullName", Type: store.String},
		{Name: "isNew", Type: store.Bool},
		{Name: "size", Type: store.Int},
		{Name: "weight", Type: store.Float},
		{Name: "madeAt", Type: store.Time},
		{Name: "extra", Type: store.JSON},
		{Name: "labels", Type: store.Strings},
		{Name: "parentId", Type: store.String, References: &store.Reference{Table: "thing"}},
		{Name: "nothing", Type: store.String},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1700000000123).UTC()
	things := schema.Table("thing")
	rec := store.Record{
		"id": "7", "fullName": "x", "isNew": true, "size": 1, "weight": 2.0, "madeAt": at,
		"extra": json.RawMessage(`{"a": 1}`), "labels": []string{"l"}, "parentId": "7", "nothing": nil,
	}
	create(t, s, things, rec)
	rows := s.Database().Collection("things")
	var doc bson.D
	if err := rows.FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	want := bson.D{
		{Key: "_id", Value: int64(7)},
		{Key: "full_name", Value: "x"},
		{Key: "is_new", Value: true},
		{Key: "size", Value: int64(1)},
		{Key: "weight", Value: 2.0},
		{Key: "made_at", Value: bson.NewDateTimeFromTime(at)},
		{Key: "extra", Value: `{"a": 1}`},
		{Key: "labels", Value: bson.A{"l"}},
		{Key: "parent_id", Value: int64(7)},
	}
	got, _ := bson.Marshal(doc)
	wanted, _ := bson.Marshal(want)
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", doc, want)
	}

	// What other programs write: explicit nulls, small numbers, and worse.
	foreign := bson.D{{Key: "_id", Value: int32(8)}, {Key: "size", Value: 3.0}, {Key: "weight", Value: int32(2)}, {Key: "full_name", Value: nil}, {Key: "made_at", Value: nil}}
	if _, err := rows.InsertOne(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	read, err := s.FindOne(t.Context(), things, store.Query{Where: store.Eq("id", "8")})
	if err != nil || read["id"] != "8" || read["size"] != int64(3) || read["weight"] != 2.0 || read["fullName"] != nil || read["madeAt"] != nil {
		t.Errorf("a document of another program is %v, %v", read, err)
	}
	if n, err := s.Count(t.Context(), things, store.Eq("fullName", nil)); err != nil || n != 1 {
		t.Errorf("%d rows have no name, want 1 (%v)", n, err)
	}
	if _, err := rows.InsertOne(t.Context(), bson.D{{Key: "_id", Value: int64(9)}, {Key: "size", Value: "large"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FindOne(t.Context(), things, store.Query{Where: store.Eq("id", "9")}); err == nil || !contains(err, `field "size" of "thing" is of BSON type string`) {
		t.Errorf("text for a number: got %v", err)
	}
}
