package bunstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Create implements [store.Store]. It writes every column, null where the
// record says nothing: one text for the table, and no default of the database
// gets in, except for an id that the database makes.
//
// On MySQL and MariaDB it returns the record as it was sent. Reading it may find
// less, or the same in another form, in what the database keeps in its own way:
// MySQL orders the keys of JSON, and a time column that another program made
// without fractions rounds to seconds.
func (s *Store) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	row, err := s.create(ctx, t, r)
	if err != nil {
		return nil, doing("create", t, err)
	}
	return row, nil
}

func (s *Store) create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	r, err := t.Canonical(r)
	if err != nil {
		return nil, err
	}
	ids := t.Schema().IDs()
	made := ids.ByDatabase() && s.dialect.makesIDs(ids.Kind())
	if r[store.ID] == nil && ids.ByDatabase() && !made {
		if r[store.ID], err = ids.New(rand.Reader, t.Name); err != nil {
			return nil, err
		}
	}
	for _, f := range t.Fields {
		// The database would say so as well, and end the transaction for it.
		if f.Required && r[f.Name] == nil && !(made && f.Name == store.ID) {
			return nil, fmt.Errorf("%w: field %q is required", store.ErrInvalid, f.Name)
		}
	}
	return s.dialect.insert(ctx, s, t, r)
}

// Update implements [store.Store]. An empty set is [store.ErrInvalid].
func (s *Store) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	n, err := s.update(ctx, t, w, set)
	if err != nil {
		return 0, doing("update", t, err)
	}
	return n, nil
}

func (s *Store) update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	if err := s.check(t); err != nil {
		return 0, err
	}
	if len(set) == 0 {
		return 0, fmt.Errorf("%w: nothing to write", store.ErrInvalid)
	}
	w, err := guard(t, w)
	if err != nil {
		return 0, err
	}
	if set, err = assignments(t, set); err != nil {
		return 0, err
	}
	return s.dialect.update(ctx, s, t, w, set)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	n, err := s.delete(ctx, t, w)
	if err != nil {
		return 0, doing("delete", t, err)
	}
	return n, nil
}

func (s *Store) delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if err := s.check(t); err != nil {
		return 0, err
	}
	w, err := guard(t, w)
	if err != nil {
		return 0, err
	}
	st := s.statement()
	st.delete(t)
	st.where(t, w)
	return s.affected(ctx, t, st)
}

// Take implements [store.Store]. It is one statement, and on MySQL one
// transaction.
func (s *Store) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	row, err := s.take(ctx, t, w)
	if err != nil {
		return nil, doing("take", t, err)
	}
	return row, nil
}

func (s *Store) take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	w, err := guard(t, w)
	if err != nil {
		return nil, err
	}
	return s.dialect.take(ctx, s, t, w)
}

// Add implements [store.Store]. It is one statement, and on MySQL one
// transaction. A sum that the field cannot hold is [store.ErrInvalid].
func (s *Store) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	row, err := s.add(ctx, t, w, delta, set)
	if err != nil {
		return nil, doing("add", t, err)
	}
	return row, nil
}

func (s *Store) add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	if len(delta) == 0 && len(set) == 0 {
		return nil, fmt.Errorf("%w: nothing to write", store.ErrInvalid)
	}
	w, err := guard(t, w)
	if err != nil {
		return nil, err
	}
	if set, err = assignments(t, set); err != nil {
		return nil, err
	}
	for name := range delta {
		f := t.Field(name)
		if f == nil || f.Type != store.Int && f.Type != store.Float {
			return nil, fmt.Errorf("%w: field %q is no number to add to", store.ErrInvalid, name)
		}
		if _, both := set[name]; both {
			return nil, fmt.Errorf("%w: field %q is both added to and set", store.ErrInvalid, name)
		}
	}
	return s.dialect.add(ctx, s, t, w, delta, set)
}

// assignments is [store.Table.Canonical] for a change of rows that exist.
func assignments(t *store.Table, set store.Record) (store.Record, error) {
	set, err := t.Canonical(set)
	if err != nil {
		return nil, err
	}
	for name, v := range set {
		if v == nil && t.Field(name).Required {
			return nil, fmt.Errorf("%w: field %q is required", store.ErrInvalid, name)
		}
	}
	return set, nil
}

// insert writes "INSERT INTO … (…) " for all fields.
func (st *statement) insert(t *store.Table) {
	st.write("INSERT INTO ")
	st.table(t)
	st.write(" (")
	st.columns(t.Fields)
	st.write(") ")
}

// row writes "VALUES (…)" for all fields, with what makes the database make the
// id where there is none.
func (st *statement) row(t *store.Table, r store.Record, makeID string) {
	if r[store.ID] != nil {
		st.values(t.Fields, r)
		return
	}
	st.write("VALUES (" + makeID)
	for _, f := range t.Fields[1:] { // every table's first field is its id
		st.write(", ")
		st.value(f, r[f.Name])
	}
	st.write(")")
}

// values writes "VALUES (…)" for the fields.
func (st *statement) values(fields []*store.Field, r store.Record) {
	st.write("VALUES (")
	for i, f := range fields {
		if i > 0 {
			st.write(", ")
		}
		st.value(f, r[f.Name])
	}
	st.write(")")
}

