package memory

import (
	"context"
	"fmt"
	"maps"

	"github.com/ostiary/ostiary/store"
)

// txKey finds the transaction of one store in a context: those of two stores
// can be open at the same time.
type txKey struct{ *Store }

// tx is a running transaction. Its owner holds the store's lock.
type tx struct {
	store *Store
	lock  lock // fn may use its context from several goroutines
	log   []change
	ended bool
}

// change is one row replaced: old is nil for a new row, new for a deleted one.
type change struct {
	tab      *table
	old, new *row
}

func newTx(s *Store) *tx { return &tx{store: s, lock: make(lock, 1)} }

// statement runs fn as one step that takes effect whole or not at all.
func (x *tx) statement(ctx context.Context, fn func() error) error {
	if err := x.lock.acquire(ctx); err != nil {
		return err
	}
	defer x.lock.release()
	if x.ended {
		return fmt.Errorf("%w: the transaction has ended", store.ErrInvalid)
	}
	before := len(x.log)
	if err := fn(); err != nil {
		x.undo(before)
		return err
	}
	return nil
}

// check reports why the transaction cannot be joined.
func (x *tx) check(ctx context.Context) error {
	return x.statement(ctx, func() error { return nil })
}

// end closes the transaction, keeping what was done or taking it back. It waits
// for a statement still running in another goroutine of fn.
func (x *tx) end(commit bool) {
	x.lock <- struct{}{}
	defer x.lock.release()
	if !commit {
		x.undo(0)
	}
	x.ended = true
}

// undo takes back the changes made after the log had n entries, last first.
func (x *tx) undo(n int) {
	for i := len(x.log) - 1; i >= n; i-- {
		c := x.log[i]
		c.tab.swap(c.new, c.old)
	}
	x.log = x.log[:n]
}

// swap replaces a row in the table and remembers how to take that back.
func (x *tx) swap(tab *table, old, new *row) {
	tab.swap(old, new)
	x.log = append(x.log, change{tab, old, new})
}

func (x *tx) create(tab *table, rec store.Record) (*row, error) {
	x.store.created++
	r := &row{seq: x.store.created, rec: rec}
	return r, x.write(tab, nil, r)
}

func (x *tx) update(tab *table, r *row, set store.Record) (*row, error) {
	rec := maps.Clone(r.rec)
	maps.Copy(rec, set)
	changed := &row{seq: r.seq, rec: rec}
	return changed, x.write(tab, r, changed)
}

// write puts r in the place of old, which is nil for a new row, and checks
// every constraint of the table.
func (x *tx) write(tab *table, old, r *row) error {
	if err := tab.checkRequired(old, r); err != nil {
		return err
	}
	if err := tab.checkUnique(old, r); err != nil {
		return err
	}
	x.swap(tab, old, r)
	// Only now, because a row may refer to itself.
	if err := x.checkReferences(tab, old, r); err != nil {
		return err
	}
	return x.checkReferrers(tab, old, r)
}

// checkReferences fails when r refers to a row that does not exist.
func (x *tx) checkReferences(tab *table, old, r *row) error {
	for _, f := range tab.fields {
		v := r.rec[f.Name]
		if f.References == nil || v == nil || old != nil && old.rec[f.Name] == v {
			continue
		}
		target := x.store.tables[f.References.Table]
		if len(target.lookup(f.References.Field, v)) == 0 {
			return fmt.Errorf("%w: no %s whose %s is the %s", store.ErrReference, f.References.Table, f.References.Field, f.Name)
		}
	}
	return nil
}

// checkReferrers fails when rows refer to a value that the change took away.
func (x *tx) checkReferrers(tab *table, old, r *row) error {
	if old == nil {
		return nil
	}
	for _, ref := range x.store.referrers[tab.name] {
		v := old.rec[ref.target]
		if v == nil || r.rec[ref.target] == v {
			continue
		}
		if len(ref.tab.lookup(ref.field, v)) > 0 {
			return fmt.Errorf("%w: %s refers to the %s", store.ErrReference, ref.tab.name, ref.target)
		}
	}
	return nil
}

// delete removes rows and does to those that refer to them what their
// references say.
func (x *tx) delete(tab *table, rows ...*row) error {
	// All go first: one of them may refer to another, and is not to be freed
	// from that by a change that would keep it.
	for _, r := range rows {
		x.swap(tab, r, nil)
	}
	for _, ref := range x.store.referrers[tab.name] {
		for _, r := range rows {
			if err := x.unlink(ref, r.rec[ref.target]); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlink frees the rows that refer to a deleted one by the value v.
func (x *tx) unlink(ref referrer, v any) error {
	if v == nil {
		return nil
	}
	rows := ref.tab.lookup(ref.field, v)
	switch {
	case len(rows) == 0:
		return nil
	case ref.onDelete == store.Cascade:
		return x.delete(ref.tab, rows...)
	case ref.onDelete == store.Restrict:
		return fmt.Errorf("%w: %s refers to the row", store.ErrReference, ref.tab.name)
	}
	for _, r := range rows {
		if _, err := x.update(ref.tab, r, store.Record{ref.field: nil}); err != nil {
			return err
		}
	}
	return nil
}
