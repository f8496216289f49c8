package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/ostiary/ostiary/store"
)

// create inserts a row and returns it as stored.
func (f *fixture) create(table string, r store.Record) store.Record {
	f.Helper()
	got, err := f.store.Create(f.Context(), f.table(table), r)
	if err != nil {
		f.Fatalf("Create in %s: %v", table, err)
	}
	return got
}

// user inserts a user with the id and the fields.
func (f *fixture) user(id string, fields store.Record) store.Record {
	f.Helper()
	return f.create("user", newUser(id, fields))
}

// users inserts users with these ids and nothing else.
func (f *fixture) users(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.user(id, nil)
	}
}

func newUser(id string, fields store.Record) store.Record {
	r := store.Record{"id": id, "email": id + "@example.com"}
	maps.Copy(r, fields)
	return r
}

func newSession(id, userID string, fields store.Record) store.Record {
	r := store.Record{"id": id, "token": "token-" + id, "userId": userID}
	maps.Copy(r, fields)
	return r
}

func (f *fixture) findOne(table string, q store.Query) store.Record {
	f.Helper()
	got, err := f.store.FindOne(f.Context(), f.table(table), q)
	if err != nil {
		f.Fatalf("FindOne in %s: %v", table, err)
	}
	return got
}

// byID returns the row, which must exist.
func (f *fixture) byID(table, id string) store.Record {
	f.Helper()
	return f.findOne(table, store.Query{Where: store.Eq("id", id)})
}

// gone fails when the row exists.
func (f *fixture) gone(table, id string) {
	f.Helper()
	got, err := f.store.FindOne(f.Context(), f.table(table), store.Query{Where: store.Eq("id", id)})
	if !errors.Is(err, store.ErrNotFound) {
		f.Errorf("%s %q: got %v, %v; it should be gone", table, id, got, err)
	}
}

func (f *fixture) findMany(table string, q store.Query) []store.Record {
	f.Helper()
	got, err := f.store.FindMany(f.Context(), f.table(table), q)
	if err != nil {
		f.Fatalf("FindMany in %s: %v", table, err)
	}
	return got
}

// nRows returns the rows that the query finds, which must be n.
func (f *fixture) nRows(n int, table string, q store.Query) []store.Record {
	f.Helper()
	got := f.findMany(table, q)
	if len(got) != n {
		f.Fatalf("%d rows, want %d: %q", len(got), n, idsOf(got))
	}
	return got
}

func (f *fixture) count(table string, w store.Where) int64 {
	f.Helper()
	n, err := f.store.Count(f.Context(), f.table(table), w)
	if err != nil {
		f.Fatalf("Count in %s: %v", table, err)
	}
	return n
}

func (f *fixture) update(table string, w store.Where, set store.Record) int64 {
	f.Helper()
	n, err := f.store.Update(f.Context(), f.table(table), w, set)
	if err != nil {
		f.Fatalf("Update in %s: %v", table, err)
	}
	return n
}

func (f *fixture) delete(table string, w store.Where) int64 {
	f.Helper()
	n, err := f.store.Delete(f.Context(), f.table(table), w)
	if err != nil {
		f.Fatalf("Delete in %s: %v", table, err)
	}
	return n
}

func (f *fixture) add(table string, w store.Where, delta map[string]int64, set store.Record) store.Record {
	f.Helper()
	got, err := f.store.Add(f.Context(), f.table(table), w, delta, set)
	if err != nil {
		f.Fatalf("Add in %s: %v", table, err)
	}
	return got
}