// update writes "UPDATE … SET …", the fields in the order of the table, so
// that the same set makes the same text.
func (st *statement) update(t *store.Table, delta map[string]int64, set store.Record) {
	st.write("UPDATE ")
	st.table(t)
	st.qualify(t)
	separator := " SET "
	for _, f := range t.Fields {
		n, added := delta[f.Name]
		v, assigned := set[f.Name]
		if !added && !assigned {
			continue
		}
		st.write(separator)
		st.name(f.DBName())
		st.write(" = ")
		if added {
			st.dialect.sum(st, f, n)
		} else {
			st.value(f, v)
		}
		separator = ", "
	}
}

func (st *statement) delete(t *store.Table) {
	st.write("DELETE FROM ")
	st.table(t)
	st.qualify(t)
}

// byID restricts a statement to the row of that id.
func (st *statement) byID(t *store.Table, id any) {
	f := t.Field(store.ID)
	st.write(" WHERE ")
	st.dialect.equal(st, false, operand{field: f}, id)
}

// affected runs a write and returns how many rows it wrote.
func (s *Store) affected(ctx context.Context, t *store.Table, st *statement) (int64, error) {
	for attempt := 1; ; attempt++ {
		var n int64
		err := s.failure(ctx, t, s.write(ctx, func(c conn) (err error) {
			n, err = st.exec(ctx, c)
			return err
		}))
		if !s.retries(ctx, err, attempt) {
			return n, err
		}
	}
}

// exec runs the statement and returns how many rows it wrote.
func (st *statement) exec(ctx context.Context, c conn) (int64, error) {
	result, err := c.ExecContext(ctx, string(st.text), st.args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// mostAttempts bounds how often a call runs that loses against others.
const mostAttempts = 5

// retries tells whether a call that has failed is to be run again, and lets
// those pass that it has lost against. In a transaction it is for the caller to
// run that again whole.
func (s *Store) retries(ctx context.Context, err error, attempt int) bool {
	if err == nil || attempt == mostAttempts || !errors.Is(err, store.ErrConflict) || s.joined(ctx) != nil {
		return false
	}
	timer := time.NewTimer(mathrand.N(10 * time.Millisecond << attempt)) //nolint:gosec // spreads callers, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// returning is how rows are written in a database whose writes return what they
// have written. Each call is one statement.
type returning struct{}

// generator knows the value in VALUES that makes the database make an id.
type generator interface{ generatedID() string }

// picker knows how to find one row.
type picker interface {
	// pick writes a subquery for the id of one row that matches, locked where
	// the database has row locks. One that is to be deleted is preferably a row
	// that nobody else holds, and waited for only where there is no other.
	pick(st *statement, t *store.Table, w store.Where, toDelete bool)
}

func (returning) insert(ctx context.Context, s *Store, t *store.Table, r store.Record) (store.Record, error) {
	st := s.statement()
	st.insert(t)
	st.row(t, r, s.dialect.(generator).generatedID())
	return s.returning(ctx, t, st)
}

func (returning) update(ctx context.Context, s *Store, t *store.Table, w store.Where, set store.Record) (int64, error) {
	st := s.statement()
	st.update(t, nil, set)
	st.where(t, w)
	return s.affected(ctx, t, st)
}

func (returning) take(ctx context.Context, s *Store, t *store.Table, w store.Where) (store.Record, error) {
	st := s.statement()
	st.delete(t)
	st.picked(t, w, true)
	return s.returning(ctx, t, st)
}

func (returning) add(ctx context.Context, s *Store, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	st := s.statement()
	st.update(t, delta, set)
	st.picked(t, w, false)
	return s.returning(ctx, t, st)
}

// picked restricts a write to one row that matches. The condition stands twice:
// a subquery that locks the row it finds has checked it for good, but a guard
// that holds whatever the subquery does is worth the second look.
func (st *statement) picked(t *store.Table, w store.Where, toDelete bool) {
	st.write(" WHERE ")
	st.column(t.Field(store.ID))
	st.write(" = ")
	st.dialect.(picker).pick(st, t, w, toDelete)
	st.qualify(t)
	st.write(" AND ")
	st.condition(t, w)
}

// returning runs a write of one row and returns it, or [store.ErrNotFound]
// when there was none.
func (s *Store) returning(ctx context.Context, t *store.Table, st *statement) (store.Record, error) {
	st.write(" RETURNING ")
	st.qualify(t)
	st.columns(t.Fields)
	return s.written(ctx, t, st)
}

// written runs a write that returns its row.
func (s *Store) written(ctx context.Context, t *store.Table, st *statement) (store.Record, error) {
	for attempt := 1; ; attempt++ {
		var row store.Record
		err := s.failure(ctx, t, s.write(ctx, func(c conn) (err error) {
			row, err = st.one(ctx, c, t)
			return err
		}))
		if s.retries(ctx, err, attempt) {
			continue
		}
		if err == nil && row == nil {
			err = store.ErrNotFound
		}
		return row, err
	}
}

// one runs a statement that returns a row of the table, or none, which is nil.
func (st *statement) one(ctx context.Context, c conn, t *store.Table) (store.Record, error) {
	p := projection{dialect: st.dialect, fields: t.Fields, width: len(t.Fields)}
	rows, err := p.rows(c.QueryContext(ctx, string(st.text), st.args...))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}
