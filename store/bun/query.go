package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/ostiary/ostiary/store"
)

// FindOne implements [store.Store]. With its joins it is one statement.
func (s *Store) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	q.Limit = 1
	rows, err := s.find(ctx, t, q)
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, doing("find one", t, err)
	}
	return rows[0], nil
}

// FindMany implements [store.Store]. With its joins it is one statement.
func (s *Store) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	if q.Limit == 0 {
		q.Limit = store.DefaultLimit
	}
	rows, err := s.find(ctx, t, q)
	if err != nil {
		return nil, doing("find many", t, err)
	}
	return rows, nil
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	n, err := s.count(ctx, t, w)
	if err != nil {
		return 0, doing("count", t, err)
	}
	return n, nil
}

func (s *Store) count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if err := s.check(t); err != nil {
		return 0, err
	}
	w, err := t.CanonicalWhere(w)
	if err != nil {
		return 0, err
	}
	st := s.statement()
	st.write("SELECT count(*) FROM ")
	st.from(t)
	st.where(t, w)

	var n int64
	err = s.read(ctx, func(c conn) error {
		rows, err := c.QueryContext(ctx, string(st.text), st.args...)
		return each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
	})
	return n, s.failure(ctx, t, err)
}

func (s *Store) find(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	w, err := t.CanonicalWhere(q.Where)
	if err != nil {
		return nil, err
	}
	p, err := s.projection(t, q.Select, q.Join)
	if err != nil {
		return nil, err
	}
	text, args := p.one(s.dialect, t, q, w)
	if text == "" {
		if text, args, err = s.selectText(t, p, q, w); err != nil {
			return nil, err
		}
	}
	var found []store.Record
	err = s.read(ctx, func(c conn) (err error) {
		found, err = p.rows(c.QueryContext(ctx, text, args...))
		return err
	})
	return found, s.failure(ctx, t, err)
}

func (s *Store) selectText(t *store.Table, p *projection, q store.Query, w store.Where) (string, []any, error) {
	st := s.statement()
	st.write(p.head)
	st.qualifier = baseAlias + "."
	st.where(t, w)
	if err := st.orderBy(t, q.Sort); err != nil {
		return "", nil, err
	}
	if q.Limit < store.NoLimit || q.Offset < 0 {
		return "", nil, fmt.Errorf("%w: limit %d, offset %d", store.ErrInvalid, q.Limit, q.Offset)
	}
	s.dialect.page(st, q.Limit, q.Offset)
	return string(st.text), st.args, nil
}

func (st *statement) orderBy(t *store.Table, by []store.Sort) error {
	for i, b := range by {
		f := t.Field(b.Field)
		if f == nil || !ordered(f) {
			return fmt.Errorf("%w: table %q cannot be sorted by %q", store.ErrInvalid, t.Name, b.Field)
		}
		if i == 0 {
			st.write(" ORDER BY ")
		} else {
			st.write(", ")
		}
		st.operand(operand{field: f, bytes: true})
		switch {
		case b.Desc && f.Required:
			st.write(" DESC")
		case b.Desc:
			st.write(" DESC NULLS LAST")
		case !f.Required:
			// Said only where it matters: PostgreSQL reads a plain index in
			// this order only if it is not asked for.
			st.write(" NULLS FIRST")
		}
	}
	return nil
}

// baseAlias is the table of a query; its joined tables are j1, j2 and so on.
const baseAlias = "t"

// from writes a table as the one of a query.
func (st *statement) from(t *store.Table) {
	st.table(t)
	st.write(" AS " + baseAlias)
	st.qualifier = baseAlias + "."
}

// projection is what a query returns: the fields of its table, then those of
// each joined one, and the text that selects them. It does not change.
type projection struct {
	fields []*store.Field
	joins  []join
	width  int
	head   string // SELECT … FROM … LEFT JOIN …
	// byField is the whole text of a lookup of one row by one field's value.
	// A lookup of a session by its token builds no text at all.
	byField map[string]string
}

// join is the row that a reference points to.
type join struct {
	as     string
	fields []*store.Field
}

// projections keeps those of plain queries: all fields of the table, and one
// join at most.
type projections struct {
	mu   sync.RWMutex
	kept map[projectionKey]*projection
}

type projectionKey struct {
	table *store.Table
	join  string
}

// keptProjections bounds what is kept, for programs that compile a schema
// again and again.
const keptProjections = 1024

