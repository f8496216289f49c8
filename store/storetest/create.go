package storetest

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/ostiary/ostiary/store"
)

// fullUser has a value in every field.
func fullUser(id string) store.Record {
	return newUser(id, store.Record{
		"handle":   "handle-" + id,
		"name":     "Ada Lovelace",
		"role":     "admin",
		"active":   true,
		"age":      int64(36),
		"balance":  1815.125,
		"bornAt":   time.Date(1815, 12, 10, 4, 5, 6, 789e6, time.UTC),
		"settings": json.RawMessage(`{"theme":"dark"}`),
		"tags":     []string{"math", "engine"},
	})
}

var createCases = []testCase{
	{"returns the row as stored", migrated(func(f *fixture) {
		f.equals(f.create("user", fullUser("u1")), fullUser("u1"))
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
	{"leaves out nothing but null", migrated(func(f *fixture) {
		want := store.Record{
			"id": "u1", "email": "u1@example.com", "handle": nil, "name": nil, "role": nil, "active": nil,
			"age": nil, "balance": nil, "bornAt": nil, "settings": nil, "tags": nil,
		}
		f.equals(f.create("user", store.Record{"id": "u1", "email": "u1@example.com"}), want)
		f.equals(f.byID("user", "u1"), want)
	})},
	{"takes explicit nulls", migrated(func(f *fixture) {
		want := newUser("u1", store.Record{
			"handle": nil, "name": nil, "role": nil, "active": nil,
			"age": nil, "balance": nil, "bornAt": nil, "settings": nil, "tags": nil,
		})
		f.equals(f.create("user", want), want)
		f.equals(f.byID("user", "u1"), want)
		f.equals(f.nRows(1, "user", store.Query{})[0], want)
	})},
	{"keeps zero values apart from null", migrated(func(f *fixture) {
		zero := newUser("u1", store.Record{
			"handle": "", "name": "", "role": "", "active": false, "age": int64(0), "balance": 0.0,
			"bornAt": time.UnixMilli(0).UTC(), "settings": json.RawMessage(`{}`), "tags": []string{},
		})
		f.equals(f.create("user", zero), zero)
		f.equals(f.byID("user", "u1"), zero)
	})},
	{"in a table of reserved names", migrated(func(f *fixture) {
		f.users("u1")
		want := store.Record{
			"id": "o1", "key": "k", "order": int64(7), "group": "g", "select": true,
			"from": time.UnixMilli(1700000000123).UTC(), "when": []string{"now"},
			"default": json.RawMessage(`[1]`), "userId": "u1",
		}
		f.equals(f.create("order", want), want)
		f.equals(f.byID("order", "o1"), want)
	})},
	{"applies no default of its own", empty(func(f *fixture) {
		f.schema = f.compile(store.Table{Name: "thing", Fields: []*store.Field{
			{Name: "size", Type: store.Int, Default: 7},
			{Name: "color", Type: store.String, DefaultFunc: func() any { return "red" }},
		}})
		f.migrate(f.schema)
		f.equals(f.create("thing", store.Record{"id": "t"}), store.Record{"id": "t", "size": nil, "color": nil})
	})},
	{"does not keep or change the record", migrated(func(f *fixture) {
		zone := time.FixedZone("far", 5*3600)
		at := time.Date(2020, 1, 2, 3, 4, 5, 678912345, zone)
		in := newUser("u1", store.Record{
			"age": 36, "bornAt": at, "tags": []string{"a", "b"}, "settings": json.RawMessage(`{"a":1}`),
		})
		out := f.create("user", in)

		if in["age"] != 36 || in["bornAt"] != at || len(in) != 6 {
			f.Errorf("the record passed in became %v", in)
		}
		in["tags"].([]string)[0] = "changed"
		in["settings"].(json.RawMessage)[2] = 'z'
		in["name"] = "changed"
		out["tags"].([]string)[1] = "changed"
		out["settings"].(json.RawMessage)[2] = 'z'
		out["name"] = "changed"

		got := f.byID("user", "u1")
		want := store.Record{"tags": []string{"a", "b"}, "settings": json.RawMessage(`{"a":1}`), "name": nil}
		for name, v := range want {
			if !sameValue(got[name], v) {
				f.Errorf("stored %q became %s", name, show(got[name]))
			}
		}
		got["tags"].([]string)[0] = "changed"
		if again := f.byID("user", "u1"); again["tags"].([]string)[0] != "a" {
			f.Error("a record read shares memory with the store")
		}
	})},
	{"refuses a second row with the id", migrated(func(f *fixture) {
		f.users("u1")
		_, err := f.store.Create(f.Context(), f.table("user"), store.Record{"id": "u1", "email": "other@example.com"})
		f.duplicates("a taken id", err, "user", "id")
	})},
	{"refuses a taken unique value", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada"})
		_, err := f.store.Create(f.Context(), f.table("user"), newUser("u2", store.Record{"email": "u1@example.com"}))
		f.duplicates("a taken email", err, "user", "email")
		_, err = f.store.Create(f.Context(), f.table("user"), newUser("u2", store.Record{"handle": "ada"}))
		f.duplicates("a taken handle", err, "user", "handle")
		f.gone("user", "u2")
		f.users("u2")
	})},
	{"refuses a taken combination of a unique index", migrated(func(f *fixture) {
		account := func(id, provider, account string) store.Record {
			return store.Record{"id": id, "providerId": provider, "accountId": account}
		}
		f.create("account", account("1", "github", "7"))
		f.create("account", account("2", "github", "8"))
		f.create("account", account("3", "google", "7"))
		_, err := f.store.Create(f.Context(), f.table("account"), account("4", "google", "7"))
		f.duplicates("a taken combination", err, "account", "providerId", "accountId")
		f.create("account", account("5", "go", "ogle7"))
	})},
	{"names reserved fields in a duplicate", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "key": "k", "group": "g", "order": 1})
		_, err := f.store.Create(f.Context(), f.table("order"), store.Record{"id": "2", "key": "k"})
		f.duplicates("a taken key", err, "order", "key")
		_, err = f.store.Create(f.Context(), f.table("order"), store.Record{"id": "2", "group": "g", "order": 1})
		f.duplicates("a taken group and order", err, "order", "group", "order")
	})},
	{"nulls are never duplicates", migrated(func(f *fixture) {
		f.users("u1", "u2", "u3")
		for _, id := range []string{"1", "2"} {
			f.create("account", store.Record{"id": id, "providerId": "github"})
			f.create("account", store.Record{"id": id + "-", "accountId": "7"})
			f.create("account", store.Record{"id": id + "--"})
		}
		if n := f.count("account", store.Where{}); n != 6 {
			f.Errorf("%d accounts, want 6", n)
		}
	})},
	{"unique fields of every type", empty(func(f *fixture) {
		f.use(thing(
			&store.Field{Name: "flag", Type: store.Bool, Unique: true},
			&store.Field{Name: "size", Type: store.Int, Unique: true},
			&store.Field{Name: "weight", Type: store.Float, Unique: true},
			&store.Field{Name: "madeAt", Type: store.Time, Unique: true},
		))
		at := time.UnixMilli(1700000000123)
		first := store.Record{"flag": true, "size": 1, "weight": 0.1, "madeAt": at}
		second := store.Record{"flag": false, "size": -1, "weight": -0.1, "madeAt": at.Add(time.Millisecond)}
		for id, r := range map[string]store.Record{"t1": first, "t2": second, "null": {}} {
			r = maps.Clone(r)
			r["id"] = id
			f.create("thing", r)
		}
		for field := range first {
			f.matches("thing", store.Eq(field, first[field]), "t1")
			f.matches("thing", store.In(field, first[field], second[field]), "t1", "t2")
			_, err := f.store.Create(f.Context(), f.table("thing"), store.Record{"id": "t3", field: second[field]})
			f.duplicates("a taken "+field, err, "thing", field)
		}
	})},
	{"unique values are told apart by every byte", migrated(func(f *fixture) {
		values := []string{"ada", "Ada", "ada ", " ada", "", " ", "äda", "a\u0308da", "ada\t", "ADA", "%", "_", "ada\u200b", "1", "01", "1.0"}
		for i, v := range values {
			f.user(string(rune('a'+i)), store.Record{"handle": v})
		}
		for i, v := range values {
			f.matches("user", store.Eq("handle", v), string(rune('a'+i)))
		}
	})},
	{"refuses a null in a required field", migrated(func(f *fixture) {
		records := map[string]store.Record{
			"no email":   {"id": "u1"},
			"null email": {"id": "u1", "email": nil},
			"nothing":    {},
		}
		if !f.ids.ByDatabase() {
			records["no id"] = store.Record{"email": "a@example.com"}
			records["null id"] = store.Record{"email": "a@example.com", "id": nil}
		}
		for what, r := range records {
			_, err := f.store.Create(f.Context(), f.table("user"), r)
			f.fails(what, err, store.ErrInvalid)
		}
		if n := f.count("user", store.Where{}); n != 0 {
			f.Errorf("%d users were stored", n)
		}
	})},
}
