package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/store"
)

// badConditions are refused wherever a condition is taken.
var badConditions = map[string]store.Where{
	"unknown field":            store.Eq("nickname", "x"),
	"database name of a field": store.Eq("born_at", nil),
	"joined field":             store.Eq("user.name", "x"),
	"unknown field in a group": store.And(store.Eq("id", "u1"), store.Or(store.Eq("nickname", "x"))),
	"SQL as a field":           store.Eq(`id" = "id`, "x"),
	"empty condition inside":   store.And(store.Eq("id", "u1"), store.Where{}),
	"empty condition in Or":    store.Or(store.Where{}),
	"unknown operator":         {Op: 200, Field: "id", Value: "u1"},
	"text for a number":        store.Eq("age", "1"),
	"number for text":          store.Eq("name", 1),
	"number for a bool":        store.Eq("active", 1),
	"text for a time":          store.Gt("bornAt", "2024-01-01T00:00:00Z"),
	"float for an int":         store.Lt("age", 1.5),
	"wrong type in a list":     store.In[any]("age", 1, "2"),
	"null in a list":           store.In[any]("age", 1, nil),
	"null in a negated list":   store.NotIn[any]("name", nil),
	"null compared":            store.Lt("age", nil),
	"part of a number":         store.Contains("age", "1"),
	"part that is no text":     {Op: store.OpPrefix, Field: "name", Value: 1},
	"part of JSON":             store.HasSuffix("settings", "}"),
}

// badRecords are refused wherever fields are written.
var badRecords = map[string]store.Record{
	"unknown field":            {"nickname": "x"},
	"database name of a field": {"born_at": nil},
	"SQL as a field":           {`name" = "name`: "x"},
	"joined row":               {"user": store.Record{"id": "u1"}},
	"text for a number":        {"age": "1"},
	"float for an int":         {"age": 1.5},
	"number for text":          {"name": 1},
	"bytes for text":           {"name": []byte("x")},
	"text for a time":          {"bornAt": "2024-01-01T00:00:00Z"},
	"number for a bool":        {"active": 1},
	"text for a float":         {"balance": "1"},
	"text for strings":         {"tags": "a,b"},
	"anything for strings":     {"tags": []any{"a"}},
	"function for JSON":        {"settings": func() {}},
	"NUL within JSON":          {"settings": json.RawMessage(`{"a":"b\u0000"}`)},
	"a year of five digits":    {"bornAt": time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
	"a year before the first":  {"bornAt": time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)},
}

