package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// shortHostile are the texts that every index takes.
func shortHostile() []string {
	var short []string
	for _, text := range hostileTexts {
		if len(text) <= 191 {
			short = append(short, text)
		}
	}
	return short
}

// operators are those on text, each with what it means in Go.
var operators = []struct {
	name  string
	where func(text string) store.Where
	holds func(stored, text string) bool
}{
	{"Eq", func(s string) store.Where { return store.Eq("name", s) }, func(a, b string) bool { return a == b }},
	{"Ne", func(s string) store.Where { return store.Ne("name", s) }, func(a, b string) bool { return a != b }},
	{"Lt", func(s string) store.Where { return store.Lt("name", s) }, func(a, b string) bool { return a < b }},
	{"Lte", func(s string) store.Where { return store.Lte("name", s) }, func(a, b string) bool { return a <= b }},
	{"Gt", func(s string) store.Where { return store.Gt("name", s) }, func(a, b string) bool { return a > b }},
	{"Gte", func(s string) store.Where { return store.Gte("name", s) }, func(a, b string) bool { return a >= b }},
	{"In", func(s string) store.Where { return store.In("name", s, "another") }, func(a, b string) bool { return a == b }},
	{"NotIn", func(s string) store.Where { return store.NotIn("name", "another", s) }, func(a, b string) bool { return a != b }},
	{"Contains", func(s string) store.Where { return store.Contains("name", s) }, strings.Contains},
	{"HasPrefix", func(s string) store.Where { return store.HasPrefix("name", s) }, strings.HasPrefix},
	{"HasSuffix", func(s string) store.Where { return store.HasSuffix("name", s) }, strings.HasSuffix},
	{"Eq folded", func(s string) store.Where { return store.Eq("name", s).Fold() }, func(a, b string) bool { return lower(a) == lower(b) }},
	{"NotIn folded", func(s string) store.Where { return store.NotIn("name", s).Fold() }, func(a, b string) bool { return lower(a) != lower(b) }},
	{"Contains folded", func(s string) store.Where { return store.Contains("name", s).Fold() }, func(a, b string) bool { return strings.Contains(lower(a), lower(b)) }},
	{"HasPrefix folded", func(s string) store.Where { return store.HasPrefix("name", s).Fold() }, func(a, b string) bool { return strings.HasPrefix(lower(a), lower(b)) }},
	{"HasSuffix folded", func(s string) store.Where { return store.HasSuffix("name", s).Fold() }, func(a, b string) bool { return strings.HasSuffix(lower(a), lower(b)) }},
}

