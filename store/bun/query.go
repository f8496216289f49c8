package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ostiary/ostiary/store"
)

// FindOne implements [store.Store]. With its joins and children it is one
// statement.
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

// FindMany implements [store.Store]. With its joins and children it is one
// statement.
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

	for attempt := 1; ; attempt++ {
		var n int64
		err := s.failure(ctx, t, s.read(ctx, func(c conn) (err error) {
			n, err = st.number(ctx, c)
			return err
		}))
		if !s.retries(ctx, err, attempt) {
			return n, err
		}
	}
}

// number runs a query for one number.
func (st *statement) number(ctx context.Context, c conn) (n int64, err error) {
	rows, err := c.QueryContext(ctx, string(st.text), st.args...)
	err = each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

func (s *Store) find(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	q, err := t.CanonicalQuery(q)
	if err != nil {
		return nil, err
	}
	if len(q.Children) > 0 {
		if err := s.dialect.learn(ctx, s); err != nil {
			return nil, s.failure(ctx, t, err)
		}
	}
	p := s.projection(t, q)
	text, args := p.one(s.dialect, t, q)
	if text == "" {
		text, args = s.selectText(t, p, q)
	}
	for attempt := 1; ; attempt++ {
		var found []store.Record
		err := s.failure(ctx, t, s.read(ctx, func(c conn) (err error) {
			found, err = p.rows(c.QueryContext(ctx, text, args...))
			return err
		}))
		if !s.retries(ctx, err, attempt) {
			return found, err
		}
	}
}

func (s *Store) selectText(t *store.Table, p *projection, q store.Query) (string, []any) {
	st := s.statement()
	st.write(p.head)
	st.args = p.args
	st.qualifier = baseAlias + "."
	st.where(t, q.Where)
	st.orderBy(t, q.Sort)
	s.dialect.page(st, len(q.Sort) > 0, q.Limit, q.Offset)
	return string(st.text), st.args
}

func (st *statement) orderBy(t *store.Table, by []store.Sort) {
	for i, b := range by {
		f := t.Field(b.Field)
		if i == 0 {
			st.write(" ORDER BY ")
		} else {
			st.write(", ")
		}
		st.operand(operand{field: f, bytes: true})
		if b.Desc {
			st.write(" DESC")
		}
		// Said only where it matters: PostgreSQL reads a plain index in this
		// order only if it is not asked for.
		if !f.Required {
			st.write(st.dialect.nulls(b.Desc))
		}
	}
}

// baseAlias is the table of a query; its joined tables are j1, j2 and so on,
// those of its children c1, c2 and so on.
const baseAlias = "t"

// from writes a table as the one of a query.
func (st *statement) from(t *store.Table) {
	st.table(t)
	st.write(" AS " + baseAlias)
	st.qualifier = baseAlias + "."
}

// projection is what a query returns: the fields of its table, then those of
// each joined one, then the children, and the text that selects them with its
// arguments. It does not change.
type projection struct {
	dialect  dialect
	fields   []*store.Field
	joins    []join
	children []*children
	width    int
	head     string // SELECT … FROM … LEFT JOIN …
	args     []any
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

func (s *Store) projection(t *store.Table, q store.Query) *projection {
	if len(q.Select) > 0 || len(q.Join) > 1 || len(q.Children) > 0 {
		return s.newProjection(t, q)
	}
	key := projectionKey{table: t}
	if len(q.Join) == 1 {
		key.join = q.Join[0]
	}
	s.projections.mu.RLock()
	p := s.projections.kept[key]
	s.projections.mu.RUnlock()
	if p != nil {
		return p
	}
	p = s.newProjection(t, q)
	p.byField = s.lookups(t, p)

	s.projections.mu.Lock()
	defer s.projections.mu.Unlock()
	if s.projections.kept == nil || len(s.projections.kept) >= keptProjections {
		s.projections.kept = map[projectionKey]*projection{}
	}
	s.projections.kept[key] = p
	return p
}

func (s *Store) newProjection(t *store.Table, q store.Query) *projection {
	p := &projection{dialect: s.dialect, fields: selected(t, q.Select)}
	list, from := s.statement(), s.statement()
	if len(q.Children) > 0 {
		list.write(s.dialect.childrenPrefix())
	}
	list.write("SELECT ")
	list.qualifier = baseAlias + "."
	list.columns(p.fields)
	from.write(" FROM ")
	from.from(t)
	p.width = len(p.fields)
	for i, name := range q.Join {
		if !slices.Contains(q.Join[:i], name) {
			p.join(t.Field(name), list, from)
		}
	}
	for i, c := range q.Children {
		p.children = append(p.children, newChildren(t, i+1, c))
		list.write(", ")
		s.dialect.children(list, p.children[i])
	}
	p.width += len(p.children)
	p.head, p.args = string(list.text)+string(from.text), list.args
	return p
}

// selected are the fields of these names, each once, or all fields.
func selected(t *store.Table, names []string) []*store.Field {
	if len(names) == 0 {
		return t.Fields
	}
	fields := make([]*store.Field, 0, len(names))
	for _, name := range names {
		if f := t.Field(name); !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// join adds the row that the field refers to.
func (p *projection) join(f *store.Field, list, from *statement) {
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

// lookups builds the texts of byField.
func (s *Store) lookups(t *store.Table, p *projection) map[string]string {
	texts := make(map[string]string, len(t.Fields))
	for _, f := range t.Fields {
		if !f.Ordered() {
			continue
		}
		st := s.statement()
		st.write(p.head)
		st.qualifier = baseAlias + "."
		st.write(" WHERE ")
		s.dialect.equal(st, false, operand{field: f}, nil)
		s.dialect.page(st, false, 1, 0)
		texts[f.Name] = string(st.text)
	}
	return texts
}

// one is the ready text of a lookup by one field's value, or "" for any other
// query.
func (p *projection) one(d dialect, t *store.Table, q store.Query) (string, []any) {
	w := q.Where
	if q.Limit != 1 || q.Offset != 0 || len(q.Sort) > 0 || w.Op != store.OpEq || w.Value == nil || w.Insensitive {
		return "", nil
	}
	if at, ok := w.Value.(time.Time); ok && beyond(at) != 0 {
		return "", nil
	}
	return p.byField[w.Field], []any{bound(d, t.Field(w.Field), w.Value)}
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
		p.dialect.received(values)
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
	r := make(store.Record, len(p.fields)+len(p.joins)+len(p.children))
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
	for i, c := range p.children {
		rows, err := c.decode(values[i])
		if err != nil {
			return nil, err
		}
		r[c.as] = rows
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