func (s *Store) projection(t *store.Table, fields, joins []string) (*projection, error) {
	if len(fields) > 0 || len(joins) > 1 {
		return s.newProjection(t, fields, joins)
	}
	key := projectionKey{table: t}
	if len(joins) == 1 {
		key.join = joins[0]
	}
	s.projections.mu.RLock()
	p := s.projections.kept[key]
	s.projections.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := s.newProjection(t, nil, joins)
	if err != nil {
		return nil, err
	}
	p.byField = s.lookups(t, p)

	s.projections.mu.Lock()
	defer s.projections.mu.Unlock()
	if s.projections.kept == nil || len(s.projections.kept) >= keptProjections {
		s.projections.kept = map[projectionKey]*projection{}
	}
	s.projections.kept[key] = p
	return p, nil
}

func (s *Store) newProjection(t *store.Table, fields, joins []string) (*projection, error) {
	p := &projection{fields: t.Fields}
	if len(fields) > 0 {
		p.fields = make([]*store.Field, 0, len(fields))
		for _, name := range fields {
			f := t.Field(name)
			if f == nil {
				return nil, fmt.Errorf("%w: table %q has no field %q", store.ErrInvalid, t.Name, name)
			}
			if !slices.Contains(p.fields, f) {
				p.fields = append(p.fields, f)
			}
		}
	}
	p.width = len(p.fields)

	list, from := s.statement(), s.statement()
	list.write("SELECT ")
	list.qualifier = baseAlias + "."
	list.columns(p.fields)
	from.write(" FROM ")
	from.from(t)
	for i, name := range joins {
		f := t.Field(name)
		if f == nil || f.References == nil {
			return nil, fmt.Errorf("%w: table %q has no reference %q to join", store.ErrInvalid, t.Name, name)
		}
		if slices.Contains(joins[:i], name) {
			continue
		}
		ref := f.References
		target := ref.Target()
		p.joins = append(p.joins, join{as: ref.As, fields: target.Fields})
		p.width += len(target.Fields)

		alias := "j" + strconv.Itoa(len(p.joins))
		list.qualifier = alias + "."
		list.write(", ")
		list.columns(target.Fields)
		from.write(" LEFT JOIN ")
		from.table(target)
		from.write(" AS " + alias + " ON " + alias + ".")
		from.name(target.Field(ref.Field).DBName())
		from.write(" = ")
		from.column(f)
	}
	p.head = string(list.text) + string(from.text)
	return p, nil
}

// lookups builds the texts of byField.
func (s *Store) lookups(t *store.Table, p *projection) map[string]string {
	texts := make(map[string]string, len(t.Fields))
	for _, f := range t.Fields {
		if !ordered(f) {
			continue
		}
		st := s.statement()
		st.write(p.head)
		st.qualifier = baseAlias + "."
		st.where(t, store.Eq(f.Name, ""))
		s.dialect.page(st, 1, 0)
		texts[f.Name] = string(st.text)
	}
	return texts
}

// one is the ready text of a lookup by one field's value, or "" for any other
// query.
func (p *projection) one(d dialect, t *store.Table, q store.Query, w store.Where) (string, []any) {
	if q.Limit != 1 || q.Offset != 0 || len(q.Sort) > 0 || w.Op != store.OpEq || w.Value == nil || w.Insensitive {
		return "", nil
	}
	return p.byField[w.Field], []any{d.encode(t.Field(w.Field).Type, w.Value)}
}

// rows reads all rows of a result and closes it.
func (p *projection) rows(rows *sql.Rows, err error) ([]store.Record, error) {
	var found []store.Record
	values := make([]any, p.width)
	into := make([]any, p.width)
	for i := range values {
		into[i] = &values[i]
	}
	err = each(rows, err, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		r, err := p.record(values)
		found = append(found, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (p *projection) record(values []any) (store.Record, error) {
	r := make(store.Record, len(p.fields)+len(p.joins))
	if err := fill(r, p.fields, values); err != nil {
		return nil, err
	}
	values = values[len(p.fields):]
	for _, j := range p.joins {
		of := values[:len(j.fields)]
		values = values[len(j.fields):]
		// Every table's first field is its id, which no row has null.
		if of[0] == nil {
			r[j.as] = nil
			continue
		}
		joined := make(store.Record, len(j.fields))
		if err := fill(joined, j.fields, of); err != nil {
			return nil, err
		}
		r[j.as] = joined
	}
	return r, nil
}

func fill(r store.Record, fields []*store.Field, values []any) error {
	for i, f := range fields {
		v, err := decode(f.Type, values[i])
		if err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
		r[f.Name] = v
	}
	return nil
}

// each calls fn for every row of a result, and closes it. Reading to the end
// is what makes a write that returns rows take effect in SQLite.
func each(rows *sql.Rows, err error, fn func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			_ = rows.Close()
			return err
		}
	}
	if err := rows.Err(); err != nil {
		_ = rows.Close()
		return err
	}
	return rows.Close()
}

// drain reads a result for its error alone.
func drain(rows *sql.Rows, err error) error {
	return each(rows, err, func(*sql.Rows) error { return nil })
}