// lower folds the letters of ASCII and no others.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// noise is text of n bytes that cannot be made smaller by much, the same for the
// same n.
func noise(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'\""
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

var hostileCases = []testCase{
	{"every operator means the same for every text", once(migrated(func(f *fixture) {
		texts := shortHostile()
		f.inserted("user", len(texts), func(i int) store.Record { return newUser(fmt.Sprint(i), store.Record{"name": texts[i]}) })
		for _, op := range operators {
			for _, text := range texts {
				var want []string
				for i, stored := range texts {
					if op.holds(stored, text) {
						want = append(want, fmt.Sprint(i))
					}
				}
				got := idsOf(f.findMany("user", store.Query{Where: op.where(text), Select: []string{"id"}, Limit: store.NoLimit}))
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					f.Errorf("%s %q matches %q, want %q", op.name, text, got, want)
				}
			}
		}
	}))},
	{"texts sort by their bytes", migrated(func(f *fixture) {
		texts := shortHostile()
		f.inserted("user", len(texts), func(i int) store.Record { return newUser(fmt.Sprint(i), store.Record{"name": texts[i]}) })
		slices.Sort(texts)
		rows := f.nRows(len(texts), "user", store.Query{Sort: []store.Sort{{Field: "name"}}, Limit: store.NoLimit})
		for i, r := range rows {
			if r["name"] != texts[i] {
				f.Fatalf("row %d is named %q, want %q", i, r["name"], texts[i])
			}
		}
	})},
	{"in every kind of field", once(migrated(func(f *fixture) {
		for i, text := range shortHostile() {
			id := fmt.Sprint(i)
			user := store.Record{"email": text, "handle": text, "name": text, "role": text}
			f.user(id, user)
			f.create("account", store.Record{"id": id, "providerId": text, "accountId": text})
			f.create("badge", store.Record{"id": id, "userHandle": text})
			var all, some []store.Where
			for field := range user {
				all = append(all, store.Eq(field, text), store.In(field, text, "another"))
				some = append(some, store.Eq(field, text))
			}
			f.matches("user", store.And(all...), id)
			f.matches("user", store.Or(some...), id)
			f.matches("account", store.And(store.Eq("providerId", text), store.Eq("accountId", text)), id)
			got := f.findOne("badge", store.Query{Where: store.Eq("userHandle", text), Join: []string{"userHandle"}})
			if got["userHandle"] != text || got.Record("holder")["handle"] != text {
				f.Errorf("%q was read as %q and joined as %q", text, got["userHandle"], got.Record("holder")["handle"])
			}
			f.joins(f.findOne("user", store.Query{Where: store.Eq("handle", text), Children: children(store.Children{Table: "badge"})}), "badge", id)
			_, err := f.store.Create(f.Context(), f.table("user"), store.Record{"id": "again", "email": text})
			f.duplicates(fmt.Sprintf("the email %q again", text), err, "user", "email")
			got, err = f.store.Take(f.Context(), f.table("account"), store.And(store.Eq("providerId", text), store.Eq("accountId", text)))
			if err != nil || got["providerId"] != text || got["accountId"] != text {
				f.Errorf("Take of %q: %q, %v", text, got["providerId"], err)
			}
		}
	}))},
	{"all at once in one list", migrated(func(f *fixture) {
		f.inserted("user", len(hostileTexts), func(i int) store.Record { return newUser(fmt.Sprint(i), store.Record{"name": hostileTexts[i]}) })
		f.user("another", store.Record{"name": "another"})
		if n := f.count("user", store.In("name", hostileTexts...)); n != int64(len(hostileTexts)) {
			f.Errorf("%d rows match, want %d", n, len(hostileTexts))
		}
		f.matches("user", store.NotIn("name", hostileTexts...), "another")
	})},
	{"as keys and members of JSON", migrated(func(f *fixture) {
		all := map[string]any{}
		for i, text := range hostileTexts {
			all[fmt.Sprint(i)] = map[string]string{text: text}
			if len(text) > 1000 {
				continue
			}
			raw, err := json.Marshal(map[string]any{text: []string{text}})
			if err != nil {
				f.Fatal(err)
			}
			if got := f.user(fmt.Sprint(i), store.Record{"settings": json.RawMessage(raw)}); !sameValue(got["settings"], json.RawMessage(raw)) {
				f.Errorf("%s became %s", raw, show(got["settings"]))
			}
		}
		raw, err := json.Marshal(all)
		if err != nil {
			f.Fatal(err)
		}
		f.user("all", store.Record{"settings": json.RawMessage(raw)})
		if got := f.byID("user", "all"); !sameValue(got["settings"], json.RawMessage(raw)) {
			f.Errorf("all at once became %s", show(got["settings"]))
		}
	})},
	{"an empty text, null, zero and false are four things", migrated(func(f *fixture) {
		for id, name := range map[string]any{"empty": "", "null": nil, "word": "null", "zero": "0", "false": "false", "true": "true"} {
			f.user(id, store.Record{"name": name, "handle": name, "tags": []string{fmt.Sprint(name)}})
			if got := f.byID("user", id); got["name"] != name || got["handle"] != name {
				f.Errorf("%#v was read as %#v and %#v", name, got["name"], got["handle"])
			}
		}
		for _, field := range []string{"name", "handle"} {
			f.matches("user", store.Eq(field, ""), "empty")
			f.matches("user", store.Eq(field, nil), "null")
			f.matches("user", store.Eq(field, "null"), "word")
			f.matches("user", store.Eq(field, "0"), "zero")
			f.matches("user", store.Eq(field, "false"), "false")
			f.matches("user", store.Ne(field, ""), "null", "word", "zero", "false", "true")
			f.matches("user", store.Ne(field, nil), "empty", "word", "zero", "false", "true")
			f.matches("user", store.Lte(field, ""), "empty")
		}
	})},
	{"long text in an indexed field is kept whole or refused", once(migrated(func(f *fixture) {
		for i, n := range []int{191, 192, 255, 256, 768, 3072, 8191, 64 << 10, 64<<10 + 1} {
			text, id := noise(n), fmt.Sprint("u", i)
			for _, field := range []string{"email", "handle", "role"} {
				f.keptOrRefused("user", store.Record{"id": id, "email": id, field: text}, field, n)
			}
			f.keptOrRefused("account", store.Record{"id": id, "providerId": text, "accountId": text}, "accountId", n)
			f.keptOrRefused("session", store.Record{"id": id, "token": text, "userId": f.anyUser()}, "token", n)
		}
	}))},
	{"text of any length is looked for", once(migrated(func(f *fixture) {
		f.user("u1", store.Record{"handle": "x", "role": "x", "name": "x"})
		for _, n := range []int{256, 3073, 64 << 10, 64<<10 + 1, 1 << 20} {
			text := noise(n)
			for _, field := range []string{"id", "email", "handle", "role", "name"} {
				for _, w := range []store.Where{store.Eq(field, text), store.In(field, text, text+"x"), store.HasPrefix(field, text), store.Contains(field, text)} {
					if got := f.count("user", w); got != 0 {
						f.Errorf("operator %d with %d bytes for %s counts %d", w.Op, n, field, got)
					}
				}
				if got := f.count("user", store.Ne(field, text)); got != 1 {
					f.Errorf("%d rows are unequal to %d bytes in %s, want 1", got, n, field)
				}
			}
			_, err := f.store.Take(f.Context(), f.table("user"), store.Eq("email", text))
			f.fails("Take", err, store.ErrNotFound)
		}
	}))},
	{"a mebibyte is kept", once(migrated(func(f *fixture) {
		text := noise(1<<20-8) + "\\'\"?%é_"
		raw, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			f.Fatal(err)
		}
		set := store.Record{"name": text, "settings": json.RawMessage(raw), "tags": []string{text, "b"}}
		f.user("u1", set)
		f.users("u2")
		f.update("user", store.Eq("id", "u2"), set)
		for _, id := range []string{"u1", "u2"} {
			got := f.byID("user", id)
			for name, want := range set {
				if !sameValue(got[name], want) {
					f.Errorf("%s of %s came back as %s", name, id, show(got[name]))
				}
			}
		}
		f.matches("user", store.Eq("name", text), "u1", "u2")
		f.matches("user", store.And(store.Eq("id", "u1"), store.HasSuffix("name", text[1000:])), "u1")
	}))},
}

// anyUser is the id of a user that is made if need be.
func (f *fixture) anyUser() string {
	f.Helper()
	if f.count("user", store.Eq("email", "any")) == 0 {
		f.user("any", store.Record{"email": "any"})
	}
	return "any"
}

// keptOrRefused creates and deletes a row with a long text in the field.
func (f *fixture) keptOrRefused(table string, r store.Record, field string, n int) {
	f.Helper()
	id := r.String("id")
	got, err := f.store.Create(f.Context(), f.table(table), r)
	if err != nil {
		f.fails(fmt.Sprintf("Create with %d bytes in %s", n, field), err, store.ErrInvalid)
		f.gone(table, id)
		return
	}
	read, err := f.store.FindOne(f.Context(), f.table(table), store.Query{Where: store.Eq(field, r[field])})
	if err != nil || got[field] != r[field] || read[field] != r[field] {
		f.Errorf("%d bytes in %s of %s were not kept: %v", n, field, table, errors.Join(err))
	}
	f.delete(table, store.Eq("id", id))
}
