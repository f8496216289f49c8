package storetest

import (
	"github.com/ostiary/ostiary/store"
)

var referenceCases = []testCase{
	{"to a missing row is refused", migrated(func(f *fixture) {
		f.users("u1")
		f.create("session", newSession("s1", "u1", nil))
		_, err := f.store.Create(f.Context(), f.table("session"), newSession("s2", "nobody", nil))
		f.fails("Create", err, store.ErrReference)
		_, err = f.store.Update(f.Context(), f.table("session"), store.Eq("id", "s1"), store.Record{"userId": "nobody", "name": "x"})
		f.fails("Update", err, store.ErrReference)
		_, err = f.store.Add(f.Context(), f.table("session"), store.Eq("id", "s1"), deltas{"hits": 1}, store.Record{"userId": "nobody"})
		f.fails("Add", err, store.ErrReference)
		_, err = f.store.Create(f.Context(), f.table("badge"), store.Record{"id": "b1", "userHandle": "u1"})
		f.fails("Create by another field than the id", err, store.ErrReference)

		f.gone("session", "s2")
		if got := f.byID("session", "s1"); got["userId"] != "u1" || got["name"] != nil || got["hits"] != nil {
			f.Errorf("the row became %v", got)
		}
	})},
	{"of null is none", migrated(func(f *fixture) {
		f.create("post", store.Record{"id": "p1", "authorId": nil})
		f.create("badge", store.Record{"id": "b1"})
	})},
	{"to the row itself", migrated(func(f *fixture) {
		f.create("post", store.Record{"id": "p1", "parentId": "p1"})
		if n := f.delete("post", store.Eq("id", "p1")); n != 1 {
			f.Errorf("removed %d rows, want 1", n)
		}
		f.gone("post", "p1")
	})},
	{"cascades, over several tables and levels", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "one"})
		f.user("u2", store.Record{"handle": "two"})
		for _, u := range []string{"u1", "u2"} {
			f.create("session", newSession("s1"+u, u, nil))
			f.create("session", newSession("s2"+u, u, nil))
			f.create("account", store.Record{"id": "a" + u, "userId": u})
			f.create("order", store.Record{"id": "o" + u, "userId": u})
			f.create("post", store.Record{"id": "p1" + u, "authorId": u})
			f.create("post", store.Record{"id": "p2" + u, "parentId": "p1" + u})
			f.create("post", store.Record{"id": "p3" + u, "parentId": "p2" + u})
		}
		f.create("badge", store.Record{"id": "b1", "userHandle": "one"})
		f.create("badge", store.Record{"id": "b2", "userHandle": "two"})

		if n := f.delete("user", store.Eq("id", "u1")); n != 1 {
			f.Errorf("Delete counts %d rows, want 1: not those that went with it", n)
		}
		f.matches("session", store.Where{}, "s1u2", "s2u2")
		f.matches("account", store.Where{}, "au2")
		f.matches("order", store.Where{}, "ou2")
		f.matches("post", store.Where{}, "p1u2", "p2u2", "p3u2")
		f.matches("badge", store.Where{}, "b2")
	})},
	{"between rows that one call deletes", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("post", store.Record{"id": "p1", "authorId": "u1"})
		f.create("post", store.Record{"id": "p2", "authorId": "u1", "parentId": "p1", "editorId": "u1"})
		f.create("post", store.Record{"id": "p3", "authorId": "u2", "parentId": "p2", "editorId": "u1"})
		f.create("post", store.Record{"id": "p4", "authorId": "u2", "editorId": "u2"})
		f.update("post", store.Eq("id", "p1"), store.Record{"parentId": "p3"}) // a circle
		if n := f.delete("user", store.In("id", "u1", "u2")); n != 2 {
			f.Errorf("Delete counts %d rows, want 2", n)
		}
		f.matches("post", store.Where{})
		f.matches("user", store.Where{})
	})},
	{"sets null", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("post", store.Record{"id": "p1", "editorId": "u1", "name": "kept", "authorId": "u2"})
		f.create("post", store.Record{"id": "p2", "editorId": "u2"})
		f.delete("user", store.Eq("id", "u1"))
		f.equals(f.byID("post", "p1"), store.Record{"id": "p1", "name": "kept", "authorId": "u2", "editorId": nil, "parentId": nil})
		if got := f.byID("post", "p2"); got["editorId"] != "u2" {
			f.Errorf("the other post's editor is %v", got["editorId"])
		}
	})},
	{"restricts, and then nothing goes", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("invoice", store.Record{"id": "i1", "userId": "u1"})
		f.create("session", newSession("s1", "u1", nil))
		f.create("session", newSession("s2", "u2", nil))
		_, err := f.store.Delete(f.Context(), f.table("user"), store.All())
		f.fails("Delete", err, store.ErrReference)
		f.matches("user", store.Where{}, "u1", "u2")
		f.matches("session", store.Where{}, "s1", "s2")

		f.delete("invoice", store.Eq("id", "i1"))
		if n := f.delete("user", store.All()); n != 2 {
			f.Errorf("removed %d rows, want 2", n)
		}
	})},
	{"keeps the value it points to", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada"})
		f.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		_, err := f.store.Update(f.Context(), f.table("user"), store.Eq("id", "u1"), store.Record{"handle": "eve"})
		f.fails("Update of a value that a row refers to", err, store.ErrReference)
		if n := f.update("user", store.Eq("id", "u1"), store.Record{"handle": "ada", "name": "x"}); n != 1 {
			f.Errorf("matched %d rows, want 1", n)
		}
		f.delete("badge", store.All())
		f.update("user", store.Eq("id", "u1"), store.Record{"handle": "eve"})
	})},
	{"is moved by an update", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("session", newSession("s1", "u1", nil))
		f.update("session", store.Eq("id", "s1"), store.Record{"userId": "u2"})
		f.delete("user", store.Eq("id", "u1"))
		f.byID("session", "s1")
		f.delete("user", store.Eq("id", "u2"))
		f.gone("session", "s1")
	})},
}
