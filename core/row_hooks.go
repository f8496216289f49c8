package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/ostiary/ostiary/store"
)

// DatabaseHook runs around every change of the rows of a table, whichever way
// it comes: an endpoint, a plugin, a call such as [Users.Create]. A change of
// many rows runs the hooks for each of them. Hooks of plugins come first, in
// the order of [Config.Plugins], then those of [Config.DatabaseHooks]; each
// sees what the one before has changed.
//
// Before hooks run in the transaction of the change, and so does what they do
// through [Auth.Database] with their context. An error ends the change, and the
// transaction with it: an [Error] is what the client gets, [ErrAborted] refuses
// in general, any other error is answered 500. A transaction that loses against
// a concurrent one is run again, with its hooks. The time of a transaction is
// bounded by [Config.StoreTimeout], its hooks' included.
//
// After hooks run once the change is committed, in the same order, and never for
// one that was rolled back. Their errors and panics are logged and change
// nothing: what has happened has happened.
//
// The request that made the change is [RequestFrom] of the context; it is nil
// for a call from Go outside of one and for the upkeep.
//
// Rows that go or change along references, because the row they refer to is
// deleted, run their table's hooks as well. Sessions that live in the secondary
// storage run those of the session table.
type DatabaseHook struct {
	// Table is the logical name of the table, such as [TableUser]; empty for all.
	Table string

	// BeforeCreate gets the row to be, complete with id (unless the database
	// makes it) and defaults, and may change it.
	BeforeCreate func(ctx context.Context, row store.Record) error
	// AfterCreate gets the row as it was stored.
	AfterCreate func(ctx context.Context, row store.Record) error
	// BeforeUpdate gets the row as it is and the fields to be written, which it
	// may change. Numbers that are added to are not among them.
	BeforeUpdate func(ctx context.Context, row, set store.Record) error
	// AfterUpdate gets the row as it was and as it is.
	AfterUpdate func(ctx context.Context, was, row store.Record) error
	// BeforeDelete gets the row to be deleted.
	BeforeDelete func(ctx context.Context, row store.Record) error
	// AfterDelete gets the row that was deleted.
	AfterDelete func(ctx context.Context, row store.Record) error
}

// ErrAborted is what a Before hook returns to refuse a change without saying
// more. Calls that were to make the change fail with it; the endpoints answer
// what the wire protocol has for it, such as "FAILED_TO_CREATE_USER".
var ErrAborted = newError(http.StatusUnprocessableEntity, "CHANGE_ABORTED", "The change was refused")

func (h *DatabaseHook) empty() bool {
	return h.BeforeCreate == nil && h.AfterCreate == nil && h.BeforeUpdate == nil &&
		h.AfterUpdate == nil && h.BeforeDelete == nil && h.AfterDelete == nil
}

// rowHooks are the hooks of one table, in their order.
type rowHooks struct {
	hooks                     []DatabaseHook
	creates, updates, deletes bool
	// followers are fields whose rows go or change with a row of this table,
	// and are to be told.
	followers []follower
}

// follower is a field that refers to a table.
type follower struct {
	table *store.Table
	field *store.Field
}

// compileRowHooks sorts the hooks by table. Tables without hooks have no entry.
func compileRowHooks(schema *store.Schema, hooks []DatabaseHook, p *problems) map[string]*rowHooks {
	all := map[string]*rowHooks{}
	of := func(t *store.Table) *rowHooks {
		if all[t.Name] == nil {
			all[t.Name] = &rowHooks{}
		}
		return all[t.Name]
	}
	for i, h := range hooks {
		switch {
		case h.empty():
			p.addf("DatabaseHooks[%d]: no function is set", i)
		case h.Table != "" && schema.Table(h.Table) == nil:
			p.addf("DatabaseHooks[%d]: there is no table %q", i, h.Table)
		}
		for _, t := range schema.Tables() {
			if h.Table == "" || h.Table == t.Name {
				of(t).add(h)
			}
		}
	}
	// Told of deletions are tables with hooks for them, and those whose own
	// followers are told.
	for changed := true; changed; {
		changed = false
		for _, t := range schema.Tables() {
			for _, f := range t.Fields {
				if f.References != nil && all[t.Name].follows(f) && of(f.References.Target()).follow(follower{t, f}) {
					changed = true
				}
			}
		}
	}
	return all
}

func (h *rowHooks) add(hook DatabaseHook) {
	h.hooks = append(h.hooks, hook)
	h.creates = h.creates || hook.BeforeCreate != nil || hook.AfterCreate != nil
	h.updates = h.updates || hook.BeforeUpdate != nil || hook.AfterUpdate != nil
	h.deletes = h.deletes || hook.BeforeDelete != nil || hook.AfterDelete != nil
}

