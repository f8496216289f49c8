package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// thing is a table that grows from one case's step to the next.
func thing(fields ...*store.Field) store.Table {
	return store.Table{Name: "thing", Fields: append([]*store.Field{{Name: "name", Type: store.String}}, fields...)}
}

var migrateCases = []testCase{
	{"makes every table", empty(func(f *fixture) {
		f.use(tables()...)
		for _, t := range f.schema.Tables() {
			if got := f.findMany(t.Name, store.Query{}); len(got) != 0 {
				f.Errorf("%s is not empty: %v", t.Name, got)
			}
		}
		f.create("user", fullUser("u1"))
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
	{"to nothing", empty(func(f *fixture) {
		f.use()
	})},
	{"again changes nothing", empty(func(f *fixture) {
		f.use(tables()...)
		f.create("user", fullUser("u1"))
		f.create("session", newSession("s1", "u1", nil))
		for range 2 {
			f.use(tables()...)
		}
		f.equals(f.byID("user", "u1"), fullUser("u1"))
		f.matches("session", store.Where{}, "s1")
		_, err := f.store.Create(f.Context(), f.table("user"), newUser("u2", store.Record{"email": "u1@example.com"}))
		f.duplicates("a taken email", err, "user", "email")
	})},
	{"by many at once", empty(func(f *fixture) {
		f.schema = f.compile(tables()...)
		if _, failed := succeeded(parallel(10, func(int) error {
			return f.store.Migrate(f.Context(), f.schema)
		})); len(failed) > 0 {
			f.Fatalf("%d of 10 failed, the first with: %v", len(failed), failed[0])
		}
		f.create("user", fullUser("u1"))
		_, err := f.store.Create(f.Context(), f.table("user"), newUser("u2", store.Record{"email": "u1@example.com"}))
		f.duplicates("a taken email", err, "user", "email")
	})},
	{"by many at once, to different schemas", empty(func(f *fixture) {
		small := f.compile(thing())
		large := f.compile(
			thing(&store.Field{Name: "size", Type: store.Int}, &store.Field{Name: "code", Type: store.String, Unique: true}),
			store.Table{Name: "part", Fields: []*store.Field{{Name: "thingId", Type: store.String, References: &store.Reference{Table: "thing"}}}},
		)
		if _, failed := succeeded(parallel(10, func(i int) error {
			return f.store.Migrate(f.Context(), []*store.Schema{small, large}[i%2])
		})); len(failed) > 0 {
			f.Fatalf("%d of 10 failed, the first with: %v", len(failed), failed[0])
		}
		f.schema = large
		f.create("thing", store.Record{"id": "t1", "name": "x", "size": 1, "code": "c"})
		f.create("part", store.Record{"id": "p1", "thingId": "t1"})
		_, err := f.store.Create(f.Context(), f.table("thing"), store.Record{"id": "t2", "code": "c"})
		f.duplicates("a taken code", err, "thing", "code")
	})},
	{"adds a table", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1", "name": "kept"})
		f.use(thing(), store.Table{Name: "part", Fields: []*store.Field{
			{Name: "thingId", Type: store.String, References: &store.Reference{Table: "thing"}},
		}})
		f.create("part", store.Record{"id": "p1", "thingId": "t1"})
		_, err := f.store.Create(f.Context(), f.table("part"), store.Record{"id": "p2", "thingId": "nothing"})
		f.fails("a reference to nothing", err, store.ErrReference)
		f.delete("thing", store.Eq("name", "kept"))
		f.gone("part", "p1")
	})},
	{"adds fields of every type, null in the rows there are", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1", "name": "kept"})
		f.use(thing(
			&store.Field{Name: "text", Type: store.String},
			&store.Field{Name: "flag", Type: store.Bool},
			&store.Field{Name: "size", Type: store.Int, Indexed: true},
			&store.Field{Name: "weight", Type: store.Float},
			&store.Field{Name: "madeAt", Type: store.Time},
			&store.Field{Name: "extra", Type: store.JSON},
			&store.Field{Name: "labels", Type: store.Strings},
		))
		want := store.Record{"id": "t1", "name": "kept", "text": nil, "flag": nil, "size": nil, "weight": nil, "madeAt": nil, "extra": nil, "labels": nil}
		f.equals(f.byID("thing", "t1"), want)
		f.matches("thing", store.Eq("size", nil), "t1")
		want["size"] = int64(3)
		f.equals(f.add("thing", store.Eq("id", "t1"), deltas{"size": 3}, nil), want)
	})},
	{"adds a unique field", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		f.create("thing", store.Record{"id": "t2"})
		f.use(thing(&store.Field{Name: "serialNumber", Type: store.String, Unique: true}))
		f.update("thing", store.Eq("id", "t1"), store.Record{"serialNumber": "7"})
		_, err := f.store.Update(f.Context(), f.table("thing"), store.Eq("id", "t2"), store.Record{"serialNumber": "7"})
		f.duplicates("a taken value of the new field", err, "thing", "serialNumber")
	})},
	{"adds a reference", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		f.use(
			thing(&store.Field{Name: "ownerId", Type: store.String, References: &store.Reference{Table: "owner", OnDelete: store.SetNull}}),
			store.Table{Name: "owner"},
		)
		_, err := f.store.Update(f.Context(), f.table("thing"), store.Eq("id", "t1"), store.Record{"ownerId": "nobody"})
		f.fails("a reference to nothing", err, store.ErrReference)
		f.create("owner", store.Record{"id": "o1"})
		f.update("thing", store.Eq("id", "t1"), store.Record{"ownerId": "o1"})
		if got := f.findOne("thing", store.Query{Join: []string{"ownerId"}}); got.Record("owner").String("id") != "o1" {
			f.Errorf("got %v", got)
		}
		f.delete("owner", store.All())
		f.matches("thing", store.Eq("ownerId", nil), "t1")
	})},
	{"adds indexes, and they hold", empty(func(f *fixture) {
		size := &store.Field{Name: "size", Type: store.Int}
		f.use(thing(size))
		f.create("thing", store.Record{"id": "t1", "name": "x", "size": 1})
		grown := thing(size)
		grown.Indexes = []store.Index{{Fields: []string{"name", "size"}, Unique: true}, {Fields: []string{"size"}}}
		f.use(grown)
		f.create("thing", store.Record{"id": "t2", "name": "x", "size": 2})
		_, err := f.store.Create(f.Context(), f.table("thing"), store.Record{"id": "t3", "name": "x", "size": 1})
		f.duplicates("a taken combination", err, "thing", "name", "size")
		f.matches("thing", store.Eq("size", 2), "t2")
	})},
	{"with one index declared several times", empty(func(f *fixture) {
		code := &store.Field{Name: "code", Type: store.String, Unique: true, Indexed: true}
		same := thing(code)
		same.Indexes = []store.Index{
			{Fields: []string{"code"}, Unique: true},
			{Fields: []string{"code"}},
			{Fields: []string{"name", "code"}, Unique: true},
			{Fields: []string{"name", "code"}, Unique: true},
			{Fields: []string{"name", "code"}},
		}
		f.use(same)
		f.use(same)
		f.create("thing", store.Record{"id": "t1", "name": "x", "code": "c"})
		_, err := f.store.Create(f.Context(), f.table("thing"), store.Record{"id": "t2", "name": "y", "code": "c"})
		f.duplicates("a taken code", err, "thing", "code")
	})},
	{"fails on a unique index that the rows violate, and keeps them", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1", "name": "x"})
		f.create("thing", store.Record{"id": "t2", "name": "x"})
		grown := thing()
		grown.Indexes = []store.Index{{Fields: []string{"name"}, Unique: true}}
		if err := f.store.Migrate(f.Context(), f.compile(grown)); err == nil {
			f.Error("no error")
		}
		f.matches("thing", store.Eq("name", "x"), "t1", "t2")
		f.update("thing", store.Eq("id", "t2"), store.Record{"name": "y"})
		f.use(grown)
		_, err := f.store.Create(f.Context(), f.table("thing"), store.Record{"id": "t3", "name": "y"})
		f.duplicates("a taken name", err, "thing", "name")
	})},
	{"drops nothing that the schema does not name", empty(func(f *fixture) {
		f.use(tables()...)
		large := f.schema
		f.create("user", fullUser("u1"))
		f.create("session", newSession("s1", "u1", nil))

		f.use(store.Table{Name: "user", Fields: []*store.Field{{Name: "email", Type: store.String, Required: true, Unique: true}, {Name: "age", Type: store.Int}}})
		small := store.Record{"id": "u1", "email": "u1@example.com", "age": int64(36)}
		f.equals(f.byID("user", "u1"), small)
		f.equals(f.create("user", newUser("u2", nil)), store.Record{"id": "u2", "email": "u2@example.com", "age": nil})
		small["age"] = int64(37)
		f.equals(f.add("user", store.Eq("id", "u1"), deltas{"age": 1}, nil), small)

		f.schema = large
		want := fullUser("u1")
		want["age"] = int64(37)
		f.equals(f.byID("user", "u1"), want)
		got, err := f.store.Take(f.Context(), f.table("session"), store.Eq("id", "s1"))
		if err != nil || got["userId"] != "u1" {
			f.Errorf("session: %v, %v", got, err)
		}
	})},
	{"to tables that refer to each other", empty(func(f *fixture) {
		f.use(
			store.Table{Name: "team", Fields: []*store.Field{
				{Name: "captainId", Type: store.String, References: &store.Reference{Table: "player", OnDelete: store.SetNull}},
			}},
			store.Table{Name: "player", Fields: []*store.Field{
				{Name: "teamId", Type: store.String, References: &store.Reference{Table: "team"}},
				{Name: "coachId", Type: store.String, References: &store.Reference{Table: "player", OnDelete: store.SetNull}},
			}},
		)
		f.create("team", store.Record{"id": "t1"})
		f.create("player", store.Record{"id": "p1", "teamId": "t1"})
		f.create("player", store.Record{"id": "p2", "teamId": "t1", "coachId": "p1"})
		f.update("team", store.Eq("id", "t1"), store.Record{"captainId": "p1"})
		_, err := f.store.Update(f.Context(), f.table("team"), store.Eq("id", "t1"), store.Record{"captainId": "nobody"})
		f.fails("a missing captain", err, store.ErrReference)
		f.delete("player", store.Eq("id", "p1"))
		f.matches("team", store.Eq("captainId", nil), "t1")
		f.matches("player", store.Eq("coachId", nil), "p2")
		f.create("player", store.Record{"id": "p3", "coachId": "p2"})
		if n := f.delete("player", store.In("id", "p2", "p3")); n != 2 {
			f.Errorf("Delete of a coach and the coached counts %d rows, want 2", n)
		}
		f.matches("player", store.Where{})
		f.create("player", store.Record{"id": "p4", "teamId": "t1"})
		f.delete("team", store.All())
		f.gone("player", "p4")
	})},
	{"with names as long as they may be", empty(func(f *fixture) {
		// Names of indexes are made from these and get too long for a database;
		// cut short they must neither clash nor lose which fields they are of.
		name := func(end string) string { return strings.Repeat("x", 55-len(end)) + end }
		long := store.Table{
			Name: name("t"),
			Fields: []*store.Field{
				{Name: name("a"), Type: store.String, Unique: true},
				{Name: name("b"), Type: store.String, Unique: true},
				{Name: name("c"), Type: store.String, Indexed: true},
				{Name: name("d"), Type: store.String, References: &store.Reference{Table: name("t"), As: "self"}},
			},
			Indexes: []store.Index{
				{Fields: []string{name("c"), name("d")}, Unique: true},
				{Fields: []string{name("d"), name("c")}},
			},
		}
		f.use(long)
		f.use(long)
		table := long.Name
		f.create(table, store.Record{"id": "1", name("a"): "a", name("b"): "b", name("c"): "c", name("d"): "1"})
		for _, fields := range [][]string{{name("a")}, {name("b")}, {name("c"), name("d")}} {
			r := store.Record{"id": "2"}
			for _, field := range fields {
				r[field] = f.byID(table, "1")[field]
			}
			_, err := f.store.Create(f.Context(), f.table(table), r)
			f.duplicates("taken values", err, table, fields...)
		}
		_, err := f.store.Create(f.Context(), f.table(table), store.Record{"id": "2", name("d"): "nothing"})
		f.fails("a reference to nothing", err, store.ErrReference)
	})},
	{"with overridden names", empty(func(f *fixture) {
		n := f.naming
		n.Tables = map[string]string{"user": "Select"}
		n.Columns = map[string]string{"user.email": "Group", "user.name": "e_mail", "session.userId": "from"}
		g := *f
		g.naming = n
		g.use(tables()...)
		g.create("user", fullUser("u1"))
		g.equals(g.byID("user", "u1"), fullUser("u1"))
		g.matches("user", store.And(store.Eq("email", "u1@example.com"), store.HasPrefix("name", "Ada")), "u1")
		g.create("session", newSession("s1", "u1", nil))
		g.equals(g.findOne("session", store.Query{Join: []string{"userId"}}).Record("user"), fullUser("u1"))
		_, err := g.store.Create(g.Context(), g.table("user"), newUser("u2", store.Record{"email": "u1@example.com"}))
		g.duplicates("a taken email", err, "user", "email")
		g.update("user", store.Eq("email", "u1@example.com"), store.Record{"email": "new@example.com", "name": "New"})
		g.matches("user", store.Eq("email", "new@example.com"), "u1")
	})},
	{"while the tables are used", empty(func(f *fixture) {
		f.use(tables()...)
		err := errors.Join(parallel(8, func(i int) error {
			if i%2 == 0 {
				return f.store.Migrate(f.Context(), f.schema)
			}
			return f.store.Tx(f.Context(), func(ctx context.Context) error {
				id := fmt.Sprint(i)
				if _, err := f.store.Create(ctx, f.table("user"), newUser(id, nil)); err != nil {
					return err
				}
				_, err := f.store.Create(ctx, f.table("session"), newSession(id, id, nil))
				return err
			})
		})...)
		if err != nil {
			f.Error(err)
		}
		f.matches("session", store.Where{}, "1", "3", "5", "7")
	})},
}
