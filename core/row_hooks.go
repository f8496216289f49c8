package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

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
// a concurrent one is run again, with its hooks, and a sign-up that must not
// tell whether an address is taken runs those before a creation for a row that
// is never made: what they do elsewhere, such as in another service, may be for
// nothing. A hook and its row may take [Config.StoreTimeout] together.
//
// After hooks run once the change is committed, in the same order, and never for
// one that was rolled back. Their errors and panics are logged and change
// nothing: what has happened has happened. Whoever made the change waits for
// them, ten seconds each at most: what takes longer belongs into a queue.
//
// The request that made the change is [RequestFrom] of the context; it is nil
// for a call from Go outside of one and for the upkeep.
//
// Rows that go or change along references, because the row they refer to is
// deleted, run their table's hooks as well. Sessions that live in the secondary
// storage run those of the session table when they are made, extended and ended,
// though not when they expire there; one-time values there run none.
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

	// updated and deleted are the engine's own: they run in the transaction,
	// and their error is that of the change.
	updated, deleted func(ctx context.Context, row store.Record) error
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
	// dependents are fields whose rows go or change with a row of this table,
	// and are to be told.
	dependents []dependent
}

// dependent is a field that refers to a table.
type dependent struct {
	table *store.Table
	field *store.Field
}

// checkRowHooks reports hooks of the configuration that would never run.
func checkRowHooks(schema *store.Schema, hooks []DatabaseHook, p *problems) {
	for i, h := range hooks {
		switch {
		case h.empty():
			p.addf("DatabaseHooks[%d]: no function is set", i)
		case h.Table != "" && schema.Table(h.Table) == nil:
			p.addf("DatabaseHooks[%d]: there is no table %q", i, h.Table)
		}
	}
}

// compileRowHooks sorts the hooks by table. Tables without hooks have no entry.
func compileRowHooks(schema *store.Schema, hooks []DatabaseHook) map[string]*rowHooks {
	all := map[string]*rowHooks{}
	of := func(t *store.Table) *rowHooks {
		if all[t.Name] == nil {
			all[t.Name] = &rowHooks{}
		}
		return all[t.Name]
	}
	for _, h := range hooks {
		for _, t := range schema.Tables() {
			if h.Table == "" || h.Table == t.Name {
				of(t).add(h)
			}
		}
	}
	// Told of deletions are tables with hooks for them, and those whose own
	// dependents are told.
	for changed := true; changed; {
		changed = false
		for _, t := range schema.Tables() {
			for _, f := range t.Fields {
				if f.References != nil && all[t.Name].concerns(f) && of(f.References.Target()).depend(dependent{t, f}) {
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
	h.updates = h.updates || hook.BeforeUpdate != nil || hook.AfterUpdate != nil || hook.updated != nil
	h.deletes = h.deletes || hook.BeforeDelete != nil || hook.AfterDelete != nil || hook.deleted != nil
}

// concerns tells whether what becomes of a row of the table concerns its hooks,
// when the row that its field f refers to is deleted.
func (h *rowHooks) concerns(f *store.Field) bool {
	switch {
	case h == nil:
		return false
	case f.References.OnDelete == store.Cascade:
		return h.deletes || len(h.dependents) > 0
	case f.References.OnDelete == store.SetNull:
		return h.updates
	}
	return false
}

// depend adds a dependent and reports whether it is new.
func (h *rowHooks) depend(f dependent) bool {
	for _, known := range h.dependents {
		if known.field == f.field {
			return false
		}
	}
	h.dependents = append(h.dependents, f)
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
	return h != nil && (h.deletes || len(h.dependents) > 0)
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
		if h.updated != nil {
			if err := h.updated(ctx, row.Clone()); err != nil {
				return nil, err
			}
		}
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
		if h.deleted != nil {
			if err := h.deleted(ctx, row.Clone()); err != nil {
				return err
			}
		}
		if h.AfterDelete != nil {
			d.afterCommit(ctx, t, "delete", func(ctx context.Context) error { return h.AfterDelete(ctx, row.Clone()) })
		}
	}
	return nil
}

// hookTimeout is how long a hook after a change may take: the caller waits for
// it.
const hookTimeout = 10 * time.Second

// afterCommit queues an After hook. What it does wrong is logged and is
// nobody's failure.
func (d *Database) afterCommit(ctx context.Context, t *store.Table, change string, hook func(context.Context) error) {
	request := RequestFrom(ctx)
	tell := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithValue(ctx, requestKey{}, request), hookTimeout)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				d.log.ErrorContext(ctx, "panic in a hook after a change", slog.String("table", t.Name), slog.String("change", change),
					slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			}
		}()
		if err := hook(ctx); err != nil {
			d.log.ErrorContext(ctx, "a hook after a change failed", slog.String("table", t.Name), slog.String("change", change), slog.Any("error", err))
		}
	}
	if queue := d.queueOf(ctx); queue == nil || !queue.tell(tell) {
		tell(context.WithoutCancel(ctx))
	}
}

