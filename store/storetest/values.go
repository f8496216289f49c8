package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

// hostileTexts mean something to SQL, to query builders, to drivers, to JSON
// or to databases that guess types, and must come back byte for byte.
var hostileTexts = []string{
	"", " ", "  ", "x ", "x", " x", "  two spaces  ", "\t", "\n", "\r\n", "\t\r\n", "\x01\x1f\x7f", "\ufeffbom",
	`'`, `''`, `"`, "`", `\`, `\\`, `\'`, `\"`, `\x41`, `\u0041`, `\0`, `\n`, `\u0000`, `\%`, `\_`,
	`'; DROP TABLE users; --`, `/* comment */`, `-- comment`, `;`, `[a]`, `]]`,
	`' OR '1'='1`, `" OR ""="`, `1 OR 1=1`, `') OR ('a'='a`, `'||'`, `'+'`, `{$gt:''}`, `{"$gt":""}`, `{"$ne":null}`, `$where`, `$set.a`, `a.b`,
	`%`, `_`, `100%_\%`, `*`, `.*`, `$$`, `$1`, `$tag$text$tag$`, `E'\n'`,
	`?`, `??`, `?0`, `?id`, `?TableName`, `\?`, `:name`, `::text`, `@p1`, `#{x}`, `{{x}}`, `${}`, `${1+1}`, `%s %d %v`,
	"NULL", "null", "nil", "true", "false", "DEFAULT", "{}", "{a,b}", "[]", `{"a":1}`,
	"0", "007", "1e5", "0x10", "1.0", "-0", "NaN", "Infinity", "9223372036854775808",
	"2024-01-02", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.678+00:00", "now",
	"é", "e\u0301", "ß", "ǆ", "İ", "ı", "\u212a", "한국어", "العربية", "😀", "👩‍👩‍👧‍👦", "🇦🇶", "𐍈",
	"\u2028", "\u2029", "\u0085", "\u00a0", "\u200b", "\u202e", "\ufffd", "\U0010ffff", "\ue000",
	"\ufb00", "\uffff", "\U00010000", "e\u0301\u0323", "e\u0323\u0301", "ﷺ", "\u200f\u202b\u2066", "a\u0300", "à",
	strings.Repeat("x", 64<<10), strings.Repeat("y", 64<<10+1), strings.Repeat("é'\\", 16<<10),
}

// nested is JSON of twice as many levels.
func nested(n int) string {
	return strings.Repeat(`{"a":[`, n) + `1` + strings.Repeat(`]}`, n)
}

// maxID is how long an id may be.
const maxID = 64

// unstorable texts are refused by at least one database, and so by all stores.
var unstorable = map[string]string{
	"NUL":                 "a\x00b",
	"only NUL":            "\x00",
	"invalid UTF-8":       "a\xffb",
	"cut UTF-8":           "a\xe2\x82",
	"overlong UTF-8":      "\xc0\xaf",
	"surrogate as UTF-8":  "\xed\xa0\x80",
	"surrogate pair":      "\xed\xa0\xbd\xed\xb8\x80",
	"overlong NUL":        "\xc0\x80",
	"latin-1":             "caf\xe9",
	"beyond the last one": "\xf4\x90\x80\x80",
}