var invalidCases = []testCase{
	{"conditions are refused everywhere", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		s, users, set := f.store, f.table("user"), store.Record{"name": "x"}
		for what, w := range badConditions {
			_, err := s.FindOne(f.Context(), users, store.Query{Where: w})
			f.fails("FindOne: "+what, err, store.ErrInvalid)
			_, err = s.FindMany(f.Context(), users, store.Query{Where: w})
			f.fails("FindMany: "+what, err, store.ErrInvalid)
			_, err = s.Count(f.Context(), users, w)
			f.fails("Count: "+what, err, store.ErrInvalid)
			_, err = s.Update(f.Context(), users, w, set)
			f.fails("Update: "+what, err, store.ErrInvalid)
			_, err = s.Delete(f.Context(), users, w)
			f.fails("Delete: "+what, err, store.ErrInvalid)
			_, err = s.Take(f.Context(), users, w)
			f.fails("Take: "+what, err, store.ErrInvalid)
			_, err = s.Add(f.Context(), users, w, deltas{"age": 1}, nil)
			f.fails("Add: "+what, err, store.ErrInvalid)
		}
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
	{"a write without a condition is refused", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		s, users, zero := f.store, f.table("user"), store.Where{}
		_, err := s.Update(f.Context(), users, zero, store.Record{"name": "x"})
		f.fails("Update", err, store.ErrInvalid)
		_, err = s.Delete(f.Context(), users, zero)
		f.fails("Delete", err, store.ErrInvalid)
		_, err = s.Take(f.Context(), users, zero)
		f.fails("Take", err, store.ErrInvalid)
		_, err = s.Add(f.Context(), users, zero, deltas{"age": 1}, nil)
		f.fails("Add", err, store.ErrInvalid)
		_, err = s.Delete(f.Context(), users, zero.Fold())
		f.fails("Delete with nothing but Fold", err, store.ErrInvalid)
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
	{"records are refused everywhere", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		s, users, u1 := f.store, f.table("user"), store.Eq("id", "u1")
		for what, r := range badRecords {
			_, err := s.Create(f.Context(), users, newUser("u2", r))
			f.fails("Create: "+what, err, store.ErrInvalid)
			_, err = s.Update(f.Context(), users, u1, r)
			f.fails("Update: "+what, err, store.ErrInvalid)
			_, err = s.Add(f.Context(), users, u1, nil, r)
			f.fails("Add: "+what, err, store.ErrInvalid)
			// Whether a row matches makes no difference.
			_, err = s.Update(f.Context(), users, store.Or(), r)
			f.fails("Update of nothing: "+what, err, store.ErrInvalid)
		}
		f.equals(f.byID("user", "u1"), fullUser("u1"))
		f.gone("user", "u2")
	})},
	{"a write of nothing is refused", migrated(func(f *fixture) {
		f.users("u1")
		for what, set := range map[string]store.Record{"nil": nil, "empty": {}} {
			_, err := f.store.Update(f.Context(), f.table("user"), store.Eq("id", "u1"), set)
			f.fails("Update with a record that is "+what, err, store.ErrInvalid)
			_, err = f.store.Add(f.Context(), f.table("user"), store.Eq("id", "u1"), deltas{}, set)
			f.fails("Add with a record that is "+what, err, store.ErrInvalid)
		}
	})},
	{"what cannot be added to", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		for _, field := range []string{"id", "name", "active", "bornAt", "settings", "tags", "nickname", `age" = "age`} {
			_, err := f.store.Add(f.Context(), f.table("user"), store.Eq("id", "u1"), deltas{field: 1}, nil)
			f.fails("Add to "+field, err, store.ErrInvalid)
		}
		_, err := f.store.Add(f.Context(), f.table("user"), store.Eq("id", "u1"), deltas{"age": 1}, store.Record{"age": 2})
		f.fails("Add to a field that is set as well", err, store.ErrInvalid)
		f.equals(f.byID("user", "u1"), fullUser("u1"))
	})},
	{"queries", migrated(func(f *fixture) {
		f.users("u1")
		for what, q := range map[string]store.Query{
			"unknown selected field":   {Select: []string{"id", "nickname"}},
			"SQL selected":             {Select: []string{"*"}},
			"unknown sorted field":     {Sort: []store.Sort{{Field: "nickname"}}},
			"SQL sorted":               {Sort: []store.Sort{{Field: "1"}}},
			"unknown joined field":     {Join: []string{"nickname"}},
			"joined field without":     {Join: []string{"name"}},
			"joined table":             {Join: []string{"session"}},
			"negative offset":          {Offset: -1},
			"negative limit":           {Limit: -2},
			"sorted by JSON":           {Sort: []store.Sort{{Field: "settings"}}},
			"sorted by strings":        {Sort: []store.Sort{{Field: "tags"}}},
			"condition on JSON":        {Where: store.Eq("settings", map[string]int{"a": 1})},
			"condition on strings":     {Where: store.Ne("tags", []string{"a"})},
			"order of JSON":            {Where: store.Gt("settings", 1)},
			"strings in a list":        {Where: store.In("tags", []string{"a"})},
			"JSON in a group":          {Where: store.Or(store.Eq("id", "u1"), store.Eq("settings", 1))},
			"order of strings, nested": {Where: store.And(store.Or(store.Lte("tags", []string{})))},
		} {
			if what != "negative limit" { // FindOne ignores the limit
				_, err := f.store.FindOne(f.Context(), f.table("user"), q)
				f.fails("FindOne: "+what, err, store.ErrInvalid)
			}
			_, err := f.store.FindMany(f.Context(), f.table("user"), q)
			f.fails("FindMany: "+what, err, store.ErrInvalid)
		}
	})},
	{"tables of no schema are refused without a panic", migrated(func(f *fixture) {
		declared := tables()[0]
		for what, t := range map[string]*store.Table{"no table": nil, "a declared table": &declared, "an empty table": {}} {
			for name, err := range f.callsOn(t) {
				f.fails(fmt.Sprintf("%s with %s", name, what), err, store.ErrInvalid)
			}
		}
	})},
	{"tables that are not migrated are refused", migrated(func(f *fixture) {
		t := f.compile(store.Table{Name: "unknown", Fields: []*store.Field{{Name: "name", Type: store.String}, {Name: "age", Type: store.Int}}}).Table("unknown")
		for name, err := range f.callsOn(t) {
			f.fails(name, err, store.ErrInvalid)
		}
		f.users("u1")
	})},
	{"fields that are not migrated are refused", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		t := f.compile(thing(&store.Field{Name: "size", Type: store.Int})).Table("thing")
		w, set := store.Eq("id", "t1"), store.Record{"size": 1}
		_, err := f.store.Create(f.Context(), t, store.Record{"id": "t2", "size": 1})
		f.fails("Create", err, store.ErrInvalid)
		_, err = f.store.FindOne(f.Context(), t, store.Query{Where: w})
		f.fails("FindOne", err, store.ErrInvalid)
		_, err = f.store.FindMany(f.Context(), t, store.Query{Where: store.Eq("size", 1)})
		f.fails("FindMany", err, store.ErrInvalid)
		_, err = f.store.Update(f.Context(), t, w, set)
		f.fails("Update", err, store.ErrInvalid)
		_, err = f.store.Take(f.Context(), t, w)
		f.fails("Take", err, store.ErrInvalid)
		_, err = f.store.Add(f.Context(), t, w, deltas{"size": 1}, nil)
		f.fails("Add", err, store.ErrInvalid)
		f.matches("thing", store.Where{}, "t1")
	})},
}

// callsOn calls every method that takes a table and returns the errors. The
// table is one with the fields "name" and "age".
func (f *fixture) callsOn(t *store.Table) map[string]error {
	errs := map[string]error{}
	s, w := f.store, store.Eq("id", "u1")
	_, errs["Create"] = s.Create(f.Context(), t, store.Record{"id": "u1"})
	_, errs["FindOne"] = s.FindOne(f.Context(), t, store.Query{Where: w})
	_, errs["FindMany"] = s.FindMany(f.Context(), t, store.Query{})
	_, errs["Count"] = s.Count(f.Context(), t, w)
	_, errs["Update"] = s.Update(f.Context(), t, w, store.Record{"name": "x"})
	_, errs["Delete"] = s.Delete(f.Context(), t, w)
	_, errs["Take"] = s.Take(f.Context(), t, w)
	_, errs["Add"] = s.Add(f.Context(), t, w, deltas{"age": 1}, nil)
	return errs
}
