package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Database is the engine's way to its [store.Store]: tables by their logical
// names, every call under a time-out, identifiers and defaults filled in, and
// work that has to wait for a commit. Changes run the hooks of their table, see
// [DatabaseHook]. Plugins reach their tables through it.
// It is safe for concurrent use.
type Database struct {
	store   store.Store
	schema  *store.Schema
	timeout time.Duration
	random  io.Reader
	log     *slog.Logger
	hooks   map[string]*rowHooks // by table; see compileRowHooks
}

// Schema is the merged description of all tables.
func (d *Database) Schema() *store.Schema { return d.schema }

func (d *Database) table(name string) (*store.Table, error) {
	t := d.schema.Table(name)
	if t == nil {
		return nil, fmt.Errorf("%w: there is no table %q", store.ErrInvalid, name)
	}
	return t, nil
}

// bounded derives the context of one call. What the time-out of this layer
// ends is reported as unavailable, what the caller's own context ends as that
// context's error.
func (d *Database) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.timeout, store.ErrUnavailable)
}

func outcome(ctx context.Context, doing, table string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, table, timedOut(ctx, err))
}

// timedOut marks an error as what it is where ctx was ended by a time-out of
// this layer.
func timedOut(ctx context.Context, err error) error {
	ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if ended && errors.Is(context.Cause(ctx), store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// call makes one call of the store, bounded.
func call[T any](ctx context.Context, d *Database, fn func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	out, err := fn(ctx)
	return out, timedOut(ctx, err)
}

// Create inserts a row, after giving it an id and the defaults of the fields
// it leaves out. See [store.Store].
func (d *Database) Create(ctx context.Context, table string, r store.Record) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	r, err = d.complete(t, r)
	if err != nil {
		return nil, err
	}
	if d.hooksCreate(t) {
		row, err := d.createHooked(ctx, t, r)
		return row, outcome(ctx, "create", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Create(ctx, t, r)
	return row, outcome(ctx, "create", table, err)
}

// complete returns a copy of r with an id and with the defaults of the fields
// that are absent.
func (d *Database) complete(t *store.Table, r store.Record) (store.Record, error) {
	r = r.Clone()
	if r == nil {
		r = store.Record{}
	}
	if _, ok := r[store.ID]; !ok && !d.schema.IDs().ByDatabase() {
		id, err := d.newID(t)
		if err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
		r[store.ID] = id
	}
	for _, f := range t.Fields {
		if _, ok := r[f.Name]; ok {
			continue
		}
		if v := defaultOf(f); v != nil {
			r[f.Name] = v
		}
	}
	return r, nil
}

func (d *Database) newID(t *store.Table) (string, error) {
	return d.schema.IDs().New(d.random, t.Name)
}

// defaultOf is what a new row gets in the field. It belongs to that row alone.
func defaultOf(f *store.Field) any {
	if f.DefaultFunc != nil {
		return f.DefaultFunc()
	}
	switch v := f.Default.(type) {
	case []string:
		return slices.Clone(v)
	case json.RawMessage:
		return slices.Clone(v)
	}
	return f.Default
}

// FindOne returns the first matching row or [store.ErrNotFound].
func (d *Database) FindOne(ctx context.Context, table string, q store.Query) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.FindOne(ctx, t, q)
	return row, outcome(ctx, "find", table, err)
}

// FindMany returns the matching rows.
func (d *Database) FindMany(ctx context.Context, table string, q store.Query) ([]store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.store.FindMany(ctx, t, q)
	return rows, outcome(ctx, "list", table, err)
}

// Count returns how many rows match.
func (d *Database) Count(ctx context.Context, table string, w store.Where) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Count(ctx, t, w)
	return n, outcome(ctx, "count", table, err)
}

// Update changes every matching row and returns how many matched.
func (d *Database) Update(ctx context.Context, table string, w store.Where, set store.Record) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	if d.hooksUpdate(t) {
		n, err := d.updateHooked(ctx, t, w, set)
		return n, outcome(ctx, "update", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Update(ctx, t, w, set)
	return n, outcome(ctx, "update", table, err)
}

// Delete removes every matching row and returns how many there were.
func (d *Database) Delete(ctx context.Context, table string, w store.Where) (int64, error) {
	t, err := d.table(table)
	if err != nil {
		return 0, err
	}
	if d.hooksDelete(t) {
		n, err := d.deleteHooked(ctx, t, w)
		return n, outcome(ctx, "delete", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n, err := d.store.Delete(ctx, t, w)
	return n, outcome(ctx, "delete", table, err)
}

// Take removes one matching row and returns it; at most one caller gets it.
func (d *Database) Take(ctx context.Context, table string, w store.Where) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	if d.hooksDelete(t) {
		row, err := d.takeHooked(ctx, t, w)
		return row, outcome(ctx, "take", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Take(ctx, t, w)
	return row, outcome(ctx, "take", table, err)
}

// Add changes one matching row under its guard and returns it; see
// [store.Store].
func (d *Database) Add(ctx context.Context, table string, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	t, err := d.table(table)
	if err != nil {
		return nil, err
	}
	if d.hooksUpdate(t) {
		row, err := d.addHooked(ctx, t, w, delta, set)
		return row, outcome(ctx, "change", table, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.store.Add(ctx, t, w, delta, set)
	return row, outcome(ctx, "change", table, err)
}
