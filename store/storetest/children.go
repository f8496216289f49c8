package storetest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

func children(c ...store.Children) []store.Children { return c }

var (
	withSessions = store.Children{Table: "session"}
	withAccounts = store.Children{Table: "account"}
	withProfile  = store.Children{Table: "profile", Field: "userId"}
)

var byID = []store.Sort{{Field: "id"}}

// family inserts the user with n sessions and n accounts, whose ids begin with
// the user's: two characters at most.
func (f *fixture) family(id string, n int, fields store.Record) {
	f.Helper()
	f.user(id, fields)
	for i := range n {
		f.create("session", newSession(fmt.Sprint(id, "s", i), id, store.Record{"name": id + " session", "hits": i}))
		f.create("account", store.Record{"id": fmt.Sprint(id, "a", i), "userId": id, "providerId": "p", "accountId": fmt.Sprint(id, i)})
	}
}

// joins fails unless the record has, under the name, a list of the rows with
// these ids, so ordered.
func (f *fixture) joins(r store.Record, as string, ids ...string) {
	f.Helper()
	rows, ok := r[as].([]store.Record)
	if !ok || rows == nil {
		f.Errorf("%s of %v is %T, want a list that is not nil", as, r["id"], r[as])
		return
	}
	if got := idsOf(rows); fmt.Sprint(got) != fmt.Sprint(ids) {
		f.Errorf("%s of %v is %q, want %q", as, r["id"], got, ids)
	}
}

// child returns the row at that place of the list under the name.
func (f *fixture) child(r store.Record, as string, at int) store.Record {
	f.Helper()
	rows := r.Records(as)
	if at >= len(rows) {
		f.Fatalf("%s of %v has %d rows, want more than %d", as, r["id"], len(rows), at)
	}
	return rows[at]
}

