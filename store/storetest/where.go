package storetest

import (
	"time"

	"github.com/ostiary/ostiary/store"
)

// whereCase is a condition and the ids of the rows that it matches.
type whereCase struct {
	w   store.Where
	ids []string
}

func (f *fixture) allMatch(cases []whereCase) {
	f.Helper()
	for _, c := range cases {
		f.matches("user", c.w, c.ids...)
	}
}

func ids(ids ...string) []string { return ids }

var whereCases = []testCase{
	{"equality of every type", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000123)
		f.user("a", store.Record{"name": "x", "active": true, "age": 1, "balance": 0.1, "bornAt": at})
		f.user("b", store.Record{"name": "y", "active": false, "age": 2, "balance": 0.2, "bornAt": at.Add(time.Millisecond)})
		f.user("n", nil)
		for field, v := range map[string]any{"name": "x", "active": true, "age": 1, "balance": 0.1, "bornAt": at.In(time.FixedZone("x", 3600))} {
			f.matches("user", store.Eq(field, v), "a")
			f.matches("user", store.Ne(field, v), "b", "n")
			f.matches("user", store.Eq(field, nil), "n")
			f.matches("user", store.Ne(field, nil), "a", "b")
		}
		f.matches("user", store.Eq("active", false), "b")
	})},
	{"lists of every type", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000123)
		f.user("a", store.Record{"name": "x", "active": true, "age": 1, "balance": 0.1, "bornAt": at})
		f.user("b", store.Record{"name": "y", "active": false, "age": 2, "balance": 0.2, "bornAt": at.Add(time.Hour)})
		f.user("n", nil)
		for field, v := range map[string]any{"name": "x", "active": true, "age": 1, "balance": 0.1, "bornAt": at} {
			f.matches("user", store.In(field, v), "a")
			f.matches("user", store.In(field, v, v), "a")
			f.matches("user", store.In[any](field))
			f.matches("user", store.NotIn(field, v), "b", "n")
			f.matches("user", store.NotIn[any](field), "a", "b", "n")
		}
		f.allMatch([]whereCase{
			{store.In("id", "b", "a", "zz"), ids("a", "b")},
			{store.In("name", "x", "y"), ids("a", "b")},
			{store.In("age", 2, 3, 4), ids("b")},
			{store.NotIn("age", 1, 2), ids("n")},
			{store.NotIn("id", "b", "zz"), ids("a", "n")},
			{store.In("active", true, false), ids("a", "b")},
		})
	})},
	{"long lists", migrated(func(f *fixture) {
		f.ages(3)
		long := make([]int, 2000)
		for i := range long {
			long[i] = i - 1998
		}
		f.matches("user", store.In("age", long...), "0", "1")
		f.matches("user", store.NotIn("age", long...), "2")
	})},
	{"order of numbers and times", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000000)
		f.user("null", nil)
		f.user("-5", store.Record{"age": -5, "balance": -5.5, "bornAt": at.Add(-5 * time.Millisecond)})
		f.user("0", store.Record{"age": 0, "balance": 0.0, "bornAt": at})
		f.user("9", store.Record{"age": 9, "balance": 9.5, "bornAt": at.Add(9 * time.Millisecond)})
		f.user("10", store.Record{"age": 10, "balance": 10.25, "bornAt": at.Add(10 * time.Millisecond)})
		for field, v := range map[string]any{"age": 9, "balance": 9.5, "bornAt": at.Add(9 * time.Millisecond)} {
			f.matches("user", store.Lt(field, v), "-5", "0")
			f.matches("user", store.Lte(field, v), "-5", "0", "9")
			f.matches("user", store.Gt(field, v), "10")
			f.matches("user", store.Gte(field, v), "9", "10")
			f.matches("user", store.And(store.Gte(field, v), store.Lte(field, v)), "9")
			f.matches("user", store.And(store.Gt(field, v), store.Lt(field, v)))
		}
	})},
	{"order of text is by its bytes", migrated(func(f *fixture) {
		for _, name := range []string{"", "10", "9", "A", "B", "a", "b", "é", "😀"} {
			f.user("="+name, store.Record{"name": name})
		}
		f.user("null", nil)
		f.allMatch([]whereCase{
			{store.Lt("name", "A"), ids("=", "=10", "=9")},
			{store.Lte("name", "B"), ids("=", "=10", "=9", "=A", "=B")},
			{store.Gt("name", "B"), ids("=a", "=b", "=é", "=😀")},
			{store.Gte("name", "b"), ids("=b", "=é", "=😀")},
			{store.Lt("name", "9"), ids("=", "=10")},
			{w: store.Lt("name", "")},
		})
	})},
	{"order of text beyond the basic plane", migrated(func(f *fixture) {
		// In UTF-16 the last two come before the first.
		for id, name := range map[string]string{"1": "\ufb00", "2": "\uffee", "3": "\U00010000", "4": "😀"} {
			f.user(id, store.Record{"name": name, "handle": name})
		}
		for _, field := range []string{"name", "handle"} {
			f.matches("user", store.Lt(field, "\U00010000"), "1", "2")
			f.matches("user", store.Gte(field, "\U00010000"), "3", "4")
			f.inOrder("user", store.Query{Sort: []store.Sort{{Field: field}}}, "1", "2", "3", "4")
		}
	})},
	{"booleans that change", migrated(func(f *fixture) {
		f.user("a", store.Record{"active": true})
		f.user("b", store.Record{"active": false})
		f.update("user", store.Eq("active", true), store.Record{"active": false})
		f.matches("user", store.Eq("active", false), "a", "b")
		f.update("user", store.Eq("id", "b"), store.Record{"active": true})
		f.matches("user", store.Eq("active", true), "b")
		f.matches("user", store.Lt("active", true), "a")
	})},
	{"parts of text, nothing in them a wildcard", migrated(func(f *fixture) {
		names := map[string]string{
			"plain": "abcdef", "percent": "a%c", "under": "a_c", "star": "a.*c", "slash": `a\c`, "escaped": `a\%c`,
			"bracket": "a[b]c", "quote": "a'c", "query": "a?c", "empty": "", "upper": "ABCDEF", "accent": "aéc", "emoji": "a😀c", "bang": "a!%c",
		}
		for id, name := range names {
			f.user(id, store.Record{"name": name})
		}
		f.user("null", nil)
		all := make([]string, 0, len(names))
		for id := range names {
			all = append(all, id)
		}
		f.allMatch([]whereCase{
			{store.HasPrefix("name", "abc"), ids("plain")},
			{store.HasPrefix("name", "a%"), ids("percent")},
			{store.HasPrefix("name", "a_"), ids("under")},
			{store.HasPrefix("name", "a.*"), ids("star")},
			{store.HasPrefix("name", `a\`), ids("slash", "escaped")},
			{store.HasPrefix("name", `a\%`), ids("escaped")},
			{store.HasPrefix("name", "a!"), ids("bang")},
			{store.HasPrefix("name", "aé"), ids("accent")},
			{w: store.HasPrefix("name", "%")},
			{store.HasPrefix("name", ""), all},
			{store.HasSuffix("name", "def"), ids("plain")},
			{store.HasSuffix("name", "%c"), ids("percent", "escaped", "bang")},
			{store.HasSuffix("name", "_c"), ids("under")},
			{store.HasSuffix("name", ".*c"), ids("star")},
			{store.HasSuffix("name", `\c`), ids("slash")},
			{store.HasSuffix("name", "😀c"), ids("emoji")},
			{store.HasSuffix("name", ""), all},
			{store.Contains("name", "cd"), ids("plain")},
			{store.Contains("name", "%"), ids("percent", "escaped", "bang")},
			{store.Contains("name", "_"), ids("under")},
			{store.Contains("name", ".*"), ids("star")},
			{store.Contains("name", `\`), ids("slash", "escaped")},
			{store.Contains("name", "[b]"), ids("bracket")},
			{store.Contains("name", "'"), ids("quote")},
			{store.Contains("name", "?"), ids("query")},
			{store.Contains("name", "BC"), ids("upper")},
			{store.Contains("name", "abcdef"), ids("plain")},
			{w: store.Contains("name", "abcdefg")},
			{store.Contains("name", ""), all},
		})
	})},
	{"groups mean what they say", migrated(func(f *fixture) {
		f.user("a", store.Record{"role": "x", "age": 1})
		f.user("b", store.Record{"role": "x", "age": 2})
		f.user("c", store.Record{"role": "y", "age": 1})
		f.user("d", store.Record{"age": 2})
		x, y, one, two, null := store.Eq("role", "x"), store.Eq("role", "y"), store.Eq("age", 1), store.Eq("age", 2), store.Eq("role", nil)
		f.allMatch([]whereCase{
			{store.And(x, two), ids("b")},
			{store.Or(x, two), ids("a", "b", "d")},
			{store.And(store.Or(x, y), one), ids("a", "c")},
			{store.Or(store.And(x, two), store.And(y, one)), ids("b", "c")},
			{store.Or(y, store.And(x, one), null), ids("a", "c", "d")},
			{store.And(store.Or(x, null), store.Or(two, y)), ids("b", "d")},
			{store.And(null, two), ids("d")},
			{store.And(store.Ne("role", nil), two), ids("b")},
			{store.Or(null, y), ids("c", "d")},
			{store.And(store.Ne("role", "x"), store.Ne("role", "y")), ids("d")},
			{w: store.And(one, two)},
			{store.And(x), ids("a", "b")},
			{store.Or(x), ids("a", "b")},
			{store.And(), ids("a", "b", "c", "d")},
			{w: store.Or()},
			{store.And(store.All(), x), ids("a", "b")},
			{store.Or(store.All(), x), ids("a", "b", "c", "d")},
			{store.And(store.And(), store.Or(store.Or(), y)), ids("c")},
			{store.And(store.And(store.And(store.Or(store.And(x, one))))), ids("a")},
			{store.And(store.HasPrefix("email", "a@"), store.NotIn("age", 2), store.Lt("age", 5)), ids("a")},
			{w: store.And(store.In[string]("role"), x)},
			{store.Or(store.In[string]("role"), x), ids("a", "b")},
		})
	})},
	{"is not changed", migrated(func(f *fixture) {
		at := time.Date(2024, 1, 1, 0, 0, 0, 123456789, time.FixedZone("x", 3600))
		w := store.And(store.Eq("age", 7), store.In("bornAt", at), store.Or(store.Ne("name", "x").Fold()))
		f.matches("user", w)
		if w.Of[0].Value != 7 || w.Of[1].Values[0] != at || !w.Of[2].Of[0].Insensitive {
			f.Errorf("the condition became %+v", w)
		}
	})},
}

var foldCases = []testCase{
	{"is off unless asked for", migrated(func(f *fixture) {
		f.user("a", store.Record{"name": "Ada"})
		f.matches("user", store.Eq("name", "ada"))
		f.matches("user", store.In("name", "ADA"))
		f.matches("user", store.Contains("name", "a"), "a")
		f.matches("user", store.HasPrefix("name", "a"))
		f.matches("user", store.Ne("name", "ada"), "a")
	})},
	{"every operator on text", migrated(func(f *fixture) {
		f.user("lower", store.Record{"name": "ada_l%"})
		f.user("mixed", store.Record{"name": "Ada_L%"})
		f.user("other", store.Record{"name": "Bob"})
		f.user("null", nil)
		f.allMatch([]whereCase{
			{store.Eq("name", "ADA_L%").Fold(), ids("lower", "mixed")},
			{store.Eq("name", nil).Fold(), ids("null")},
			{store.Ne("name", "ADA_L%").Fold(), ids("other", "null")},
			{store.Ne("name", nil).Fold(), ids("lower", "mixed", "other")},
			{store.In("name", "ADA_l%", "bOB").Fold(), ids("lower", "mixed", "other")},
			{w: store.In[string]("name").Fold()},
			{store.NotIn("name", "ADA_L%").Fold(), ids("other", "null")},
			{store.NotIn[string]("name").Fold(), ids("lower", "mixed", "other", "null")},
			{store.Contains("name", "DA_").Fold(), ids("lower", "mixed")},
			{w: store.Contains("name", "D%").Fold()},
			{store.HasPrefix("name", "aD").Fold(), ids("lower", "mixed")},
			{w: store.HasPrefix("name", "___").Fold()},
			{store.HasSuffix("name", "_L%").Fold(), ids("lower", "mixed")},
			{store.HasSuffix("name", "OB").Fold(), ids("other")},
			{store.And(store.Eq("name", "BOB").Fold(), store.Eq("id", "other")), ids("other")},
			{w: store.And(store.Eq("name", "BOB"), store.Eq("id", "other").Fold())},
		})
	})},
	{"only the letters of ASCII", migrated(func(f *fixture) {
		for id, name := range map[string]string{
			"a-z": "az", "at": "@[`{", "accent": "É", "kelvin": "\u212a", "dotted": "İ", "dotless": "ı", "sharp": "ß", "greek": "Σ",
		} {
			f.user(id, store.Record{"name": name})
		}
		f.allMatch([]whereCase{
			{store.Eq("name", "AZ").Fold(), ids("a-z")},
			{w: store.Eq("name", "`{@[").Fold()},
			{store.Eq("name", "@[`{").Fold(), ids("at")},
			{w: store.Eq("name", "é").Fold()},
			{store.Eq("name", "É").Fold(), ids("accent")},
			{w: store.In("name", "k", "K", "i", "I", "ss", "SS", "σ").Fold()},
			{w: store.Contains("name", "é").Fold()},
			{w: store.HasPrefix("name", "k").Fold()},
			{w: store.HasSuffix("name", "I").Fold()},
		})
	})},
	{"has no effect on other types", migrated(func(f *fixture) {
		at := time.UnixMilli(1700000000123)
		f.user("a", store.Record{"active": true, "age": 1, "balance": 0.5, "bornAt": at})
		for field, v := range map[string]any{"active": true, "age": 1, "balance": 0.5, "bornAt": at} {
			f.matches("user", store.Eq(field, v).Fold(), "a")
			f.matches("user", store.Ne(field, v).Fold())
			f.matches("user", store.In(field, v).Fold(), "a")
			f.matches("user", store.Gte(field, v).Fold(), "a")
		}
	})},
	{"on a unique field and when writing", migrated(func(f *fixture) {
		f.user("a", store.Record{"handle": "Ada"})
		f.matches("user", store.Eq("email", "A@EXAMPLE.COM").Fold(), "a")
		if n := f.update("user", store.Eq("handle", "ADA").Fold(), store.Record{"age": 1}); n != 1 {
			f.Errorf("Update matched %d rows, want 1", n)
		}
		f.add("user", store.Eq("handle", "aDA").Fold(), map[string]int64{"age": 1}, nil)
		if got := f.byID("user", "a"); got["age"] != int64(2) {
			f.Errorf("age is %v, want 2", got["age"])
		}
		if n := f.delete("user", store.Eq("handle", "ada")); n != 0 {
			f.Errorf("Delete without Fold removed %d rows", n)
		}
		if n := f.delete("user", store.Eq("handle", "ada").Fold()); n != 1 {
			f.Errorf("Delete removed %d rows, want 1", n)
		}
	})},
}
