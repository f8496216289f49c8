package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/store"
)

var findOneCases = []testCase{
	{"by id, unique, indexed and plain fields", migrated(func(f *fixture) {
		full := fullUser("u1")
		f.create("user", full)
		f.users("u2")
		for _, name := range []string{"id", "email", "handle", "name", "role", "active", "age", "balance", "bornAt"} {
			f.equals(f.findOne("user", store.Query{Where: store.Eq(name, full[name])}), full)
		}
	})},
	{"misses with ErrNotFound", migrated(func(f *fixture) {
		f.users("u1")
		for what, q := range map[string]store.Query{
			"id":     {Where: store.Eq("id", "u2")},
			"null":   {Where: store.Eq("email", nil)},
			"offset": {Where: store.Eq("id", "u1"), Offset: 1},
			"none":   {Where: store.Or()},
		} {
			got, err := f.store.FindOne(f.Context(), f.table("user"), q)
			f.fails(what, err, store.ErrNotFound)
			if got != nil {
				f.Errorf("%s: got %v beside the error", what, got)
			}
		}
	})},
	{"the first in order, whatever the limit", migrated(func(f *fixture) {
		for i, id := range []string{"b", "c", "a"} {
			f.user(id, store.Record{"age": i})
		}
		for _, c := range []struct {
			q    store.Query
			want string
		}{
			{store.Query{Sort: []store.Sort{{Field: "id"}}}, "a"},
			{store.Query{Sort: []store.Sort{{Field: "age", Desc: true}}}, "a"},
			{store.Query{Sort: []store.Sort{{Field: "id"}}, Offset: 1}, "b"},
			{store.Query{Sort: []store.Sort{{Field: "id"}}, Limit: 2, Offset: 2}, "c"},
			{store.Query{Sort: []store.Sort{{Field: "id"}}, Limit: store.NoLimit}, "a"},
		} {
			if got := f.findOne("user", c.q); got["id"] != c.want {
				f.Errorf("%+v: got %v, want %s", c.q, got["id"], c.want)
			}
		}
	})},
	{"any row without a condition", migrated(func(f *fixture) {
		f.users("u1")
		if got := f.findOne("user", store.Query{}); got["id"] != "u1" {
			f.Errorf("got %v", got)
		}
	})},
	{"selects exactly the named fields", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.users("u2")
		for _, c := range []struct {
			fields []string
			want   store.Record
		}{
			{[]string{"email"}, store.Record{"email": "u1@example.com"}},
			{[]string{"age", "id"}, store.Record{"age": int64(36), "id": "u1"}},
			{[]string{"name", "name"}, store.Record{"name": "Ada Lovelace"}},
		} {
			f.equals(f.findOne("user", store.Query{Where: store.Eq("id", "u1"), Select: c.fields}), c.want)
		}
		f.equals(f.findOne("user", store.Query{Where: store.Eq("id", "u2"), Select: []string{"name", "tags"}}), store.Record{"name": nil, "tags": nil})
	})},
	{"reserved names", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "key": "k", "order": 3, "group": "g", "select": true})
		f.create("order", store.Record{"id": "2", "key": "l", "order": 2, "group": "g"})
		q := store.Query{Where: store.And(store.Eq("group", "g"), store.Gt("order", 0)), Sort: []store.Sort{{Field: "order"}, {Field: "key"}}, Select: []string{"key", "order", "from"}}
		f.equals(f.findOne("order", q), store.Record{"key": "l", "order": int64(2), "from": nil})
		f.matches("order", store.Eq("select", true), "1")
		f.matches("order", store.Eq("default", nil), "1", "2")
	})},
	{"at any size of row", migrated(func(f *fixture) {
		want := fullUser("u1")
		want["name"] = hostileTexts[len(hostileTexts)-1]
		f.create("user", want)
		f.equals(f.byID("user", "u1"), want)
	})},
}

// ages inserts users "0" to "n-1", each as old as its id.
func (f *fixture) ages(n int) {
	f.Helper()
	f.inserted("user", n, func(i int) store.Record { return newUser(fmt.Sprint(i), store.Record{"age": i}) })
}

var byAge = []store.Sort{{Field: "age"}}