// changedMeanwhile makes a conflict of a write that found its row gone or no
// longer matching, after hooks had run for it: what they did must not stay, so
// the transaction begins again.
func changedMeanwhile(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: a row was changed while its hooks ran", store.ErrConflict)
	}
	return err
}

// createHooked is [Database.Create] for a table with hooks; r is complete.
func (d *Database) createHooked(ctx context.Context, t *store.Table, r store.Record) (row store.Record, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		row, err = d.aroundCreate(ctx, t, r.Clone(), func(ctx context.Context, r store.Record) (store.Record, error) {
			return call(ctx, d, func(ctx context.Context) (store.Record, error) { return d.store.Create(ctx, t, r) })
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// updateHooked is [Database.Update] for a table with hooks.
func (d *Database) updateHooked(ctx context.Context, t *store.Table, w store.Where, set store.Record) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		n, err = d.updateRows(ctx, t, w, set)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (d *Database) updateRows(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	var done []any
	err := d.eachRow(ctx, t, w, func(row store.Record) error {
		done = append(done, row[store.ID])
		_, err := d.changeRow(ctx, t, row, w, nil, set)
		return err
	})
	if err != nil {
		return 0, err
	}
	missed, err := call(ctx, d, func(ctx context.Context) (int64, error) {
		return d.store.Update(ctx, t, store.And(w, store.NotIn(store.ID, done...)), set)
	})
	return int64(len(done)), untold(missed, err)
}

// untold makes a conflict of rows that were written past the hooks. The rows
// are read first, for their hooks; one that came in between, or that an old
// snapshot of the application's transaction did not show, is found by the write
// that follows.
func untold(rows int64, err error) error {
	if err == nil && rows > 0 {
		return fmt.Errorf("%w: rows came while hooks ran for others", store.ErrConflict)
	}
	return err
}

// addHooked is [Database.Add] for a table with hooks.
func (d *Database) addHooked(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	return d.inTx(ctx, func(ctx context.Context) (store.Record, error) {
		found, err := d.oneRow(ctx, t, w)
		if err != nil || found == nil {
			return nil, err
		}
		return d.changeRow(ctx, t, found, w, delta, set)
	})
}

// inTx runs fn, which returns the row that it was about, in a transaction. No
// row is [store.ErrNotFound]; that is an answer, and no failure of a transaction
// that the call is part of.
func (d *Database) inTx(ctx context.Context, fn func(ctx context.Context) (store.Record, error)) (row store.Record, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		row, err = fn(ctx)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return nil, store.ErrNotFound
	}
	return row, nil
}

// changeRow changes a row that was found.
func (d *Database) changeRow(ctx context.Context, t *store.Table, row store.Record, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	return d.aroundUpdate(ctx, t, row, set, func(ctx context.Context, set store.Record) (store.Record, error) {
		changed, err := call(ctx, d, func(ctx context.Context) (store.Record, error) {
			return d.store.Add(ctx, t, store.And(store.Eq(store.ID, row[store.ID]), w), delta, set)
		})
		return changed, changedMeanwhile(err)
	})
}

// deleteHooked is [Database.Delete] for a table with hooks.
func (d *Database) deleteHooked(ctx context.Context, t *store.Table, w store.Where) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context) error {
		n, err = d.deleteRows(ctx, t, w, deleting{})
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// takeHooked is [Database.Take] for a table with hooks.
func (d *Database) takeHooked(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	return d.inTx(ctx, func(ctx context.Context) (store.Record, error) {
		row, err := d.oneRow(ctx, t, w)
		if err != nil || row == nil {
			return nil, err
		}
		return row, d.deleteRow(ctx, t, row, w, deleting{})
	})
}

// deleting are the rows that a deletion has come to, by table and id. References
// may go round in a circle: the value tells whether the row was met again.
type deleting map[*store.Table]map[any]bool

// begin adds a row; false when it is there already.
func (g deleting) begin(t *store.Table, id any) bool {
	if _, met := g[t][id]; met {
		g[t][id] = true
		return false
	}
	if g[t] == nil {
		g[t] = map[any]bool{}
	}
	g[t][id] = false
	return true
}

func (d *Database) deleteRows(ctx context.Context, t *store.Table, w store.Where, going deleting) (n int64, err error) {
	err = d.eachRow(ctx, t, w, func(row store.Record) error {
		n++
		return d.deleteRow(ctx, t, row, w, going)
	})
	if err != nil {
		return 0, err
	}
	missed, err := call(ctx, d, func(ctx context.Context) (int64, error) {
		known := slices.Collect(maps.Keys(going[t]))
		return d.store.Delete(ctx, t, store.And(w, store.NotIn(store.ID, known...)))
	})
	return n, untold(missed, err)
}

// deleteRow deletes a row that was found, and before it those that go with it.
func (d *Database) deleteRow(ctx context.Context, t *store.Table, row store.Record, w store.Where, going deleting) error {
	id := row[store.ID]
	if !going.begin(t, id) {
		return nil
	}
	return d.aroundDelete(ctx, t, row, func(ctx context.Context) error {
		for _, dep := range d.hooks[t.Name].dependents {
			if err := d.cascade(ctx, dep, row, going); err != nil {
				return fmt.Errorf("%s: %w", dep.table.Name, err)
			}
		}
		_, err := call(ctx, d, func(ctx context.Context) (store.Record, error) {
			return d.store.Take(ctx, t, store.And(store.Eq(store.ID, id), w))
		})
		if going[t][id] && errors.Is(err, store.ErrNotFound) {
			return nil // it went along with one that refers to it
		}
		return changedMeanwhile(err)
	})
}

// cascade does to the rows that refer to one that is being deleted what the
// database would do, with their hooks.
func (d *Database) cascade(ctx context.Context, dep dependent, row store.Record, going deleting) error {
	v := row[dep.field.References.Field]
	if v == nil {
		return nil
	}
	refers := store.Eq(dep.field.Name, v)
	if dep.field.References.OnDelete == store.Cascade {
		_, err := d.deleteRows(ctx, dep.table, refers, going)
		return err
	}
	_, err := d.updateRows(ctx, dep.table, refers, store.Record{dep.field.Name: nil})
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
	// However many rows there are, no single step takes long.
	progress := d.queueOf(ctx).progress
	for {
		progress()
		rows, err := call(ctx, d, func(ctx context.Context) ([]store.Record, error) { return d.store.FindMany(ctx, t, page) })
		if err != nil {
			return err
		}
		for _, row := range rows {
			progress()
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

// oneRow returns a row that matches, nil when there is none.
func (d *Database) oneRow(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	if w.IsZero() {
		return nil, fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	row, err := call(ctx, d, func(ctx context.Context) (store.Record, error) { return d.store.FindOne(ctx, t, store.Query{Where: w}) })
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}
