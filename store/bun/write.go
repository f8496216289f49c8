package bunstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ostiary/ostiary/store"
)

// Create implements [store.Store]. It writes every column, null where the
// record says nothing: one text for the table, and no default of the database
// gets in.
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
	for _, f := range t.Fields {
		// The database would say so as well, and end the transaction for it.
		if f.Required && r[f.Name] == nil {
			return nil, fmt.Errorf("%w: field %q is required", store.ErrInvalid, f.Name)
		}
	}
	st := s.statement()
	st.write("INSERT INTO ")
	st.table(t)
	st.write(" (")
	st.columns(t.Fields)
	st.write(") VALUES (")
	for i, f := range t.Fields {
		if i > 0 {
			st.write(", ")
		}
		st.value(f.Type, r[f.Name])
	}
	st.write(")")
	return s.returning(ctx, t, st)
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
	st := s.statement()
	st.update(t, nil, set)
	st.where(t, w)
	return s.affected(ctx, t, st)
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

// Take implements [store.Store]. It is one statement.
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
	st := s.statement()
	st.delete(t)
	st.picked(t, w, true)
	return s.returning(ctx, t, st)
}

// Add implements [store.Store]. It is one statement. A sum that the field
// cannot hold is [store.ErrInvalid].
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
	st := s.statement()
	st.update(t, delta, set)
	st.picked(t, w, false)
	return s.returning(ctx, t, st)
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
			st.value(f.Type, v)
		}
		separator = ", "
	}
}

func (st *statement) delete(t *store.Table) {
	st.write("DELETE FROM ")
	st.table(t)
	st.qualify(t)
}

// picked restricts a write to one row that matches. The condition stands twice:
// a subquery that locks the row it finds has checked it for good, but a guard
// that holds whatever the subquery does is worth the second look.
func (st *statement) picked(t *store.Table, w store.Where, free bool) {
	st.write(" WHERE ")
	st.column(t.Field(store.ID))
	st.write(" = ")
	st.dialect.pick(st, t, w, free)
	st.qualify(t)
	st.write(" AND ")
	st.condition(t, w)
}

// affected runs a write and returns how many rows it wrote.
func (s *Store) affected(ctx context.Context, t *store.Table, st *statement) (int64, error) {
	var n int64
	err := s.write(ctx, func(c conn) error {
		result, err := c.ExecContext(ctx, string(st.text), st.args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, s.failure(ctx, t, err)
}

// returning runs a write of one row and returns it, or [store.ErrNotFound]
// when there was none.
func (s *Store) returning(ctx context.Context, t *store.Table, st *statement) (store.Record, error) {
	st.write(" RETURNING ")
	st.qualify(t)
	st.columns(t.Fields)
	p := projection{fields: t.Fields, width: len(t.Fields)}

	var rows []store.Record
	err := s.write(ctx, func(c conn) (err error) {
		var result *sql.Rows
		result, err = c.QueryContext(ctx, string(st.text), st.args...)
		rows, err = p.rows(result, err)
		return err
	})
	if err != nil {
		return nil, s.failure(ctx, t, err)
	}
	if len(rows) == 0 {
		return nil, store.ErrNotFound
	}
	return rows[0], nil
}