// fullProfile has a value in every field: the ones that are hard to keep.
func fullProfile(id, userID string) store.Record {
	return store.Record{
		"id": id, "userId": userID, "referrerId": userID, "bio": "\"'\\\n\t,{}[]<>&\u2028 😀 é null",
		"visible": true, "score": int64(1<<53 + 1), "weight": 0.1,
		"seenAt":   time.Date(1815, 12, 10, 4, 5, 6, 7e6, time.UTC),
		"settings": json.RawMessage(`{"a":[1,9007199254740993,"\"",null,true],"b":{}}`),
		"links":    []string{"", "b", "a,\"c\"", `\`, "null"},
	}
}

var childrenCases = []testCase{
	{"returns the rows that refer to the row", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		f.users("u2")
		at := time.UnixMilli(1700000000123).UTC()
		first := f.create("session", newSession("s1", "u1", store.Record{"expiresAt": at, "hits": -1}))
		f.create("session", newSession("s2", "u2", nil))
		third := f.create("session", newSession("s3", "u1", nil))

		want := fullUser("u1")
		want["session"] = []store.Record{first, third}
		q := store.Query{Where: store.Eq("email", "u1@example.com"), Children: children(withSessions)}
		f.equals(f.findOne("user", q), want)
		got := f.nRows(1, "user", q)
		f.equals(got[0], want)
		if got, ok := f.byID("user", "u1")["session"]; ok {
			f.Errorf("without being asked for: %v", got)
		}
	})},
	{"is empty where none do, and there is no row without a parent", migrated(func(f *fixture) {
		q := store.Query{Children: children(withSessions, withAccounts, withProfile)}
		if got := f.findMany("user", q); len(got) != 0 {
			f.Errorf("got %v", got)
		}
		_, err := f.store.FindOne(f.Context(), f.table("user"), q)
		f.fails("FindOne", err, store.ErrNotFound)

		f.users("u1")
		for _, got := range []store.Record{f.findOne("user", q), f.nRows(1, "user", q)[0]} {
			f.joins(got, "session")
			f.joins(got, "account")
		}
	})},
	{"a unique reference gives one row or nil", migrated(func(f *fixture) {
		f.users("u1", "u2", "u3")
		f.create("profile", store.Record{"id": "p1", "userId": "u1"})
		f.create("profile", store.Record{"id": "p3", "userId": "u3"})
		f.create("profile", store.Record{"id": "decoy"})
		rows := f.nRows(3, "user", store.Query{Sort: byID, Children: children(withProfile)})
		for i, want := range []string{"p1", "", "p3"} {
			got, ok := rows[i]["profile"]
			switch p, isRow := got.(store.Record); {
			case want != "" && (!isRow || p["id"] != want):
				f.Errorf("the profile of %v is %#v, want %s", rows[i]["id"], got, want)
			case want == "" && (!ok || got != nil):
				f.Errorf("the profile of %v is %#v (there: %v), want nil", rows[i]["id"], got, ok)
			}
		}
		if got := f.findOne("user", store.Query{Where: store.Eq("id", "u3"), Children: children(withProfile)}); got.Record("profile")["id"] != "p3" {
			f.Errorf("FindOne gave %v", got["profile"])
		}
	})},
	{"keeps every value as it is", migrated(func(f *fixture) {
		f.users("u1")
		full := fullProfile("full", "u1")
		null := store.Record{
			"id": "null", "userId": nil, "referrerId": "u1", "bio": nil, "visible": nil, "score": nil,
			"weight": nil, "seenAt": nil, "settings": nil, "links": nil,
		}
		zero := store.Record{
			"id": "zero", "userId": nil, "referrerId": "u1", "bio": "", "visible": false, "score": int64(0),
			"weight": 0.0, "seenAt": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "settings": json.RawMessage(`null`), "links": []string{},
		}
		ends := store.Record{
			"id": "ends", "userId": nil, "referrerId": "u1", "bio": " trailing ", "visible": false, "score": int64(math.MinInt64),
			"weight": math.MaxFloat64, "seenAt": time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
			"settings": json.RawMessage(`"text"`), "links": []string{""},
		}
		for _, r := range []store.Record{full, null, zero, ends} {
			f.create("profile", r)
		}
		got := f.findOne("user", store.Query{Children: children(
			withProfile,
			store.Children{Table: "profile", Field: "referrerId", As: "referred"},
		)})
		f.equals(got.Record("profile"), full)
		f.joins(got, "referred", "ends", "full", "null", "zero")
		for i, want := range []store.Record{ends, full, null, zero} {
			f.equals(f.child(got, "referred", i), want)
		}
	})},
	{"keeps text byte for byte and long lists whole", migrated(func(f *fixture) {
		f.users("u1")
		for i, text := range hostileTexts {
			f.create("profile", store.Record{"id": fmt.Sprintf("%04d", i), "referrerId": "u1", "bio": text})
		}
		got := f.findOne("user", store.Query{Children: children(
			store.Children{Table: "profile", Field: "referrerId", As: "referred", Limit: store.NoLimit},
		)}).Records("referred")
		if len(got) != len(hostileTexts) {
			f.Fatalf("%d rows, want %d", len(got), len(hostileTexts))
		}
		for i, text := range hostileTexts {
			if got[i]["bio"] != text {
				f.Errorf("%.40q was read as %.40q", text, got[i]["bio"])
			}
		}
	})},
	{"several at once lose and repeat nothing", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada"})
		f.users("u2")
		for _, id := range []string{"s1", "s2", "s3"} {
			f.create("session", newSession(id, "u1", nil))
		}
		for _, id := range []string{"a1", "a2"} {
			f.create("account", store.Record{"id": id, "userId": "u1"})
		}
		f.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		f.create("profile", store.Record{"id": "p1", "userId": "u1"})
		q := store.Query{Sort: byID, Children: children(
			withSessions, withAccounts, withProfile,
			store.Children{Table: "badge"}, store.Children{Table: "order"}, store.Children{Table: "invoice"},
		)}
		rows := f.nRows(2, "user", q)
		f.joins(rows[0], "session", "s1", "s2", "s3")
		f.joins(rows[0], "account", "a1", "a2")
		f.joins(rows[0], "badge", "b1")
		f.joins(rows[0], "order")
		f.joins(rows[0], "invoice")
		if rows[0].Record("profile")["id"] != "p1" || rows[1]["profile"] != nil {
			f.Errorf("the profiles are %v and %v", rows[0]["profile"], rows[1]["profile"])
		}
		for _, as := range []string{"session", "account", "badge", "order", "invoice"} {
			f.joins(rows[1], as)
		}
	})},
	{"every combination of some and none", migrated(func(f *fixture) {
		for i, id := range []string{"u0", "u1", "u2", "u3"} {
			f.users(id)
			if i&1 != 0 {
				f.create("session", newSession("s"+id, id, nil))
			}
			if i&2 != 0 {
				f.create("profile", store.Record{"id": "p" + id, "userId": id})
			}
		}
		for i, got := range f.nRows(4, "user", store.Query{Sort: byID, Children: children(withSessions, withProfile)}) {
			var sessions []string
			if i&1 != 0 {
				sessions = []string{"s" + got.String("id")}
			}
			f.joins(got, "session", sessions...)
			if has := got["profile"] != nil; has != (i&2 != 0) {
				f.Errorf("the profile of %v is %v", got["id"], got["profile"])
			}
		}
	})},
	{"limits are for each parent", migrated(func(f *fixture) {
		for _, id := range []string{"u1", "u2", "u3", "u4", "u5"} {
			f.family(id, 4, nil)
		}
		sessions := store.Children{Table: "session", Sort: []store.Sort{{Field: "hits", Desc: true}}, Limit: 2}
		accounts := store.Children{Table: "account", Limit: 3}
		rows := f.nRows(5, "user", store.Query{Sort: byID, Children: children(sessions, accounts)})
		for _, r := range rows {
			id := r.String("id")
			f.joins(r, "session", id+"s3", id+"s2")
			f.joins(r, "account", id+"a0", id+"a1", id+"a2")
		}
		one := f.findOne("user", store.Query{Where: store.Eq("id", "u3"), Children: children(store.Children{Table: "session", Limit: 1})})
		f.joins(one, "session", "u3s0")
	})},
	{"limit and offset of the query are of the parents", migrated(func(f *fixture) {
		for _, id := range []string{"u1", "u2", "u3", "u4", "u5"} {
			f.family(id, 3, nil)
		}
		for _, c := range []struct {
			q    store.Query
			want []string
		}{
			{store.Query{Limit: 2}, ids("u1", "u2")},
			{store.Query{Offset: 2}, ids("u3", "u4", "u5")},
			{store.Query{Limit: 2, Offset: 2}, ids("u3", "u4")},
			{store.Query{Limit: 2, Offset: 5}, ids()},
			{store.Query{Limit: 3, Offset: 1, Where: store.Ne("id", "u3")}, ids("u2", "u4", "u5")},
		} {
			c.q.Sort = byID
			for _, limit := range []int{0, 2} {
				c.q.Children = children(store.Children{Table: "session", Limit: limit}, withAccounts)
				f.inOrder("user", c.q, c.want...)
				for _, r := range f.findMany("user", c.q) {
					id := r.String("id")
					sessions := []string{id + "s0", id + "s1", id + "s2"}
					if limit > 0 {
						sessions = sessions[:limit]
					}
					f.joins(r, "session", sessions...)
					f.joins(r, "account", id+"a0", id+"a1", id+"a2")
				}
			}
		}
	})},
	{"at most the default limit", migrated(func(f *fixture) {
		const n = store.DefaultLimit + 5
		f.users("u1", "u2")
		f.inserted("session", n, func(i int) store.Record { return newSession(fmt.Sprintf("%04d", i), "u1", nil) })
		for limit, want := range map[int]int{0: store.DefaultLimit, n - 1: n - 1, store.NoLimit: n, n * 2: n} {
			c := withSessions
			c.Limit = limit
			rows := f.nRows(2, "user", store.Query{Sort: byID, Children: children(c)})
			if got := rows[0].Records("session"); len(got) != want {
				f.Errorf("limit %d: %d rows, want %d", limit, len(got), want)
			}
			f.joins(rows[1], "session")
		}
	})},
	{"of more parents than the default limit", migrated(func(f *fixture) {
		const n = store.DefaultLimit + 5
		f.ages(n)
		f.inserted("session", n, func(i int) store.Record { return newSession(fmt.Sprint("s", i), fmt.Sprint(i), nil) })
		rows := f.nRows(n, "user", store.Query{Sort: byAge, Limit: store.NoLimit, Children: children(withSessions)})
		for i, r := range rows {
			f.joins(r, "session", fmt.Sprint("s", i))
		}
	})},
	{"come by id, or sorted as asked", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000000)
		f.users("u1", "u2")
		for id, r := range map[string]store.Record{
			"c": {"hits": 9, "name": "x", "expiresAt": at},
			"a": {"hits": 10, "name": "x", "expiresAt": at.Add(time.Millisecond)},
			"d": {"hits": -1, "name": "y", "expiresAt": at.Add(-time.Hour)},
			"b": {"name": "Y"},
		} {
			f.create("session", newSession(id, "u1", r))
		}
		f.create("session", newSession("other", "u2", nil))
		for _, c := range []struct {
			sort []store.Sort
			want []string
		}{
			{nil, ids("a", "b", "c", "d")},
			{[]store.Sort{{Field: "id", Desc: true}}, ids("d", "c", "b", "a")},
			{[]store.Sort{{Field: "hits"}}, ids("b", "d", "c", "a")},
			{[]store.Sort{{Field: "hits", Desc: true}}, ids("a", "c", "d", "b")},
			{[]store.Sort{{Field: "expiresAt"}}, ids("b", "d", "c", "a")},
			{[]store.Sort{{Field: "name"}, {Field: "id", Desc: true}}, ids("b", "c", "a", "d")},
			{[]store.Sort{{Field: "name", Desc: true}, {Field: "hits"}}, ids("d", "c", "a", "b")},
		} {
			for _, limit := range []int{store.NoLimit, 2} {
				want := c.want
				if limit > 0 {
					want = want[:limit]
				}
				got := f.findOne("user", store.Query{Where: store.Eq("id", "u1"), Children: children(store.Children{Table: "session", Sort: c.sort, Limit: limit})})
				f.joins(got, "session", want...)
			}
		}
	})},
	{"with selected fields", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada", "age": 7})
		session := f.create("session", newSession("s1", "u1", nil))
		badge := f.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		profile := f.create("profile", fullProfile("p1", "u1"))
		// Not even the fields that are referred to have to be selected.
		got := f.findOne("user", store.Query{
			Select:   []string{"age"},
			Children: children(withSessions, store.Children{Table: "badge"}, withProfile),
		})
		f.equals(got, store.Record{
			"age": int64(7), "session": []store.Record{session}, "badge": []store.Record{badge}, "profile": profile,
		})
		rows := f.nRows(1, "user", store.Query{Where: store.In("id", "u1"), Select: []string{"email"}, Children: children(withProfile)})
		f.equals(rows[0], store.Record{"email": "u1@example.com", "profile": profile})
	})},
	{"with conditions and order on names that both tables have", migrated(func(f *fixture) {
		for i := range 10 {
			name := "user"
			if i%2 == 0 {
				name = "other"
			}
			f.family(fmt.Sprint("u", i), 3, store.Record{"name": fmt.Sprint(name, " ", i), "age": -i})
		}
		q := store.Query{Where: store.HasPrefix("name", "user"), Sort: []store.Sort{{Field: "name"}}, Children: children(withSessions, withAccounts)}
		f.inOrder("user", q, "u1", "u3", "u5", "u7", "u9")
		q.Sort, q.Limit, q.Offset = byAge, 2, 1
		f.inOrder("user", q, "u7", "u5")
		for _, r := range f.nRows(2, "user", q) {
			id := r.String("id")
			f.joins(r, "session", id+"s0", id+"s1", id+"s2")
			f.joins(r, "account", id+"a0", id+"a1", id+"a2")
		}
	})},
	{"along a reference to another field than the id", migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "ada"})
		f.user("u2", store.Record{"handle": "Ada"})
		f.users("null")
		for id, handle := range map[string]any{"b1": "ada", "b2": "Ada", "b3": "ada", "b4": nil} {
			f.create("badge", store.Record{"id": id, "userHandle": handle})
		}
		rows := f.nRows(3, "user", store.Query{Sort: []store.Sort{{Field: "email"}}, Children: children(store.Children{Table: "badge", As: "badges"})})
		f.joins(rows[0], "badges") // null refers to null nowhere
		f.joins(rows[1], "badges", "b1", "b3")
		f.joins(rows[2], "badges", "b2")
	})},
	{"of the table itself, beside joins of it", migrated(func(f *fixture) {
		f.user("u1", store.Record{"name": "author"})
		f.create("post", store.Record{"id": "root", "name": "r"})
		for _, id := range []string{"a", "b"} {
			f.create("post", store.Record{"id": id, "parentId": "root", "authorId": "u1", "name": "child " + id})
		}
		f.create("post", store.Record{"id": "c", "parentId": "a", "name": "grandchild"})
		q := store.Query{
			Where: store.HasPrefix("name", "child"), Sort: []store.Sort{{Field: "name"}},
			Join: []string{"parentId", "authorId"}, Children: children(store.Children{Table: "post", As: "replies"}),
		}
		rows := f.nRows(2, "post", q)
		f.joins(rows[0], "replies", "c")
		f.joins(rows[1], "replies")
		for _, r := range rows {
			if r.Record("parent")["id"] != "root" || r.Record("author")["name"] != "author" {
				f.Errorf("%v joined parent %v and author %v", r["id"], r["parent"], r["author"])
			}
		}
		f.joins(f.findOne("post", store.Query{Where: store.Eq("id", "root"), Children: q.Children}), "replies", "a", "b")
	})},
	{"by two fields of one table", migrated(func(f *fixture) {
		f.users("u1", "u2")
		f.create("post", store.Record{"id": "p1", "authorId": "u1", "editorId": "u2"})
		f.create("post", store.Record{"id": "p2", "authorId": "u2", "editorId": "u2"})
		rows := f.nRows(2, "user", store.Query{Sort: byID, Children: children(
			store.Children{Table: "post", Field: "authorId", As: "written"},
			store.Children{Table: "post", Field: "editorId", As: "edited"},
		)})
		f.joins(rows[0], "written", "p1")
		f.joins(rows[0], "edited")
		f.joins(rows[1], "written", "p2")
		f.joins(rows[1], "edited", "p1", "p2")
	})},
	{"of one field under two names", migrated(func(f *fixture) {
		f.family("u1", 3, nil)
		newest := store.Children{Table: "session", As: "newest", Sort: []store.Sort{{Field: "hits", Desc: true}}, Limit: 1}
		got := f.findOne("user", store.Query{Children: children(newest, withSessions)})
		f.joins(got, "newest", "u1s2")
		f.joins(got, "session", "u1s0", "u1s1", "u1s2")
	})},
	{"reserved and odd names", migrated(func(f *fixture) {
		f.users("u1")
		want := f.create("order", store.Record{
			"id": "o1", "key": "k", "order": 7, "group": "g", "select": true, "from": time.UnixMilli(1700000000123),
			"when": []string{"now"}, "default": json.RawMessage(`[1]`), "userId": "u1",
		})
		for _, as := range []string{"select", "order", "Order By", `a"b'c`, "?", "$1"} {
			got := f.findOne("user", store.Query{Select: []string{"id"}, Children: children(
				store.Children{Table: "order", As: as, Sort: []store.Sort{{Field: "group"}, {Field: "order", Desc: true}}},
			)})
			f.equals(got, store.Record{"id": "u1", as: []store.Record{want}})
		}
	})},
	{"under overridden names", empty(func(f *fixture) {
		n := f.naming
		n.Tables = map[string]string{"user": "Select", "badge": "Group", "session": "from"}
		n.Columns = map[string]string{"user.handle": "id_", "badge.userHandle": "where", "session.userId": "user", "session.hits": "order"}
		g := *f
		g.naming = n
		g.use(g.tables()...)
		g.family("u1", 2, store.Record{"handle": "ada"})
		g.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		got := g.findOne("user", store.Query{Where: store.Eq("handle", "ada"), Children: children(
			store.Children{Table: "badge"}, store.Children{Table: "session", Sort: []store.Sort{{Field: "hits", Desc: true}}},
		)})
		g.joins(got, "badge", "b1")
		g.joins(got, "session", "u1s1", "u1s0")
		g.equals(g.child(got, "session", 0), g.byID("session", "u1s1"))
		if got := g.findOne("badge", store.Query{Join: []string{"userHandle"}}).Record("holder"); got["id"] != "u1" {
			g.Errorf("the badge joined %v", got)
		}
	})},
	{"in a transaction are those that it sees", migrated(func(f *fixture) {
		f.family("u1", 1, nil)
		f.tx(func(f *fixture) error {
			f.create("session", newSession("mine", "u1", nil))
			f.delete("session", store.Eq("id", "u1s0"))
			f.joins(f.findOne("user", store.Query{Children: children(withSessions)}), "session", "mine")
			return nil
		})
	})},
	{"are what is there at the time", migrated(func(f *fixture) {
		f.family("u1", 2, nil)
		f.users("u2")
		q := store.Query{Sort: byID, Children: children(withSessions)}
		f.update("session", store.Eq("id", "u1s1"), store.Record{"userId": "u2"})
		rows := f.nRows(2, "user", q)
		f.joins(rows[0], "session", "u1s0")
		f.joins(rows[1], "session", "u1s1")
		f.delete("session", store.All())
		for _, r := range f.nRows(2, "user", q) {
			f.joins(r, "session")
		}
	})},
	{"shares nothing and changes nothing", migrated(func(f *fixture) {
		f.users("u1")
		f.create("profile", fullProfile("p1", "u1"))
		asked := children(store.Children{Table: "profile", Field: "referrerId", As: "referred"}, store.Children{Table: "account"})
		q := store.Query{Children: asked}
		f.child(f.findOne("user", q), "referred", 0)["links"].([]string)[0] = "changed"
		f.equals(f.child(f.findOne("user", q), "referred", 0), fullProfile("p1", "u1"))
		if asked[1].Field != "" || asked[1].As != "" || asked[1].Sort != nil {
			f.Errorf("the query became %+v", asked)
		}
	})},
	{"that make no sense are refused", migrated(func(f *fixture) {
		f.users("u1")
		s := withSessions
		for what, q := range map[string]store.Query{
			"unknown table":                {Children: children(store.Children{Table: "nothing"})},
			"no table":                     {Children: children(store.Children{})},
			"name in the database":         {Children: children(store.Children{Table: "public.session"})},
			"a table that does not refer":  {Children: children(store.Children{Table: "user"})},
			"unknown field":                {Children: children(store.Children{Table: "session", Field: "nothing"})},
			"a field that is no reference": {Children: children(store.Children{Table: "session", Field: "token"})},
			"a reference to another table": {Children: children(store.Children{Table: "post", Field: "parentId"})},
			"several fields that refer":    {Children: children(store.Children{Table: "post"})},
			"the name of a field":          {Children: children(store.Children{Table: "session", As: "email"})},
			"one name for two":             {Children: children(s, s)},
			"negative limit":               {Children: children(store.Children{Table: "session", Limit: -2})},
			"unknown sorted field":         {Children: children(store.Children{Table: "session", Sort: byAge})},
			"sorted by JSON":               {Children: children(store.Children{Table: "order", Sort: []store.Sort{{Field: "default"}}})},
		} {
			_, err := f.store.FindOne(f.Context(), f.table("user"), q)
			f.fails("FindOne: "+what, err, store.ErrInvalid)
			_, err = f.store.FindMany(f.Context(), f.table("user"), q)
			f.fails("FindMany: "+what, err, store.ErrInvalid)
		}
		q := store.Query{Join: []string{"parentId"}, Children: children(store.Children{Table: "post", As: "parent"})}
		_, err := f.store.FindMany(f.Context(), f.table("post"), q)
		f.fails("the name of a join", err, store.ErrInvalid)
	})},
	{"of a table that is not migrated are refused", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		grown := f.compile(thing(), store.Table{Name: "part", Fields: []*store.Field{
			{Name: "thingId", Type: store.String, References: &store.Reference{Table: "thing"}},
		}})
		_, err := f.store.FindMany(f.Context(), grown.Table("thing"), store.Query{Children: children(store.Children{Table: "part"})})
		f.fails("FindMany", err, store.ErrInvalid)
	})},
	{"of any size", once(migrated(func(f *fixture) {
		f.users("u1")
		long := strings.Repeat("é'\\\"", 16<<10)
		for i := range 20 {
			f.create("profile", store.Record{"id": fmt.Sprintf("%02d", i), "referrerId": "u1", "bio": long, "links": []string{long}})
		}
		got := f.findOne("user", store.Query{Children: children(store.Children{Table: "profile", Field: "referrerId", As: "referred"})})
		for i, r := range got.Records("referred") {
			if r["bio"] != long || !sameValue(r["links"], []string{long}) {
				f.Errorf("row %d came back as %s and %s", i, show(r["bio"]), show(r["links"]))
			}
		}
		if n := len(got.Records("referred")); n != 20 {
			f.Errorf("%d rows, want 20", n)
		}
	}))},
}
