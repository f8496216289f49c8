package storetest

import (
	"github.com/ostiary/ostiary/store"
)

var deleteCases = []testCase{
	{"removes and counts what matches", migrated(func(f *fixture) {
		f.ages(10)
		f.user("null", nil)
		for _, c := range []struct {
			w    store.Where
			want int64
		}{
			{store.Eq("id", "miss"), 0},
			{store.Eq("id", "0"), 1},
			{store.Eq("id", "0"), 0},
			{store.Or(store.Eq("id", "1"), store.Eq("id", "2")), 2},
			{store.And(store.Eq("id", "3"), store.Eq("age", 4)), 0},
			{store.Gt("age", 8), 1},
			{store.In("age", 3, 4), 2},
			{store.In[int]("age"), 0},
			{store.Or(), 0},
			{store.Eq("age", nil), 1},
		} {
			if n := f.delete("user", c.w); n != c.want {
				f.Errorf("%+v removed %d rows, want %d", c.w, n, c.want)
			}
		}
		f.matches("user", store.Where{}, "5", "6", "7", "8")
		f.gone("user", "0")
	})},
	{"every row with All, also beyond the default limit", migrated(func(f *fixture) {
		const n = store.DefaultLimit + 5
		f.ages(n)
		if got := f.delete("user", store.All()); got != n {
			f.Errorf("removed %d rows, want %d", got, n)
		}
		f.matches("user", store.Where{})
	})},
	{"by a field that is not unique", migrated(func(f *fixture) {
		f.user("a", store.Record{"role": "x", "active": true})
		f.user("b", store.Record{"role": "x", "active": false})
		f.user("c", store.Record{"role": "y", "active": true})
		if n := f.delete("user", store.Eq("role", "x")); n != 2 {
			f.Errorf("removed %d rows, want 2", n)
		}
		if n := f.delete("user", store.Eq("active", false)); n != 0 {
			f.Errorf("removed %d rows, want none", n)
		}
		f.matches("user", store.Where{}, "c")
	})},
	{"takes nothing for a wildcard", migrated(func(f *fixture) {
		f.user("plain", store.Record{"name": "abc"})
		f.user("star", store.Record{"name": "a.*c"})
		f.user("percent", store.Record{"name": "a%c"})
		for _, w := range []store.Where{
			store.HasPrefix("name", "a_"), store.HasSuffix("name", "%bc"), store.Contains("name", `\`), store.Eq("name", "%"),
		} {
			if n := f.delete("user", w); n != 0 {
				f.Errorf("%+v removed %d rows", w, n)
			}
		}
		if n := f.delete("user", store.HasPrefix("name", "a.*")); n != 1 {
			f.Errorf("removed %d rows, want 1", n)
		}
		if n := f.delete("user", store.Contains("name", "%")); n != 1 {
			f.Errorf("removed %d rows, want 1", n)
		}
		f.matches("user", store.Where{}, "plain")
	})},
	{"in a table of reserved names", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "group": "g", "order": 1})
		if n := f.delete("order", store.And(store.Eq("group", "g"), store.Gte("order", 1))); n != 1 {
			f.Errorf("removed %d rows, want 1", n)
		}
	})},
	{"a deleted id can be used again", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.delete("user", store.Eq("id", "u1"))
		f.create("user", fullUser("u1"))
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
}

var takeCases = []testCase{
	{"removes the row and returns it as it was", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.users("u2")
		got, err := f.store.Take(f.Context(), f.table("user"), store.Eq("email", "u1@example.com"))
		if err != nil {
			f.Fatalf("Take: %v", err)
		}
		f.equals(got, fullUser("u1"))
		f.matches("user", store.Where{}, "u2")
	})},
	{"is once only", migrated(func(f *fixture) {
		f.users("u1")
		users := f.table("user")
		if _, err := f.store.Take(f.Context(), users, store.Eq("id", "u1")); err != nil {
			f.Fatalf("Take: %v", err)
		}
		got, err := f.store.Take(f.Context(), users, store.Eq("id", "u1"))
		f.fails("the second Take", err, store.ErrNotFound)
		if got != nil {
			f.Errorf("got %v beside the error", got)
		}
	})},
	{"keeps the row when the condition does not hold", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 5})
		for what, w := range map[string]store.Where{
			"second condition": store.And(store.Eq("id", "u1"), store.Gt("age", 5)),
			"null":             store.And(store.Eq("id", "u1"), store.Eq("age", nil)),
			"empty list":       store.And(store.Eq("id", "u1"), store.In[string]("id")),
		} {
			_, err := f.store.Take(f.Context(), f.table("user"), w)
			f.fails(what, err, store.ErrNotFound)
		}
		f.matches("user", store.Where{}, "u1")
	})},
	{"one row of several", migrated(func(f *fixture) {
		f.ages(4)
		seen := map[string]bool{}
		for _, w := range []store.Where{store.Gte("age", 0), store.All(), store.Or(store.Eq("age", nil), store.Ne("age", nil)), store.HasSuffix("email", "example.com")} {
			got, err := f.store.Take(f.Context(), f.table("user"), w)
			if err != nil {
				f.Fatalf("Take: %v", err)
			}
			seen[got.String("id")] = true
			if n := f.count("user", store.Where{}); n != int64(4-len(seen)) {
				f.Fatalf("%d rows are left after %d were taken", n, len(seen))
			}
		}
	})},
	{"in a table of reserved names", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "group": "g", "order": 1, "key": "k"})
		got, err := f.store.Take(f.Context(), f.table("order"), store.And(store.Eq("group", "g"), store.Eq("key", "k")))
		if err != nil || got["order"] != int64(1) {
			f.Errorf("got %v, %v", got, err)
		}
	})},
	{"does with references what Delete does", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("session", newSession("s1", "u1", nil))
		f.create("invoice", store.Record{"id": "i1", "userId": "u2"})
		if _, err := f.store.Take(f.Context(), f.table("user"), store.Eq("id", "u1")); err != nil {
			f.Fatalf("Take: %v", err)
		}
		f.gone("session", "s1")
		_, err := f.store.Take(f.Context(), f.table("user"), store.Eq("id", "u2"))
		f.fails("Take of a row that an invoice holds", err, store.ErrReference)
		f.byID("user", "u2")
	})},
}
