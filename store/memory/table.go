package memory

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/ostiary/ostiary/store"
)

// table is the rows of one table. What a newer schema no longer names stays,
// as it would in a database.
type table struct {
	name    string
	fields  map[string]*store.Field
	rows    map[*row]struct{}
	indexes []*index
	ids     store.IDKind
	serial  int64 // the highest id so far, rows that are gone among them; of SerialID only
}

// row is one row. It never changes: a write replaces it.
type row struct {
	seq uint64
	rec store.Record
}

// referrer is a field of one table that refers to a field of another.
type referrer struct {
	tab           *table
	field, target string
	onDelete      store.OnDelete
}

// referrers are the references of all tables, by the table they refer to.
func referrers(tables map[string]*table) map[string][]referrer {
	refs := map[string][]referrer{}
	for _, tab := range tables {
		for _, f := range tab.fields {
			if r := f.References; r != nil {
				refs[r.Table] = append(refs[r.Table], referrer{tab, f.Name, r.Field, r.OnDelete})
			}
		}
	}
	return refs
}

// migrated returns the table with what t has in addition. tab may be nil and
// is not changed.
func (tab *table) migrated(t *store.Table) (*table, error) {
	next := &table{name: t.Name, fields: map[string]*store.Field{}, rows: map[*row]struct{}{}}
	if tab != nil {
		next.fields = maps.Clone(tab.fields)
		next.rows = tab.rows
		next.indexes = slices.Clone(tab.indexes)
		next.serial = tab.serial
	}
	next.ids = t.Field(store.ID).IDKind()
	if tab != nil && tab.ids != next.ids {
		for r := range next.rows {
			next.noteID(r)
		}
	}
	for _, f := range t.Fields {
		if next.fields[f.Name] == nil {
			next.fields[f.Name] = f
		}
		if f.Unique || f.Indexed || f.References != nil {
			if err := next.addIndex([]string{f.Name}, f.Unique); err != nil {
				return nil, err
			}
		}
	}
	for _, ix := range t.Indexes {
		if err := next.addIndex(ix.Fields, ix.Unique); err != nil {
			return nil, err
		}
	}
	return next, nil
}

func (tab *table) addIndex(fields []string, unique bool) error {
	for _, ix := range tab.indexes {
		if ix.unique == unique && slices.Equal(ix.fields, fields) {
			return nil
		}
	}
	ix := &index{fields: slices.Clone(fields), unique: unique, rows: map[string]map[*row]struct{}{}}
	for r := range tab.rows {
		if ix.conflict(nil, r) {
			return tab.duplicate(ix)
		}
		ix.add(r)
	}
	tab.indexes = append(tab.indexes, ix)
	return nil
}

func (tab *table) duplicate(ix *index) error {
	return &store.DuplicateError{Table: tab.name, Fields: slices.Clone(ix.fields)}
}

// covers fails unless the table has everything that t has. tab may be nil.
func (tab *table) covers(t *store.Table) error {
	if tab == nil {
		return fmt.Errorf("%w: the table is not migrated", store.ErrInvalid)
	}
	for _, f := range t.Fields {
		if tab.fields[f.Name] == nil {
			return fmt.Errorf("%w: field %q is not migrated", store.ErrInvalid, f.Name)
		}
	}
	return nil
}

// swap puts one row in the place of another; either may be nil.
func (tab *table) swap(old, new *row) {
	if old != nil {
		delete(tab.rows, old)
		for _, ix := range tab.indexes {
			ix.remove(old)
		}
	}
	if new != nil {
		tab.rows[new] = struct{}{}
		tab.noteID(new)
		for _, ix := range tab.indexes {
			ix.add(new)
		}
	}
}

// checkRequired fails when r lacks a required value that old, which may be
// nil, did not lack: rows from before the field was required may stay.
func (tab *table) checkRequired(old, r *row) error {
	for _, f := range tab.fields {
		if !f.Required || r.rec[f.Name] != nil {
			continue
		}
		if old == nil || old.rec[f.Name] != nil {
			return fmt.Errorf("%w: required field %q is null", store.ErrInvalid, f.Name)
		}
	}
	return nil
}

// checkUnique fails when a row other than old has a value of r that must be
// unique.
func (tab *table) checkUnique(old, r *row) error {
	for _, ix := range tab.indexes {
		if ix.conflict(old, r) {
			return tab.duplicate(ix)
		}
	}
	return nil
}

// makeID gives the record an id where it has none and the schema leaves it to
// the database to make one.
func (tab *table) makeID(t *store.Table, rec store.Record) (err error) {
	ids := t.Schema().IDs()
	switch {
	case rec[store.ID] != nil || !ids.ByDatabase():
		return nil
	case ids.Kind() != store.SerialID:
		rec[store.ID], err = ids.New(rand.Reader, t.Name)
		return err
	case tab.serial == math.MaxInt64:
		return fmt.Errorf("%w: there are no ids left", store.ErrInvalid)
	}
	rec[store.ID] = strconv.FormatInt(tab.serial+1, 10)
	return nil
}

// noteID keeps the id of a row, which may be a given one, from being made for
// another, also when the row is taken back.
func (tab *table) noteID(r *row) {
	if tab.ids != store.SerialID {
		return
	}
	// Text from before the ids were numbers is passed over.
	if n, err := strconv.ParseInt(r.rec.String(store.ID), 10, 64); err == nil {
		tab.serial = max(tab.serial, n)
	}
}

// lookup returns the rows whose field, which has an index, equals v: none when
// v is null.
func (tab *table) lookup(field string, v any) []*row {
	if v == nil {
		return nil
	}
	rows, _ := tab.narrow(map[string][]any{field: {v}})
	return rows
}

// match returns the rows that the condition matches, in the order in which
// they were created.
func (tab *table) match(t *store.Table, w store.Where) []*row {
	fixed := map[string][]any{}
	fix(w, fixed)
	candidates, narrowed := tab.narrow(fixed)
	if !narrowed {
		candidates = slices.Collect(maps.Keys(tab.rows))
	}
	matching := slices.DeleteFunc(candidates, func(r *row) bool { return !matches(t, w, r.rec) })
	slices.SortFunc(matching, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
	return matching
}

// narrow returns the rows that have one of the values that each field is fixed
// to, by the first index that can tell; false when none can. The index may
// cover fewer fields than are fixed.
func (tab *table) narrow(fixed map[string][]any) ([]*row, bool) {
	if len(fixed) == 0 {
		return nil, false
	}
	for _, ix := range tab.indexes {
		if rows, ok := ix.find(fixed); ok {
			return rows, true
		}
	}
	return nil, false
}
