package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/store"
)

// policy is one way in which rows get their ids.
type policy struct {
	name string
	ids  store.IDs
}

func policies() []policy {
	var made atomic.Int64
	return []policy{
		{"RandomIDs", store.RandomIDs()},
		{"IDFunc", store.IDFunc(func(table string) (string, error) { return fmt.Sprint(table, "-", made.Add(1)), nil })},
		{"UUIDv4", store.UUIDv4()},
		{"UUIDv7", store.UUIDv7()},
		{"DatabaseUUIDs", store.DatabaseUUIDs()},
		{"SerialIDs", store.SerialIDs()},
	}
}

// idTables are chained by their ids: an item refers to an owner, a note to the
// item by a field that itself refers to an owner.
func idTables() []store.Table {
	return []store.Table{
		{Name: "owner", Fields: []*store.Field{
			{Name: "name", Type: store.String},
			{Name: "n", Type: store.Int},
		}},
		{Name: "item", Fields: []*store.Field{
			{Name: "ownerId", Type: store.String, Unique: true, References: &store.Reference{Table: "owner"}},
			{Name: "n", Type: store.Int},
		}},
		{Name: "note", Fields: []*store.Field{
			{Name: "itemOwnerId", Type: store.String, References: &store.Reference{Table: "item", Field: "ownerId", As: "item"}},
			{Name: "writerId", Type: store.String, References: &store.Reference{Table: "owner", OnDelete: store.SetNull}},
		}},
	}
}