// follows tells whether what becomes of a row of the table concerns its hooks,
// when the row that its field f refers to is deleted.
func (h *rowHooks) follows(f *store.Field) bool {
	switch {
	case h == nil:
		return false
	case f.References.OnDelete == store.Cascade:
		return h.deletes || len(h.followers) > 0
	case f.References.OnDelete == store.SetNull:
		return h.updates
	}
	return false
}

// follow adds a follower and reports whether it is new.
func (h *rowHooks) follow(f follower) bool {
	for _, known := range h.followers {
		if known.field == f.field {
			return false
		}
	}
	h.followers = append(h.followers, f)
	return true
}

func (d *Database) hooksCreate(t *store.Table) bool {
	h := d.hooks[t.Name]
	return h != nil && h.creates
}

func (d *Database) hooksUpdate(t *store.Table) bool {
	h := d.hooks[t.Name]
	return h != nil && h.updates
}

func (d *Database) hooksDelete(t *store.Table) bool {
	h := d.hooks[t.Name]
	return h != nil && (h.deletes || len(h.followers) > 0)
}

// aroundCreate runs the table's hooks around insert, which makes the row and
// returns it.
func (d *Database) aroundCreate(ctx context.Context, t *store.Table, r store.Record, insert func(context.Context, store.Record) (store.Record, error)) (store.Record, error) {
	if !d.hooksCreate(t) {
		return insert(ctx, r)
	}
	hooks := d.hooks[t.Name].hooks
	for _, h := range hooks {
		if h.BeforeCreate == nil {
			continue
		}
		if err := h.BeforeCreate(ctx, r); err != nil {
			return nil, fmt.Errorf("before create: %w", err)
		}
	}
	row, err := insert(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, h := range hooks {
		if h.AfterCreate != nil {
			d.afterCommit(ctx, t, "create", func(ctx context.Context) error { return h.AfterCreate(ctx, row.Clone()) })
		}
	}
	return row, nil
}

// aroundUpdate runs the table's hooks around write, which assigns the fields
// and returns the row as it is then. write is given what the hooks made of set.
func (d *Database) aroundUpdate(ctx context.Context, t *store.Table, was, set store.Record, write func(context.Context, store.Record) (store.Record, error)) (store.Record, error) {
	if !d.hooksUpdate(t) {
		return write(ctx, set)
	}
	hooks := d.hooks[t.Name].hooks
	if set = set.Clone(); set == nil {
		set = store.Record{}
	}
	for _, h := range hooks {
		if h.BeforeUpdate == nil {
			continue
		}
		if err := h.BeforeUpdate(ctx, was.Clone(), set); err != nil {
			return nil, fmt.Errorf("before update: %w", err)
		}
	}
	row, err := write(ctx, set)
	if err != nil {
		return nil, err
	}
	for _, h := range hooks {
		if h.AfterUpdate != nil {
			d.afterCommit(ctx, t, "update", func(ctx context.Context) error { return h.AfterUpdate(ctx, was.Clone(), row.Clone()) })
		}
	}
	return row, nil
}

// aroundDelete runs the table's hooks around remove, which deletes the row.
func (d *Database) aroundDelete(ctx context.Context, t *store.Table, row store.Record, remove func(context.Context) error) error {
	if !d.hooksDelete(t) {
		return remove(ctx)
	}
	hooks := d.hooks[t.Name].hooks
	for _, h := range hooks {
		if h.BeforeDelete == nil {
			continue
		}
		if err := h.BeforeDelete(ctx, row.Clone()); err != nil {
			return fmt.Errorf("before delete: %w", err)
		}
	}
	if err := remove(ctx); err != nil {
		return err
	}
	for _, h := range hooks {
		if h.AfterDelete != nil {
			d.afterCommit(ctx, t, "delete", func(ctx context.Context) error { return h.AfterDelete(ctx, row.Clone()) })
		}
	}
	return nil
}

// afterCommit queues an After hook. What it does wrong is logged and is
// nobody's failure.
func (d *Database) afterCommit(ctx context.Context, t *store.Table, change string, hook func(context.Context) error) {
	_ = d.AfterCommit(ctx, func(ctx context.Context) error {
		defer func() {
			if p := recover(); p != nil {
				d.log.ErrorContext(ctx, "panic in a hook after a change", slog.String("table", t.Name), slog.String("change", change),
					slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			}
		}()
		if err := hook(ctx); err != nil {
			d.log.ErrorContext(ctx, "a hook after a change failed", slog.String("table", t.Name), slog.String("change", change), slog.Any("error", err))
		}
		return nil
	})
}

// createHooked is [Database.Create] for a table with hooks; r is complete.
func (d *Database) createHooked(ctx context.Context, t *store.Table, r store.Record) (row store.Record, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		row, err = d.aroundCreate(ctx, t, r.Clone(), func(ctx context.Context, r store.Record) (store.Record, error) {
			return d.store.Create(ctx, t, r)
		})
		return err
	})
	return row, err
}