var valueCases = []testCase{
	{"text comes back byte for byte", migrated(func(f *fixture) {
		for i, text := range hostileTexts {
			id := fmt.Sprint(i)
			if got := f.user(id, store.Record{"name": text}); got["name"] != text {
				f.Errorf("Create of %.40q returned %.40q", text, got["name"])
			}
			if got := f.byID("user", id); got["name"] != text {
				f.Errorf("%.40q was read as %.40q", text, got["name"])
			}
		}
		for i, text := range hostileTexts {
			f.matches("user", store.Eq("name", text), fmt.Sprint(i))
		}
	})},
	{"text is updated byte for byte", once(migrated(func(f *fixture) {
		f.users("u1")
		for _, text := range hostileTexts {
			f.update("user", store.Eq("id", "u1"), store.Record{"name": text})
			if got := f.byID("user", "u1"); got["name"] != text {
				f.Errorf("%.40q was read as %.40q", text, got["name"])
			}
			got := f.add("user", store.Eq("name", text), nil, store.Record{"role": "seen"})
			if got["name"] != text {
				f.Errorf("Add returned %.40q for %.40q", got["name"], text)
			}
		}
	}))},
	{"any text is an id", textIDs(migrated(func(f *fixture) {
		for i, text := range hostileTexts {
			if len(text) > maxID {
				continue
			}
			f.create("user", store.Record{"id": text, "email": fmt.Sprint(i)})
			f.matches("user", store.Eq("id", text), text)
			f.create("session", newSession(fmt.Sprint(i), text, nil))
			if got := f.findOne("session", store.Query{Where: store.Eq("userId", text), Join: []string{"userId"}}); got.Record("user").String("id") != text {
				f.Errorf("id %q joined as %q", text, got.Record("user").String("id"))
			}
		}
		for _, text := range hostileTexts {
			if len(text) > maxID {
				continue
			}
			if got, err := f.store.Take(f.Context(), f.table("user"), store.Eq("id", text)); err != nil || got["id"] != text {
				f.Errorf("Take of %q: %v, %v", text, got, err)
			}
		}
	}))},
	{"text that no database holds is refused", migrated(func(f *fixture) {
		f.user("u1", store.Record{"name": "kept"})
		users := f.table("user")
		for what, text := range unstorable {
			_, err := f.store.Create(f.Context(), users, newUser("u2", store.Record{"name": text}))
			f.fails("Create with "+what, err, store.ErrInvalid)
			_, err = f.store.Create(f.Context(), users, newUser("u2", store.Record{"tags": []string{"a", text}}))
			f.fails("Create with strings with "+what, err, store.ErrInvalid)
			_, err = f.store.Update(f.Context(), users, store.Eq("id", "u1"), store.Record{"name": text})
			f.fails("Update with "+what, err, store.ErrInvalid)
			_, err = f.store.Add(f.Context(), users, store.Eq("id", "u1"), nil, store.Record{"name": text})
			f.fails("Add with "+what, err, store.ErrInvalid)
			for name, w := range map[string]store.Where{
				"Eq": store.Eq("name", text), "Ne": store.Ne("name", text), "Gt": store.Gt("name", text),
				"In": store.In("name", "a", text), "NotIn": store.NotIn("name", text), "folded": store.Eq("name", text).Fold(),
				"Contains": store.Contains("name", text), "HasPrefix": store.HasPrefix("name", text), "HasSuffix": store.HasSuffix("name", text),
				"nested": store.And(store.Eq("id", "u1"), store.Or(store.Eq("name", text))),
			} {
				_, err := f.store.FindOne(f.Context(), users, store.Query{Where: w})
				f.fails("FindOne "+name+" with "+what, err, store.ErrInvalid)
				_, err = f.store.Delete(f.Context(), users, w)
				f.fails("Delete "+name+" with "+what, err, store.ErrInvalid)
			}
		}
		if got := f.byID("user", "u1"); got["name"] != "kept" || f.count("user", store.Where{}) != 1 {
			f.Errorf("a refused call changed something: %v", got)
		}
	})},
	{"times keep milliseconds and the instant", migrated(func(f *fixture) {
		for i, at := range []time.Time{
			time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC),
			time.Date(2024, 2, 29, 23, 59, 59, 1e6, time.UTC),
			time.Date(2024, 2, 29, 23, 59, 59, 120e6, time.UTC),
			time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC),
			time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC),
			time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC),
			time.Date(1815, 12, 10, 1, 2, 3, 4e6, time.UTC),
			time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
			time.Date(2024, 7, 1, 12, 0, 0, 5e6, time.FixedZone("east", 5*3600+45*60)),
			time.Date(2024, 1, 1, 0, 30, 0, 5e6, time.FixedZone("west", -11*3600)),
			time.Date(1900, 1, 1, 12, 0, 0, 0, time.FixedZone("odd", 19*60+32)),
			time.Now(),
			time.Now().UTC(),
		} {
			id, want := fmt.Sprint(i), store.CanonicalTime(at)
			created := f.user(id, store.Record{"bornAt": at})
			read := f.byID("user", id)
			f.update("user", store.Eq("id", id), store.Record{"bornAt": at})
			for what, got := range map[string]any{"Create": created["bornAt"], "FindOne": read["bornAt"], "Update": f.byID("user", id)["bornAt"]} {
				if !sameValue(got, want) {
					f.Errorf("%s: got %s, want %s", what, show(got), show(want))
				}
			}
			f.matches("user", store.And(store.Eq("id", id), store.Eq("bornAt", at)), id)
			f.matches("user", store.And(store.Eq("id", id), store.Gt("bornAt", want.Add(-time.Millisecond)), store.Lt("bornAt", want.Add(time.Millisecond))), id)
		}
	})},
	{"times compare as instants, whatever their zone", migrated(func(f *fixture) {
		at := time.Date(2024, 3, 10, 23, 30, 0, 500e6, time.UTC)
		for id, d := range map[string]time.Duration{"before": -time.Millisecond, "at": 0, "after": time.Millisecond} {
			f.user(id, store.Record{"bornAt": at.Add(d)})
		}
		f.user("first", store.Record{"bornAt": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)})
		f.user("last", store.Record{"bornAt": time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)})
		for _, zone := range []*time.Location{time.UTC, time.Local, time.FixedZone("east", 13*3600), time.FixedZone("west", -9*3600-1800)} {
			asked := at.In(zone).Add(999 * time.Microsecond) // less than a store keeps
			f.matches("user", store.Eq("bornAt", asked), "at")
			f.matches("user", store.In("bornAt", asked, asked), "at")
			f.matches("user", store.Lt("bornAt", asked), "before", "first")
			f.matches("user", store.Lte("bornAt", asked), "before", "first", "at")
			f.matches("user", store.Gt("bornAt", asked), "after", "last")
			f.matches("user", store.Gte("bornAt", asked), "after", "last", "at")
			f.matches("user", store.Ne("bornAt", asked), "before", "after", "first", "last")
		}
	})},
	{"integers keep every bit", migrated(func(f *fixture) {
		for i, n := range []int64{
			0, 1, -1, math.MaxInt32, math.MinInt32, math.MaxUint32, 1 << 53, 1<<53 + 1, -(1<<53 + 1),
			math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1,
		} {
			id := fmt.Sprint(i)
			if got := f.user(id, store.Record{"age": n}); got["age"] != n {
				f.Errorf("Create of %d returned %s", n, show(got["age"]))
			}
			if got := f.byID("user", id); got["age"] != n {
				f.Errorf("%d was read as %s", n, show(got["age"]))
			}
			f.matches("user", store.Eq("age", n), id)
		}
		f.matches("user", store.And(store.Gt("age", 1<<53), store.Lt("age", 1<<53+2)), "7")
		f.matches("user", store.Gt("age", int64(math.MaxInt64-1)), "9")
		f.matches("user", store.Lte("age", int64(math.MinInt64)), "11")
		f.matches("user", store.In("age", int64(math.MaxInt64), int64(math.MinInt64+1)), "9", "12")
	})},
	{"integers of every Go type become int64", migrated(func(f *fixture) {
		for i, n := range []any{7, int32(7), int64(7), uint32(7)} {
			if got := f.user(fmt.Sprint(i), store.Record{"age": n}); got["age"] != int64(7) {
				f.Errorf("%T became %s", n, show(got["age"]))
			}
		}
	})},
	{"floats keep every bit", migrated(func(f *fixture) {
		for i, n := range []float64{
			0, 3, -3, 0.1, 1.0 / 3, math.Pi, 1e15, 1e21, 1 << 53, -1e-300,
			math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxInt64,
		} {
			id := fmt.Sprint(i)
			if got := f.user(id, store.Record{"balance": n}); got["balance"] != n {
				f.Errorf("Create of %v returned %s", n, show(got["balance"]))
			}
			if got := f.byID("user", id); got["balance"] != n {
				f.Errorf("%v was read as %s", n, show(got["balance"]))
			}
			f.matches("user", store.Eq("balance", n), id)
		}
	})},
	{"numbers that are none are refused", migrated(func(f *fixture) {
		for _, n := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			_, err := f.store.Create(f.Context(), f.table("user"), newUser("u1", store.Record{"balance": n}))
			f.fails(fmt.Sprint("Create with ", n), err, store.ErrInvalid)
		}
		f.gone("user", "u1")
	})},
	{"JSON means the same", migrated(func(f *fixture) {
		deep := nested(15)
		for i, raw := range []string{
			`{}`, `[]`, `"text"`, `""`, `0`, `-1.5`, `true`, `false`, `9007199254740993`, `12345678901234567890`,
			`{"b":1,"a":{"c":[null,true,{"d":""}]}}`, `[[],{},[{}],[null]]`, deep,
			`{"quote":"\"","backslash":"\\","line":"\u2028","html":"<&>","emoji":"😀","escaped":"\ud83d\ude00"}`,
			`{"":0," ":1,"?":"?","$1":"$1",":a":"::b","'":"''","%":"_"}`,
			`{"long":"` + strings.Repeat("x", 64<<10) + `"}`,
		} {
			id, want := fmt.Sprint(i), json.RawMessage(raw)
			created := f.user(id, store.Record{"settings": want})
			read := f.byID("user", id)
			f.update("user", store.Eq("id", id), store.Record{"settings": want})
			for what, got := range map[string]any{"Create": created["settings"], "FindOne": read["settings"], "Update": f.byID("user", id)["settings"]} {
				if !sameValue(got, want) {
					f.Errorf("%s: got %s, want %s", what, show(got), show(want))
				}
			}
		}
	})},
	{"Go values become JSON", migrated(func(f *fixture) {
		got := f.user("u1", store.Record{"settings": map[string]any{"n": 1, "s": []string{"a"}}})
		if want := json.RawMessage(`{"n":1,"s":["a"]}`); !sameValue(got["settings"], want) {
			f.Errorf("got %s, want %s", show(got["settings"]), want)
		}
	})},
	{"JSON null is no database null", migrated(func(f *fixture) {
		f.user("json", store.Record{"settings": json.RawMessage(`null`)})
		f.user("null", store.Record{"settings": nil})
		if got := f.byID("user", "json")["settings"]; !sameValue(got, json.RawMessage(`null`)) {
			f.Errorf("JSON null was read as %s", show(got))
		}
		f.matches("user", store.Eq("settings", nil), "null")
		f.matches("user", store.Ne("settings", nil), "json")
	})},
	{"JSON that is none is refused", migrated(func(f *fixture) {
		for _, raw := range []string{``, `{`, `{"a":1}x`, `undefined`, `{'a':1}`, "\"a\xff\"", "\"a\x00\""} {
			_, err := f.store.Create(f.Context(), f.table("user"), newUser("u1", store.Record{"settings": json.RawMessage(raw)}))
			f.fails(fmt.Sprintf("Create with JSON %q", raw), err, store.ErrInvalid)
		}
		f.gone("user", "u1")
	})},
	{"JSON that some databases refuse is kept or refused", migrated(func(f *fixture) {
		for i, raw := range []string{`"\u0000"`, `{"\u0000":1}`, `"\ud800"`, nested(50), nested(500)} {
			id := fmt.Sprint(i)
			got, err := f.store.Create(f.Context(), f.table("user"), newUser(id, store.Record{"settings": json.RawMessage(raw)}))
			switch {
			case err == nil && !sameValue(got["settings"], json.RawMessage(raw)):
				f.Errorf("%.40s became %s", raw, show(got["settings"]))
			case err != nil && !errors.Is(err, store.ErrInvalid):
				f.Errorf("%.40s: got error %v, want none or one that is %q", raw, err, store.ErrInvalid)
			}
		}
	})},
	{"strings keep order, repetition and emptiness", migrated(func(f *fixture) {
		short := make([]string, 0, len(hostileTexts))
		for _, text := range hostileTexts {
			if len(text) < 1000 {
				short = append(short, text)
			}
		}
		for i, want := range [][]string{
			{}, {""}, {"", ""}, {"b", "a", "b"}, {"NULL"}, {"null"}, {"a,b", `{"c"}`, `\`, `"`}, {"64 KiB", strings.Repeat("x", 64<<10)}, short,
		} {
			id := fmt.Sprint(i)
			created := f.user(id, store.Record{"tags": want})
			read := f.byID("user", id)
			f.update("user", store.Eq("id", id), store.Record{"tags": want})
			for what, got := range map[string]any{"Create": created["tags"], "FindOne": read["tags"], "Update": f.byID("user", id)["tags"]} {
				if !sameValue(got, want) {
					f.Errorf("%s: got %s, want %s", what, show(got), show(want))
				}
			}
		}
	})},
	{"empty strings are no null", migrated(func(f *fixture) {
		f.user("empty", store.Record{"tags": []string{}})
		f.user("null", store.Record{"tags": nil})
		f.matches("user", store.Eq("tags", nil), "null")
		f.matches("user", store.Ne("tags", nil), "empty")
		if got, ok := f.byID("user", "null")["tags"]; got != nil || !ok {
			f.Errorf("null strings were read as %s", show(got))
		}
	})},
	{"every type is set to null and back", migrated(func(f *fixture) {
		full := fullUser("u1")
		f.create("user", full)
		for name, v := range full {
			if name == "id" || name == "email" {
				continue
			}
			f.update("user", store.Eq("id", "u1"), store.Record{name: nil})
			if got, ok := f.byID("user", "u1")[name]; got != nil || !ok {
				f.Errorf("field %q set to null is %s", name, show(got))
			}
			f.matches("user", store.Eq(name, nil), "u1")
			f.update("user", store.Eq("id", "u1"), store.Record{name: v})
			f.matches("user", store.Eq(name, nil))
		}
		f.equals(f.byID("user", "u1"), full)
	})},
}