var findManyCases = []testCase{
	{"all rows", migrated(func(f *fixture) {
		f.users("a", "b", "c")
		f.matches("user", store.Where{}, "a", "b", "c")
		f.matches("user", store.All(), "a", "b", "c")
	})},
	{"none is empty and no error", migrated(func(f *fixture) {
		for _, q := range []store.Query{{}, {Where: store.Eq("id", "x")}, {Sort: byAge, Offset: 3, Limit: 2}} {
			if got := f.findMany("user", q); len(got) != 0 {
				f.Errorf("got %v", got)
			}
		}
	})},
	{"at most the default limit", migrated(func(f *fixture) {
		f.ages(store.DefaultLimit + 5)
		for _, c := range []struct {
			q    store.Query
			want int
		}{
			{store.Query{}, store.DefaultLimit},
			{store.Query{Offset: 3}, store.DefaultLimit},
			{store.Query{Offset: 10}, store.DefaultLimit - 5},
			{store.Query{Sort: byAge}, store.DefaultLimit},
			{store.Query{Limit: store.DefaultLimit + 1}, store.DefaultLimit + 1},
			{store.Query{Limit: 10_000}, store.DefaultLimit + 5},
			{store.Query{Limit: store.NoLimit}, store.DefaultLimit + 5},
			{store.Query{Limit: store.NoLimit, Offset: 4}, store.DefaultLimit + 1},
			{store.Query{Limit: store.NoLimit, Offset: 10_000}, 0},
		} {
			if got := f.findMany("user", c.q); len(got) != c.want {
				f.Errorf("limit %d offset %d: %d rows, want %d", c.q.Limit, c.q.Offset, len(got), c.want)
			}
		}
		if n := f.count("user", store.Where{}); n != store.DefaultLimit+5 {
			f.Errorf("Count is %d: it has no limit", n)
		}
	})},
	{"pages in order", migrated(func(f *fixture) {
		f.ages(6)
		f.inOrder("user", store.Query{Sort: byAge}, "0", "1", "2", "3", "4", "5")
		f.inOrder("user", store.Query{Sort: byAge, Limit: 2}, "0", "1")
		f.inOrder("user", store.Query{Sort: byAge, Offset: 4}, "4", "5")
		f.inOrder("user", store.Query{Sort: byAge, Limit: 2, Offset: 2}, "2", "3")
		f.inOrder("user", store.Query{Sort: byAge, Limit: 2, Offset: 5}, "5")
		f.inOrder("user", store.Query{Sort: byAge, Limit: 2, Offset: 6})
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "age", Desc: true}}, Limit: 2, Offset: 1}, "4", "3")
	})},
	{"filters, sorts, skips and limits, in this order", migrated(func(f *fixture) {
		f.ages(8)
		q := store.Query{Where: store.In("age", 7, 1, 5, 3), Sort: []store.Sort{{Field: "age", Desc: true}}, Offset: 1, Limit: 2}
		f.inOrder("user", q, "5", "3")
		q.Select = []string{"id"}
		f.inOrder("user", q, "5", "3")
		q.Select = []string{"name"} // neither the sorted nor the filtered field
		if got := f.findMany("user", q); len(got) != 2 || len(differences(got[0], store.Record{"name": nil})) > 0 {
			f.Errorf("selecting another field than the sorted one: %v", got)
		}
	})},
	{"selects exactly the named fields", migrated(func(f *fixture) {
		f.users("u1", "u2")
		got := f.nRows(2, "user", store.Query{Where: store.In("id", "u1", "u2"), Sort: []store.Sort{{Field: "email"}}, Select: []string{"email", "role"}})
		f.equals(got[0], store.Record{"email": "u1@example.com", "role": nil})
		f.equals(got[1], store.Record{"email": "u2@example.com", "role": nil})
	})},
	{"sorts nulls first and last descending", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000000)
		f.user("null", nil)
		f.user("low", store.Record{"name": "a", "age": -5, "balance": -0.5, "active": false, "bornAt": at})
		f.user("high", store.Record{"name": "b", "age": 40, "balance": 1e9, "active": true, "bornAt": at.Add(time.Millisecond)})
		for _, field := range []string{"name", "age", "balance", "active", "bornAt"} {
			f.inOrder("user", store.Query{Sort: []store.Sort{{Field: field}}}, "null", "low", "high")
			f.inOrder("user", store.Query{Sort: []store.Sort{{Field: field, Desc: true}}}, "high", "low", "null")
			f.inOrder("user", store.Query{Sort: []store.Sort{{Field: field}}, Limit: 1}, "null")
			f.inOrder("user", store.Query{Sort: []store.Sort{{Field: field, Desc: true}}, Limit: 1, Offset: 2}, "null")
		}
	})},
	{"sorts numbers as numbers", migrated(func(f *fixture) {
		for id, n := range map[string]int{"a": 10, "b": 9, "c": -1, "d": 100, "e": -20} {
			f.user(id, store.Record{"age": n, "balance": float64(n) / 4})
		}
		f.inOrder("user", store.Query{Sort: byAge}, "e", "c", "b", "a", "d")
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "balance"}}}, "e", "c", "b", "a", "d")
	})},
	{"sorts times as instants", migrated(func(f *fixture) {
		east := time.FixedZone("east", 12*3600)
		f.user("third", store.Record{"bornAt": time.Date(2024, 1, 1, 0, 0, 0, 10e6, time.UTC)})
		f.user("second", store.Record{"bornAt": time.Date(2024, 1, 1, 12, 0, 0, 9e6, east)})
		f.user("first", store.Record{"bornAt": time.Date(1815, 1, 1, 0, 0, 0, 0, time.UTC)})
		f.user("last", store.Record{"bornAt": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "bornAt"}}}, "first", "second", "third", "last")
	})},
	{"sorts text by its bytes", migrated(func(f *fixture) {
		// In UTF-8, not in UTF-16 or by a language's rules.
		want := []string{"", " ", "-a", "1", "10", "2", "A", "B", "Z", "_a", "a", "aB", "a_", "ab", "b", "z", "é", "ﬀ", "😀"}
		for i := range want {
			id := (i * 7) % len(want) // not in the order expected
			f.user(fmt.Sprint(id), store.Record{"name": want[id]})
		}
		ids := make([]string, len(want))
		for i := range ids {
			ids[i] = fmt.Sprint(i)
		}
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "name"}}}, ids...)
		slices.Reverse(ids)
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "name", Desc: true}}}, ids...)
	})},
	{"sorts by several fields", migrated(func(f *fixture) {
		for id, r := range map[string]store.Record{
			"a": {"role": "x", "age": 1}, "b": {"role": "x", "age": 2}, "c": {"role": "y", "age": 1}, "d": {"role": "y"}, "e": {"age": 1}, "f": {"age": 2},
		} {
			f.user(id, r)
		}
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "role"}, {Field: "age", Desc: true}}}, "f", "e", "b", "a", "c", "d")
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "role", Desc: true}, {Field: "age"}}}, "d", "c", "a", "b", "e", "f")
		f.inOrder("user", store.Query{Sort: []store.Sort{{Field: "age"}, {Field: "id", Desc: true}}}, "d", "e", "c", "a", "f", "b")
	})},
}

var countCases = []testCase{
	{"all, some and none", migrated(func(f *fixture) {
		if n := f.count("user", store.Where{}); n != 0 {
			f.Errorf("an empty table counts %d", n)
		}
		f.ages(15)
		for want, w := range map[int64]store.Where{
			15: {},
			0:  store.Or(),
			1:  store.Eq("id", "3"),
			2:  store.Or(store.Eq("id", "3"), store.Eq("age", 4)),
			5:  store.Lt("age", 5),
			14: store.Ne("age", 5),
		} {
			if n := f.count("user", w); n != want {
				f.Errorf("%+v counts %d, want %d", w, n, want)
			}
		}
		if n := f.count("user", store.All()); n != 15 {
			f.Errorf("All counts %d, want 15", n)
		}
	})},
	{"another table is not counted", migrated(func(f *fixture) {
		f.users("u1", "u2")
		if n := f.count("session", store.Where{}); n != 0 {
			f.Errorf("%d sessions among users", n)
		}
	})},
}
