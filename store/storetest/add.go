package storetest

import (
	"math"
	"time"

	"github.com/ostiary/ostiary/store"
)

type deltas = map[string]int64

var addCases = []testCase{
	{"adds and returns the row as it is then", migrated(func(f *fixture) {
		f.users("other")
		want := fullUser("u1")
		f.create("user", want)
		want["age"] = int64(40)
		f.equals(f.add("user", store.Eq("id", "u1"), deltas{"age": 4}, nil), want)
		f.equals(f.byID("user", "u1"), want)
		want["age"] = int64(-10)
		f.equals(f.add("user", store.Eq("id", "u1"), deltas{"age": -50}, nil), want)
		want["balance"] = 1816.125
		f.equals(f.add("user", store.Eq("id", "u1"), deltas{"balance": 1, "age": 0}, nil), want)
		f.equals(f.byID("user", "u1"), want)
		if got := f.byID("user", "other")["age"]; got != nil {
			f.Errorf("the other row's age became %v", got)
		}
	})},
	{"null counts as zero", migrated(func(f *fixture) {
		f.users("u1")
		got := f.add("user", store.Eq("id", "u1"), deltas{"age": 3, "balance": -2}, nil)
		if got["age"] != int64(3) || got["balance"] != -2.0 {
			f.Errorf("got %v and %v, want 3 and -2", got["age"], got["balance"])
		}
	})},
	{"is exact up to the ends", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": int64(math.MaxInt64 - 1)})
		if got := f.add("user", store.Eq("id", "u1"), deltas{"age": 1}, nil)["age"]; got != int64(math.MaxInt64) {
			f.Errorf("got %v", got)
		}
		f.update("user", store.Eq("id", "u1"), store.Record{"age": 1<<53 + 1})
		if got := f.add("user", store.Eq("id", "u1"), deltas{"age": 2}, nil)["age"]; got != int64(1<<53+3) {
			f.Errorf("got %v", got)
		}
	})},
	{"assigns beside it", migrated(func(f *fixture) {
		want := fullUser("u1")
		f.create("user", want)
		at := time.UnixMilli(1700000000123).UTC()
		want["age"], want["bornAt"], want["name"], want["tags"] = int64(37), at, nil, []string{}
		got := f.add("user", store.Eq("id", "u1"), deltas{"age": 1}, store.Record{"bornAt": at, "name": nil, "tags": []string{}})
		f.equals(got, want)
		f.equals(f.byID("user", "u1"), want)
	})},
	{"without numbers is a compare-and-set", migrated(func(f *fixture) {
		f.user("u1", store.Record{"role": "pending"})
		pending := store.And(store.Eq("id", "u1"), store.Eq("role", "pending"))
		if got := f.add("user", pending, nil, store.Record{"role": "done"}); got["role"] != "done" {
			f.Errorf("got %v", got)
		}
		got, err := f.store.Add(f.Context(), f.table("user"), pending, deltas{}, store.Record{"role": "again"})
		f.fails("a guard that no longer holds", err, store.ErrNotFound)
		if got != nil {
			f.Errorf("got %v beside the error", got)
		}
		if got := f.byID("user", "u1"); got["role"] != "done" {
			f.Errorf("role is %v", got["role"])
		}
	})},
	{"changes nothing when the guard does not hold", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 3})
		for what, w := range map[string]store.Where{
			"limit reached": store.And(store.Eq("id", "u1"), store.Lt("age", 3)),
			"no row":        store.Eq("id", "u2"),
			"null":          store.And(store.Eq("id", "u1"), store.Eq("age", nil)),
			"none":          store.Or(),
		} {
			_, err := f.store.Add(f.Context(), f.table("user"), w, deltas{"age": 1}, store.Record{"name": "x"})
			f.fails(what, err, store.ErrNotFound)
		}
		if got := f.byID("user", "u1"); got["age"] != int64(3) || got["name"] != nil {
			f.Errorf("the row became %v", got)
		}
	})},
	{"guards up to the limit", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 0})
		w := store.And(store.Eq("id", "u1"), store.Lt("age", 3))
		for want := int64(1); want <= 3; want++ {
			if got := f.add("user", w, deltas{"age": 1}, nil); got["age"] != want {
				f.Errorf("got %v, want %d", got["age"], want)
			}
		}
		_, err := f.store.Add(f.Context(), f.table("user"), w, deltas{"age": 1}, nil)
		f.fails("the fourth", err, store.ErrNotFound)
	})},
	{"changes one row of several", migrated(func(f *fixture) {
		for _, id := range []string{"a", "b", "c"} {
			f.user(id, store.Record{"role": "x", "age": 0})
		}
		got := f.add("user", store.Eq("role", "x"), deltas{"age": 1}, nil)
		f.matches("user", store.Eq("age", 1), got.String("id"))
		f.add("user", store.All(), nil, store.Record{"name": "set"})
		if n := f.count("user", store.Eq("name", "set")); n != 1 {
			f.Errorf("%d rows were set, want 1", n)
		}
	})},
	{"of the fields in the guard", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 1, "role": "x"})
		w := store.And(store.Eq("age", 1), store.Eq("role", "x"))
		got := f.add("user", w, deltas{"age": 1}, store.Record{"role": "y", "email": "new@example.com"})
		if got["age"] != int64(2) || got["role"] != "y" || got["id"] != "u1" {
			f.Errorf("got %v", got)
		}
		f.matches("user", w)
	})},
	{"of a unique and of a reserved name", migrated(func(f *fixture) {
		f.create("order", store.Record{"id": "1", "group": "g", "order": 1, "key": "k"})
		got := f.add("order", store.And(store.Eq("group", "g"), store.Lt("order", 5)), deltas{"order": 2}, store.Record{"key": "l", "select": true})
		if got["order"] != int64(3) || got["key"] != "l" || got["select"] != true {
			f.Errorf("got %v", got)
		}
	})},
	{"refuses what the constraints refuse", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 1})
		f.users("u2")
		f.create("order", store.Record{"id": "1", "group": "g", "order": 1})
		f.create("order", store.Record{"id": "2", "group": "g", "order": 2})
		one := store.Eq("id", "u1")

		_, err := f.store.Add(f.Context(), f.table("user"), one, deltas{"age": 1}, store.Record{"email": "u2@example.com"})
		f.duplicates("a taken email", err, "user", "email")
		_, err = f.store.Add(f.Context(), f.table("order"), store.Eq("id", "1"), deltas{"order": 1}, nil)
		f.duplicates("a taken sum", err, "order", "group", "order")
		_, err = f.store.Add(f.Context(), f.table("user"), one, deltas{"age": 1}, store.Record{"email": nil})
		f.fails("null email", err, store.ErrInvalid)
		_, err = f.store.Add(f.Context(), f.table("order"), store.Eq("id", "1"), deltas{"order": 5}, store.Record{"userId": "nobody"})
		f.fails("a missing user", err, store.ErrReference)

		if got := f.byID("user", "u1"); got["age"] != int64(1) || got["email"] != "u1@example.com" {
			f.Errorf("the row became %v", got)
		}
		f.matches("order", store.Eq("order", 1), "1")
	})},
}
