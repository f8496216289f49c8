package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/store"
)

var updateCases = []testCase{
	{"writes the fields and leaves the others", migrated(func(f *fixture) {
		f.users("other")
		want := fullUser("u1")
		f.create("user", want)
		for name, v := range (store.Record{
			"email": "new@example.com", "handle": "new", "name": "New", "role": "user", "active": false, "age": int64(-1), "balance": -0.25,
			"bornAt": time.UnixMilli(1700000000001).UTC(), "settings": json.RawMessage(`[]`), "tags": []string{"new"},
		}) {
			if n := f.update("user", store.Eq("id", "u1"), store.Record{name: v}); n != 1 {
				f.Errorf("update of %s matched %d rows, want 1", name, n)
			}
			want[name] = v
			f.equals(f.byID("user", "u1"), want)
		}
		if got := f.byID("user", "other"); got["name"] != nil || got["email"] != "other@example.com" {
			f.Errorf("the other row became %v", got)
		}
	})},
	{"counts rows that match, changed or not", migrated(func(f *fixture) {
		f.user("a", store.Record{"role": "x"})
		f.user("b", store.Record{"role": "y"})
		f.user("c", nil)
		for range 2 {
			if n := f.update("user", store.In("id", "a", "b"), store.Record{"role": "x"}); n != 2 {
				f.Errorf("matched %d rows, want 2", n)
			}
		}
		if n := f.update("user", store.Eq("id", "d"), store.Record{"role": "x"}); n != 0 {
			f.Errorf("a miss matched %d rows", n)
		}
		f.matches("user", store.Eq("role", "x"), "a", "b")
	})},
	{"every row with All, also beyond the default limit", migrated(func(f *fixture) {
		const n = store.DefaultLimit + 5
		f.ages(n)
		if got := f.update("user", store.All(), store.Record{"role": "x"}); got != n {
			f.Errorf("All matched %d rows, want %d", got, n)
		}
		if got := f.update("user", store.And(), store.Record{"active": true}); got != n {
			f.Errorf("And() matched %d rows, want %d", got, n)
		}
		if got := f.update("user", store.Or(), store.Record{"active": false}); got != 0 {
			f.Errorf("Or() matched %d rows, want none", got)
		}
		if got := f.count("user", store.And(store.Eq("role", "x"), store.Eq("active", true))); got != n {
			f.Errorf("%d rows were written, want %d", got, n)
		}
	})},
	{"of the fields in the condition", migrated(func(f *fixture) {
		f.user("u1", store.Record{"name": "old", "role": "old"})
		w := store.And(store.Eq("name", "old"), store.Eq("role", "old"))
		if n := f.update("user", w, store.Record{"name": "new", "role": "new"}); n != 1 {
			f.Errorf("matched %d rows, want 1", n)
		}
		f.matches("user", w)
		f.matches("user", store.And(store.Eq("name", "new"), store.Eq("role", "new")), "u1")
		if n := f.update("user", store.Eq("email", "u1@example.com"), store.Record{"email": "new@example.com"}); n != 1 {
			f.Errorf("matched %d rows, want 1", n)
		}
		f.matches("user", store.Eq("email", "new@example.com"), "u1")
		f.matches("user", store.Eq("email", "u1@example.com"))
	})},
	{"under every kind of condition", migrated(func(f *fixture) {
		f.ages(6)
		f.user("null", nil)
		for i, c := range []struct {
			w    store.Where
			want int64
		}{
			{store.Or(store.Eq("id", "1"), store.Eq("id", "2")), 2},
			{store.And(store.Eq("id", "1"), store.Eq("age", 2)), 0},
			{store.And(store.Eq("id", "null"), store.Eq("age", nil)), 1},
			{store.And(store.Eq("id", "1"), store.Eq("age", nil)), 0},
			{store.Ne("age", 1), 6},
			{store.In("age", 1, 2, 9), 2},
			{store.NotIn("age", 1, 2), 5},
			{store.Gt("age", 3), 2},
			{store.HasPrefix("email", "nu"), 1},
			{store.Contains("email", "%"), 0},
			{store.HasSuffix("email", "@example.com"), 7},
		} {
			mark := fmt.Sprint("case ", i)
			if n := f.update("user", c.w, store.Record{"role": mark}); n != c.want {
				f.Errorf("%+v matched %d rows, want %d", c.w, n, c.want)
			}
			if n := f.count("user", store.Eq("role", mark)); n != c.want {
				f.Errorf("%+v wrote %d rows, want %d", c.w, n, c.want)
			}
		}
	})},
	{"refuses one unique value for two rows and writes neither", transactional(migrated(func(f *fixture) {
		f.user("a", store.Record{"age": 1})
		f.user("b", store.Record{"age": 1})
		_, err := f.store.Update(f.Context(), f.table("user"), store.Eq("age", 1), store.Record{"handle": "one for two", "name": "x"})
		f.duplicates("one handle for two rows", err, "user", "handle")
		f.matches("user", store.Or(store.Ne("name", nil), store.Ne("handle", nil)))
	}))},
	{"refuses a taken unique value and writes nothing", migrated(func(f *fixture) {
		f.users("a", "b", "c")
		_, err := f.store.Update(f.Context(), f.table("user"), store.Eq("id", "a"), store.Record{"email": "c@example.com", "name": "x"})
		f.duplicates("a taken email", err, "user", "email")
		f.matches("user", store.Ne("name", nil))
		f.matches("user", store.Eq("email", "a@example.com"), "a")

		if n := f.update("user", store.Eq("id", "a"), store.Record{"email": "a@example.com"}); n != 1 {
			f.Errorf("a row's own value: matched %d rows, want 1", n)
		}
		if n := f.update("user", store.All(), store.Record{"handle": nil}); n != 3 {
			f.Errorf("null in a unique field: matched %d rows, want 3", n)
		}
	})},
	{"refuses a taken combination and writes nothing", migrated(func(f *fixture) {
		f.create("account", store.Record{"id": "1", "providerId": "p", "accountId": "a"})
		f.create("account", store.Record{"id": "2", "providerId": "q", "accountId": "a"})
		_, err := f.store.Update(f.Context(), f.table("account"), store.Eq("id", "2"), store.Record{"providerId": "p"})
		f.duplicates("a taken combination", err, "account", "providerId", "accountId")
		f.matches("account", store.Eq("providerId", "q"), "2")
	})},
	{"a freed unique value can be used again", migrated(func(f *fixture) {
		f.user("a", store.Record{"handle": "x"})
		f.update("user", store.Eq("id", "a"), store.Record{"handle": "y"})
		f.user("b", store.Record{"handle": "x"})
		f.delete("user", store.Eq("id", "a"))
		f.update("user", store.Eq("id", "b"), store.Record{"handle": "y"})
		f.matches("user", store.Eq("handle", "y"), "b")
		f.matches("user", store.Eq("handle", "x"))
	})},
	{"refuses null in a required field", migrated(func(f *fixture) {
		f.users("u1")
		_, err := f.store.Update(f.Context(), f.table("user"), store.Eq("id", "u1"), store.Record{"email": nil, "name": "x"})
		f.fails("null email", err, store.ErrInvalid)
		if got := f.byID("user", "u1"); got["email"] != "u1@example.com" || got["name"] != nil {
			f.Errorf("the row became %v", got)
		}
	})},
	{"of reserved names", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "group": "g", "order": 1})
		if n := f.update("order", store.And(store.Eq("group", "g"), store.Eq("order", 1)), store.Record{"key": "k", "order": 2, "select": false}); n != 1 {
			f.Errorf("matched %d rows, want 1", n)
		}
		f.matches("order", store.And(store.Eq("key", "k"), store.Eq("order", 2), store.Eq("select", false)), "1")
	})},
	{"does not change what it was given", migrated(func(f *fixture) {
		f.users("u1")
		at := time.Date(2024, 1, 1, 0, 0, 0, 123456789, time.FixedZone("x", 3600))
		set := store.Record{"age": 7, "bornAt": at, "tags": []string{"a"}}
		f.update("user", store.Eq("id", "u1"), set)
		if set["age"] != 7 || set["bornAt"] != at || len(set) != 3 {
			f.Errorf("the record became %v", set)
		}
		set["tags"].([]string)[0] = "changed"
		if got := f.byID("user", "u1")["tags"]; !sameValue(got, []string{"a"}) {
			f.Errorf("the stored value became %v", got)
		}
	})},
}