// inserted creates n rows of the table in one transaction.
func (f *fixture) inserted(table string, n int, row func(i int) store.Record) {
	f.Helper()
	err := f.store.Tx(f.Context(), func(ctx context.Context) error {
		for i := range n {
			if _, err := f.store.Create(ctx, f.table(table), row(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatalf("insert %d rows in %s: %v", n, table, err)
	}
}

// matches fails unless exactly the rows with these ids match, both when they
// are read and when they are counted.
func (f *fixture) matches(table string, w store.Where, ids ...string) {
	f.Helper()
	got := idsOf(f.findMany(table, store.Query{Where: w}))
	slices.Sort(got)
	want := slices.Sorted(slices.Values(ids))
	if !slices.Equal(got, want) {
		f.Errorf("%s matches %q, want %q", show(w), got, want)
	}
	if n := f.count(table, w); n != int64(len(ids)) {
		f.Errorf("%s counts %d, want %d", show(w), n, len(ids))
	}
}

// inOrder fails unless the query returns the rows with these ids, so ordered.
func (f *fixture) inOrder(table string, q store.Query, ids ...string) {
	f.Helper()
	if got := idsOf(f.findMany(table, q)); !slices.Equal(got, ids) {
		f.Errorf("sort %v limit %d offset %d: got %q, want %q", q.Sort, q.Limit, q.Offset, got, ids)
	}
}

func idsOf(rows []store.Record) []string {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.String("id"))
	}
	return ids
}

// equals fails unless got has exactly want's fields and values.
func (f *fixture) equals(got, want store.Record) {
	f.Helper()
	for _, d := range differences(got, want) {
		f.Error(d)
	}
}

func differences(got, want store.Record) (diffs []string) {
	names := maps.Clone(want)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		g, hasGot := got[name]
		w, hasWant := want[name]
		switch {
		case !hasGot:
			diffs = append(diffs, fmt.Sprintf("field %q is missing, want %#v", name, w))
		case !hasWant:
			diffs = append(diffs, fmt.Sprintf("field %q is %#v and should not be there", name, g))
		case !sameValue(g, w):
			diffs = append(diffs, fmt.Sprintf("field %q is %s, want %s", name, show(g), show(w)))
		}
	}
	return diffs
}

// sameValue compares canonical values: JSON by what it means, since databases
// order keys and space as they like, everything else exactly.
func sameValue(got, want any) bool {
	switch w := want.(type) {
	case store.Record:
		g, ok := got.(store.Record)
		return ok && len(differences(g, w)) == 0
	case []store.Record:
		g, ok := got.([]store.Record)
		return ok && slices.EqualFunc(g, w, func(g, w store.Record) bool { return len(differences(g, w)) == 0 })
	case json.RawMessage:
		g, ok := got.(json.RawMessage)
		return ok && reflect.DeepEqual(decode(g), decode(w))
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w) && g.Location() == time.UTC
	case []string:
		g, ok := got.([]string)
		return ok && slices.Equal(g, w)
	}
	return reflect.DeepEqual(got, want)
}

func decode(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a float64 would hide digits that were lost
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return v
}

func show(v any) string {
	s := fmt.Sprintf("%T %#v", v, v)
	if raw, ok := v.(json.RawMessage); ok {
		s = fmt.Sprintf("JSON %s", raw)
	}
	if w, ok := v.(store.Where); ok {
		s = fmt.Sprintf("%+v", w)
	}
	if at, ok := v.(time.Time); ok {
		s = "time " + at.Format(time.RFC3339Nano)
	}
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

// fails checks that err is one of the contract's errors and no other one.
func (f *fixture) fails(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: got error %v, want one that is %q", what, err, want)
		return
	}
	for _, other := range []error{
		store.ErrNotFound, store.ErrDuplicate, store.ErrReference,
		store.ErrUnavailable, store.ErrConflict, store.ErrInvalid,
	} {
		if other != want && errors.Is(err, other) {
			f.Errorf("%s: error %v is %q as well as %q", what, err, other, want)
		}
	}
}

// duplicates checks that err is a DuplicateError for these fields.
func (f *fixture) duplicates(what string, err error, table string, fields ...string) {
	f.Helper()
	f.fails(what, err, store.ErrDuplicate)
	var dup *store.DuplicateError
	if !errors.As(err, &dup) {
		f.Errorf("%s: %v holds no *store.DuplicateError", what, err)
		return
	}
	got := slices.Sorted(slices.Values(dup.Fields))
	if dup.Table != table || !slices.Equal(got, slices.Sorted(slices.Values(fields))) {
		f.Errorf("%s: duplicate in %s of %q, want %s of %q (logical names)", what, dup.Table, dup.Fields, table, fields)
	}
}

// parallel calls fn n times at once and returns the errors. fn must not end
// the test.
func parallel(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	done := make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			<-start
			errs[i] = fn(i)
		}()
	}
	close(start)
	for range n {
		<-done
	}
	return errs
}

// succeeded returns how many are nil and the others.
func succeeded(errs []error) (n int, failed []error) {
	for _, err := range errs {
		if err == nil {
			n++
		} else {
			failed = append(failed, err)
		}
	}
	return n, failed
}