// updateHooked is [Database.Update] for a table with hooks.
func (d *Database) updateHooked(ctx context.Context, t *store.Table, w store.Where, set store.Record) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		n = 0
		return d.eachRow(ctx, t, w, func(row store.Record) error {
			_, err := d.changeRow(ctx, t, row, w, nil, set)
			if errors.Is(err, store.ErrNotFound) {
				return nil // matches no more
			}
			n++
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// addHooked is [Database.Add] for a table with hooks.
func (d *Database) addHooked(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (row store.Record, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		return d.oneRow(ctx, t, w, func(found store.Record) error {
			row, err = d.changeRow(ctx, t, found, w, delta, set)
			return err
		})
	})
	return row, err
}

// changeRow changes a row that was found, if it still matches.
func (d *Database) changeRow(ctx context.Context, t *store.Table, row store.Record, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	return d.aroundUpdate(ctx, t, row, set, func(ctx context.Context, set store.Record) (store.Record, error) {
		return d.store.Add(ctx, t, store.And(store.Eq(store.ID, row[store.ID]), w), delta, set)
	})
}

// deleteHooked is [Database.Delete] for a table with hooks.
func (d *Database) deleteHooked(ctx context.Context, t *store.Table, w store.Where) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		n, err = d.deleteRows(ctx, t, w, map[rowKey]bool{})
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// takeHooked is [Database.Take] for a table with hooks.
func (d *Database) takeHooked(ctx context.Context, t *store.Table, w store.Where) (row store.Record, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		return d.oneRow(ctx, t, w, func(found store.Record) error {
			row = found
			return d.deleteRow(ctx, t, found, w, map[rowKey]bool{})
		})
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// rowKey is a row that is being deleted. References may go round in a circle:
// the value kept for the row tells whether it was met again.
type rowKey struct {
	table *store.Table
	id    any
}

func (d *Database) deleteRows(ctx context.Context, t *store.Table, w store.Where, deleting map[rowKey]bool) (n int64, err error) {
	err = d.eachRow(ctx, t, w, func(row store.Record) error {
		err := d.deleteRow(ctx, t, row, w, deleting)
		if errors.Is(err, store.ErrNotFound) {
			return nil // matches no more
		}
		n++
		return err
	})
	return n, err
}

// deleteRow deletes a row that was found, if it still matches, and before it
// those that go with it.
func (d *Database) deleteRow(ctx context.Context, t *store.Table, row store.Record, w store.Where, deleting map[rowKey]bool) error {
	key := rowKey{t, row[store.ID]}
	if _, circle := deleting[key]; circle {
		deleting[key] = true
		return nil
	}
	deleting[key] = false
	return d.aroundDelete(ctx, t, row, func(ctx context.Context) error {
		for _, f := range d.hooks[t.Name].followers {
			if err := d.letFollow(ctx, f, row, deleting); err != nil {
				return fmt.Errorf("%s: %w", f.table.Name, err)
			}
		}
		_, err := d.store.Take(ctx, t, store.And(store.Eq(store.ID, row[store.ID]), w))
		if deleting[key] && errors.Is(err, store.ErrNotFound) {
			return nil // it went along with one that refers to it
		}
		return err
	})
}

// letFollow does to the rows that refer to one that is being deleted what the
// database would do, with their hooks.
func (d *Database) letFollow(ctx context.Context, f follower, row store.Record, deleting map[rowKey]bool) error {
	v := row[f.field.References.Field]
	if v == nil {
		return nil
	}
	refers := store.Eq(f.field.Name, v)
	if f.field.References.OnDelete == store.Cascade {
		_, err := d.deleteRows(ctx, f.table, refers, deleting)
		return err
	}
	_, err := d.updateHooked(ctx, f.table, refers, store.Record{f.field.Name: nil})
	return err
}

// pageRows is how many rows are read at once for their hooks.
const pageRows = 200

// eachRow calls fn for every row that matches, in the order of the ids. fn may
// change or delete its row.
func (d *Database) eachRow(ctx context.Context, t *store.Table, w store.Where, fn func(store.Record) error) error {
	if w.IsZero() {
		return fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	page := store.Query{Where: w, Sort: []store.Sort{{Field: store.ID}}, Limit: pageRows}
	for {
		rows, err := d.store.FindMany(ctx, t, page)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := fn(row); err != nil {
				return err
			}
		}
		if len(rows) < pageRows {
			return nil
		}
		page.Where = store.And(w, store.Gt(store.ID, rows[len(rows)-1][store.ID]))
	}
}

// oneRow calls fn with a row that matches, and with another one as long as the
// row has been taken by somebody else when fn comes to write it.
func (d *Database) oneRow(ctx context.Context, t *store.Table, w store.Where, fn func(store.Record) error) error {
	if w.IsZero() {
		return fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	for {
		row, err := d.store.FindOne(ctx, t, store.Query{Where: w})
		if err != nil {
			return err
		}
		if err := fn(row); !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}
