package storetest

import (
	"fmt"

	"github.com/ostiary/ostiary/store"
)

var joinCases = []testCase{
	{"returns the row referred to", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.users("u2")
		session := f.create("session", newSession("s1", "u1", nil))
		f.create("session", newSession("s2", "u2", nil))

		want := session.Clone()
		want["user"] = fullUser("u1")
		q := store.Query{Where: store.Eq("token", "token-s1"), Join: []string{"userId"}}
		f.equals(f.findOne("session", q), want)
		got := f.nRows(1, "session", q)
		f.equals(got[0], want)
	})},
	{"without a join there is no row under the name", migrated(func(f *fixture) {
		f.users("u1")
		f.create("session", newSession("s1", "u1", nil))
		if got, ok := f.byID("session", "s1")["user"]; ok {
			f.Errorf("got %v", got)
		}
	})},
	{"is nil where there is none", migrated(func(f *fixture) {
		f.create("post", store.Record{"id": "p1"})
		for _, got := range []store.Record{
			f.findOne("post", store.Query{Join: []string{"authorId"}}),
			f.nRows(1, "post", store.Query{Join: []string{"authorId"}})[0],
		} {
			if joined, ok := got["author"]; joined != nil || !ok {
				f.Errorf("joined %#v (there: %v), want nil", joined, ok)
			}
		}
	})},
	{"tells a row of nulls from none", migrated(func(f *fixture) {
		f.create("post", store.Record{"id": "empty"})
		f.create("post", store.Record{"id": "child", "parentId": "empty"})
		got := f.findOne("post", store.Query{Where: store.Eq("id", "child"), Join: []string{"parentId"}})
		f.equals(got.Record("parent"), store.Record{"id": "empty", "name": nil, "authorId": nil, "editorId": nil, "parentId": nil})
	})},
	{"several at once, also of one table and of the table itself", migrated(func(f *fixture) {
		f.user("author", store.Record{"name": "a"})
		f.user("editor", store.Record{"name": "e"})
		f.create("post", store.Record{"id": "p1", "name": "parent"})
		f.create("post", store.Record{"id": "p2", "name": "post", "authorId": "author", "editorId": "editor", "parentId": "p1"})
		got := f.findOne("post", store.Query{Where: store.Eq("name", "post"), Join: []string{"authorId", "editorId", "parentId"}})
		for as, want := range map[string]string{"author": "a", "editor": "e", "parent": "parent"} {
			if name := got.Record(as).String("name"); name != want {
				f.Errorf("%s is named %q, want %q", as, name, want)
			}
		}
		if got["name"] != "post" || got["id"] != "p2" {
			f.Errorf("the row itself is %v", got)
		}
	})},
	{"along a field that is not the id, under the name given", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada"})
		f.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		got := f.findOne("badge", store.Query{Join: []string{"userHandle"}})
		if got.Record("holder").String("id") != "u1" {
			f.Errorf("got %v", got)
		}
	})},
	{"in a table of reserved names", migrated(func(f *fixture) {
		f.users("u1")
		f.create("order", store.Record{"id": "o1", "userId": "u1", "group": "g", "order": 1})
		got := f.findOne("order", store.Query{Where: store.Eq("group", "g"), Sort: []store.Sort{{Field: "order"}}, Join: []string{"userId"}})
		if got.Record("table").String("id") != "u1" {
			f.Errorf("got %v", got)
		}
	})},
	{"with selected fields", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.create("session", newSession("s1", "u1", nil))
		// Not even the reference field itself has to be selected.
		got := f.findOne("session", store.Query{Select: []string{"token"}, Join: []string{"userId"}})
		f.equals(got, store.Record{"token": "token-s1", "user": fullUser("u1")})
	})},
	{"with conditions and order on names that both tables have", migrated(func(f *fixture) {
		for i := range 5 {
			id := fmt.Sprint(i)
			f.user("u"+id, store.Record{"name": "user " + id})
			f.create("session", newSession("s"+id, "u"+id, store.Record{"name": fmt.Sprint("session ", 9-i)}))
		}
		q := store.Query{
			Where: store.And(store.HasPrefix("name", "session"), store.Ne("id", "s4")),
			Sort:  []store.Sort{{Field: "name"}, {Field: "id"}},
			Limit: 2, Offset: 1, Join: []string{"userId"},
		}
		f.inOrder("session", q, "s2", "s1")
		for _, got := range f.findMany("session", q) {
			if want := "u" + got.String("id")[1:]; got.Record("user").String("id") != want {
				f.Errorf("session %v joined user %v", got["id"], got["user"])
			}
		}
	})},
	{"limits rows of the table itself, and loses none", migrated(func(f *fixture) {
		f.users("u1", "u2")
		for i := range 6 {
			author := any("u1")
			if i%2 == 1 {
				author = nil
			}
			f.create("post", store.Record{"id": fmt.Sprint(i), "authorId": author})
		}
		q := store.Query{Sort: []store.Sort{{Field: "id"}}, Limit: 4, Offset: 1, Join: []string{"authorId"}}
		f.inOrder("post", q, "1", "2", "3", "4")
	})},
	{"does not share the joined record", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.create("session", newSession("s1", "u1", nil))
		q := store.Query{Join: []string{"userId"}}
		f.findOne("session", q).Record("user")["tags"].([]string)[0] = "changed"
		f.equals(f.findOne("session", q).Record("user"), fullUser("u1"))
	})},
}