// given are ids that a row may be given, in the order of the kind.
func (f *fixture) given() []string {
	switch f.ids.Kind() {
	case store.UUIDID:
		return []string{
			"00000000-0000-0000-0000-000000000001", "00000000-0000-4000-8000-00000000000a", "0a000000-0000-4000-8000-000000000000",
			"a0000000-0000-7000-8000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		}
	case store.SerialID:
		return []string{"9", "10", "99", "1000", "9007199254740993"}
	}
	return []string{"10", "9", "A", "a", strings.Repeat("z", maxID)}
}

// notIDs are texts that are no id of the kind: none where any text is one.
func (f *fixture) notIDs() []string {
	common := []string{
		"", " ", "x", "null", "NULL", "%", "_", "'", "''", "1'", "1 OR 1=1", "1; --", `\`, "é", "😀",
		strings.Repeat("9", 400), strings.Repeat("x", 64<<10),
	}
	switch f.ids.Kind() {
	case store.UUIDID:
		return append(common,
			"1", "0", "00000000000040008000000000000001", "{00000000-0000-4000-8000-000000000001}",
			"urn:uuid:00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000011",
			"00000000-0000-4000-8000-00000000000g", "00000000-0000-4000-8000-000000000001 ", "0000-00000000-4000-8000-000000000001",
		)
	case store.SerialID:
		return append(common,
			"0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "١", "9223372036854775808", "18446744073709551617", "NaN", "true",
			"00000000-0000-4000-8000-000000000001",
		)
	}
	return nil
}

// isID reports whether the text has the form of the kind's ids.
func (f *fixture) isID(id string) bool {
	return id != "" && !slices.Contains(f.notIDs(), id) && len(id) <= maxID && f.formed(id)
}

func (f *fixture) formed(id string) bool {
	switch f.ids.Kind() {
	case store.UUIDID:
		return len(id) == 36 && strings.ToLower(id) == id && strings.Count(id, "-") == 4
	case store.SerialID:
		n, err := strconv.ParseInt(id, 10, 64)
		return err == nil && n > 0 && strconv.FormatInt(n, 10) == id
	}
	return true
}

// withID is the record with an id as the engine would give it one: not where
// the database makes it.
func (f *fixture) withID(table string, r store.Record) store.Record {
	r = maps.Clone(r)
	if r == nil {
		r = store.Record{}
	}
	if f.ids.ByDatabase() {
		return r
	}
	id, err := f.ids.New(rand.Reader, table)
	if err != nil {
		f.Errorf("make an id: %v", err)
	}
	r[store.ID] = id
	return r
}

// made creates a row whose id nobody has chosen and returns it.
func (f *fixture) made(table string, r store.Record) store.Record {
	f.Helper()
	got := f.create(table, f.withID(table, r))
	if id, ok := got[store.ID].(string); !ok || !f.isID(id) {
		f.Fatalf("a new row in %s has the id %#v, which is no id of kind %s", table, got[store.ID], f.ids.Kind())
	}
	return got
}

var idCases = []testCase{
	{"are made for new rows and read back as text", migrated(func(f *fixture) {
		seen := map[string]bool{}
		for i := range 20 {
			row := f.made("owner", store.Record{"n": i})
			id := row.String("id")
			if seen[id] {
				f.Errorf("the id %s came twice", id)
			}
			seen[id] = true
			want := store.Record{"id": id, "name": nil, "n": int64(i)}
			f.equals(row, want)
			f.equals(f.byID("owner", id), want)
			f.equals(f.findOne("owner", store.Query{Where: store.Eq("n", i)}), want)
		}
		if n := f.count("owner", store.Where{}); n != 20 {
			f.Errorf("%d rows, want 20", n)
		}
	})},
	{"are missed where nobody makes them", migrated(func(f *fixture) {
		for what, r := range map[string]store.Record{"none": {"n": 1}, "null": {"n": 1, "id": nil}} {
			got, err := f.store.Create(f.Context(), f.table("owner"), r)
			switch {
			case !f.ids.ByDatabase():
				f.fails("Create with the id "+what, err, store.ErrInvalid)
			case err != nil || !f.isID(got.String("id")):
				f.Errorf("Create with the id %s: %v, %v", what, got, err)
			}
		}
	})},
	{"given are taken as they are", migrated(func(f *fixture) {
		for i, id := range f.given() {
			want := store.Record{"id": id, "name": "given", "n": int64(i)}
			f.equals(f.create("owner", want), want)
			f.equals(f.byID("owner", id), want)
			f.matches("owner", store.In("id", id, id), id)
			_, err := f.store.Create(f.Context(), f.table("owner"), store.Record{"id": id, "n": 100})
			f.duplicates("a taken id", err, "owner", "id")
		}
		if n := f.update("owner", store.Eq("id", f.given()[0]), store.Record{"n": 50}); n != 1 {
			f.Errorf("Update matched %d rows, want 1", n)
		}
		if got := f.add("owner", store.Eq("id", f.given()[0]), deltas{"n": 1}, nil); got["n"] != int64(51) || got["id"] != f.given()[0] {
			f.Errorf("Add returned %v", got)
		}
		got, err := f.store.Take(f.Context(), f.table("owner"), store.Eq("id", f.given()[0]))
		if err != nil || got["id"] != f.given()[0] {
			f.Errorf("Take: %v, %v", got, err)
		}
		f.gone("owner", f.given()[0])
	})},
	{"made and given do not meet", migrated(func(f *fixture) {
		made := f.made("owner", nil).String("id")
		given := f.given()[0]
		if n, err := strconv.ParseInt(made, 10, 64); err == nil && n < math.MaxInt64 {
			given = strconv.FormatInt(n+1, 10) // where the count is about to come by
		}
		f.create("owner", store.Record{"id": given})
		for range 3 {
			f.made("owner", nil)
		}
		if n := f.count("owner", store.Where{}); n != 5 {
			f.Errorf("%d rows, want 5", n)
		}
	})},
	{"do not come again when their row is gone", migrated(func(f *fixture) {
		seen := map[string]bool{}
		for range 5 {
			id := f.made("owner", nil).String("id")
			if seen[id] {
				f.Errorf("the id %s of a deleted row was made again", id)
			}
			seen[id] = true
			f.delete("owner", store.Eq("id", id))
		}
	})},
	{"are made by many at once, none twice", migrated(func(f *fixture) {
		var seen sync.Map
		err := errors.Join(parallel(callers, func(int) error {
			for range 5 {
				got, err := f.store.Create(f.Context(), f.table("owner"), f.withID("owner", nil))
				if err != nil {
					return err
				}
				if _, twice := seen.LoadOrStore(got["id"], true); twice {
					return fmt.Errorf("the id %v came twice", got["id"])
				}
			}
			return nil
		})...)
		if err != nil {
			f.Error(err)
		}
		if n := f.count("owner", store.Where{}); n != callers*5 {
			f.Errorf("%d rows, want %d", n, callers*5)
		}
	})},
	{"order as their kind does", migrated(func(f *fixture) {
		given := f.given()
		for i := range given { // not in the order expected
			f.create("owner", store.Record{"id": given[(i*3+1)%len(given)]})
		}
		f.inOrder("owner", store.Query{Sort: byID}, given...)
		reversed := slices.Clone(given)
		slices.Reverse(reversed)
		f.inOrder("owner", store.Query{Sort: []store.Sort{{Field: "id", Desc: true}}}, reversed...)
		for i, id := range given {
			f.matches("owner", store.Lt("id", id), given[:i]...)
			f.matches("owner", store.Lte("id", id), given[:i+1]...)
			f.matches("owner", store.Gt("id", id), given[i+1:]...)
			f.matches("owner", store.Gte("id", id), given[i:]...)
			f.matches("owner", store.Ne("id", id), slices.Concat(given[:i], given[i+1:])...)
			f.matches("owner", store.NotIn("id", id), slices.Concat(given[:i], given[i+1:])...)
			f.create("item", store.Record{"id": id, "ownerId": id})
			f.create("note", store.Record{"id": id, "writerId": given[2]})
		}
		f.inOrder("item", store.Query{Sort: []store.Sort{{Field: "ownerId", Desc: true}}}, reversed...)
		f.matches("item", store.Gte("ownerId", given[2]), given[2:]...)
		got := f.findOne("owner", store.Query{Where: store.Eq("id", given[2]), Children: children(store.Children{Table: "note", Field: "writerId", As: "notes"})})
		f.joins(got, "notes", given...)
	})},
	{"match by parts as the text that they are", migrated(func(f *fixture) {
		given := f.given()
		for _, id := range given {
			f.create("owner", store.Record{"id": id})
		}
		for _, part := range []string{"0", "9", "a", "-", "00", "10", "%", "_", "", "ffff", given[1]} {
			var prefix, contains, suffix, folded []string
			for _, id := range given {
				if strings.HasPrefix(id, part) {
					prefix = append(prefix, id)
				}
				if strings.Contains(id, part) {
					contains = append(contains, id)
				}
				if strings.HasSuffix(id, part) {
					suffix = append(suffix, id)
				}
				if strings.Contains(strings.ToLower(id), strings.ToLower(part)) {
					folded = append(folded, id)
				}
			}
			f.matches("owner", store.HasPrefix("id", part), prefix...)
			f.matches("owner", store.Contains("id", part), contains...)
			f.matches("owner", store.HasSuffix("id", part), suffix...)
			f.matches("owner", store.Contains("id", strings.ToUpper(part)).Fold(), folded...)
		}
	})},
	{"of another kind match nothing", migrated(func(f *fixture) {
		id := f.made("owner", store.Record{"n": 1}).String("id")
		f.made("item", store.Record{"ownerId": id})
		for _, wrong := range f.notIDs() {
			for _, w := range []store.Where{
				store.Eq("id", wrong), store.Lt("id", wrong), store.Lte("id", wrong), store.Gt("id", wrong), store.Gte("id", wrong), store.In("id", wrong),
				store.Eq("id", wrong).Fold(), store.In("id", wrong, wrong).Fold(), store.And(store.Eq("n", 1), store.Eq("id", wrong)), store.Or(store.Eq("id", wrong)),
			} {
				if n := f.count("owner", w); n != 0 {
					f.Errorf("operator %d with %.40q counts %d", w.Op, wrong, n)
				}
			}
			for _, w := range []store.Where{
				store.Ne("id", wrong), store.NotIn("id", wrong), store.In("id", wrong, id), store.Or(store.Eq("id", id), store.Eq("id", wrong)),
				store.And(store.Eq("id", id), store.Ne("id", wrong)), store.Ne("id", wrong).Fold(),
			} {
				if n := f.count("owner", w); n != 1 {
					f.Errorf("operator %d with %.40q counts %d, want 1", w.Op, wrong, n)
				}
			}
			if n := f.count("item", store.Eq("ownerId", wrong)) + f.count("item", store.NotIn("ownerId", id, wrong)); n != 0 {
				f.Errorf("%d references match %.40q", n, wrong)
			}
			w := store.Eq("id", wrong)
			_, err := f.store.FindOne(f.Context(), f.table("owner"), store.Query{Where: w, Children: children(store.Children{Table: "item"})})
			f.fails("FindOne", err, store.ErrNotFound)
			_, err = f.store.Take(f.Context(), f.table("owner"), w)
			f.fails("Take", err, store.ErrNotFound)
			_, err = f.store.Add(f.Context(), f.table("owner"), w, deltas{"n": 1}, nil)
			f.fails("Add", err, store.ErrNotFound)
			if n := f.update("owner", w, store.Record{"n": 2}) + f.delete("owner", w); n != 0 {
				f.Errorf("%.40q matched %d rows to write", wrong, n)
			}
		}
		f.matches("owner", store.Eq("n", 1), id)
	})},
	{"of another kind are not written", migrated(func(f *fixture) {
		id := f.made("owner", nil).String("id")
		item := f.made("item", store.Record{"ownerId": id}).String("id")
		for _, wrong := range f.notIDs() {
			_, err := f.store.Create(f.Context(), f.table("owner"), store.Record{"id": wrong})
			f.fails("Create with an id", err, store.ErrInvalid)
			_, err = f.store.Create(f.Context(), f.table("item"), f.withID("item", store.Record{"ownerId": wrong}))
			f.fails("Create with a reference", err, store.ErrInvalid)
			_, err = f.store.Create(f.Context(), f.table("note"), f.withID("note", store.Record{"itemOwnerId": wrong}))
			f.fails("Create with a reference to one", err, store.ErrInvalid)
			_, err = f.store.Update(f.Context(), f.table("item"), store.Eq("id", item), store.Record{"ownerId": wrong})
			f.fails("Update of a reference", err, store.ErrInvalid)
			_, err = f.store.Add(f.Context(), f.table("item"), store.Eq("id", item), deltas{"n": 1}, store.Record{"ownerId": wrong})
			f.fails("Add with a reference", err, store.ErrInvalid)
		}
		f.matches("owner", store.Where{}, id)
		f.matches("item", store.Eq("ownerId", id), item)
	})},
	{"are followed by references", migrated(func(f *fixture) {
		owner := f.made("owner", store.Record{"name": "x"})
		id := owner.String("id")
		other := f.made("owner", nil).String("id")
		item := f.made("item", store.Record{"ownerId": id})
		note := f.made("note", store.Record{"itemOwnerId": id, "writerId": other})
		empty := f.made("note", nil)
		f.equals(f.byID("note", empty.String("id")), store.Record{"id": empty["id"], "itemOwnerId": nil, "writerId": nil})

		got := f.findOne("note", store.Query{Where: store.Eq("itemOwnerId", id), Join: []string{"itemOwnerId", "writerId"}})
		f.equals(got.Record("item"), item)
		if got.Record("writer")["id"] != other || got["itemOwnerId"] != id || got["writerId"] != other {
			f.Errorf("the note joined is %v", got)
		}
		got = f.findOne("owner", store.Query{Where: store.Eq("id", id), Children: children(
			store.Children{Table: "item"}, store.Children{Table: "note"},
		)})
		f.equals(got.Record("item"), item)
		f.joins(got, "note")
		got = f.findOne("item", store.Query{Where: store.Eq("id", item["id"]), Children: children(store.Children{Table: "note"})})
		f.joins(got, "note", note.String("id"))

		f.delete("owner", store.Eq("id", id))
		_, err := f.store.Create(f.Context(), f.table("item"), f.withID("item", store.Record{"ownerId": id}))
		f.fails("Create with a reference to a row that is gone", err, store.ErrReference)
		f.matches("item", store.Where{})
		f.matches("note", store.Where{}, empty.String("id"))
		n := f.made("note", store.Record{"writerId": other}).String("id")
		f.delete("owner", store.Eq("id", other))
		if got := f.byID("note", n); got["writerId"] != nil {
			f.Errorf("the writer is gone and still %v", got["writerId"])
		}
	})},
	{"are made in transactions", migrated(func(f *fixture) {
		var owner, item string
		f.tx(func(f *fixture) error {
			owner = f.made("owner", nil).String("id")
			item = f.made("item", store.Record{"ownerId": owner}).String("id")
			return nil
		})
		f.matches("item", store.Eq("ownerId", owner), item)
	})},
	{"are the same in capitals where that is so", migrated(func(f *fixture) {
		id := f.given()[3]
		f.create("owner", store.Record{"id": id})
		capitals := strings.ToUpper(id)
		if f.ids.Kind() != store.UUIDID {
			want := []string{}
			if capitals == id {
				want = append(want, id)
			}
			f.matches("owner", store.Eq("id", capitals), want...)
			return
		}
		f.matches("owner", store.Eq("id", capitals), id)
		f.matches("owner", store.In("id", capitals), id)
		f.matches("owner", store.Ne("id", capitals))
		_, err := f.store.Create(f.Context(), f.table("owner"), store.Record{"id": capitals})
		f.duplicates("the id in capitals", err, "owner", "id")
		if got := f.create("item", f.withID("item", store.Record{"ownerId": capitals})); got["ownerId"] != id {
			f.Errorf("a reference in capitals became %v, want %s", got["ownerId"], id)
		}
		f.delete("owner", store.Eq("id", capitals))
		f.matches("item", store.Where{})
	})},
}
