package memory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

// find runs a query and returns copies.
func (s *Store) find(t *store.Table, tab *table, q store.Query) ([]store.Record, error) {
	q, err := t.CanonicalQuery(q)
	if err != nil {
		return nil, err
	}
	if err := s.coversJoined(t, q); err != nil {
		return nil, err
	}
	rows := page(tab.match(t, q.Where), t, q.Sort, q.Offset, q.Limit)
	out := make([]store.Record, len(rows))
	for i, r := range rows {
		out[i] = project(t, r.rec, q.Select)
		for _, name := range q.Join {
			s.join(out[i], r.rec, t.Field(name))
		}
		for _, c := range q.Children {
			s.joinChildren(out[i], r.rec, t.Schema().Table(c.Table), c)
		}
	}
	return out, nil
}

// coversJoined fails unless the tables that a checked query joins are migrated.
func (s *Store) coversJoined(t *store.Table, q store.Query) error {
	joined := make([]*store.Table, 0, len(q.Join)+len(q.Children))
	for _, name := range q.Join {
		joined = append(joined, t.Field(name).References.Target())
	}
	for _, c := range q.Children {
		joined = append(joined, t.Schema().Table(c.Table))
	}
	for _, j := range joined {
		if err := s.tables[j.Name].covers(j); err != nil {
			return fmt.Errorf("join %s: %w", j.Name, err)
		}
	}
	return nil
}

// join adds to out the row that the reference field of rec points to.
func (s *Store) join(out, rec store.Record, f *store.Field) {
	ref := f.References
	out[ref.As] = nil
	for _, r := range s.tables[ref.Table].lookup(ref.Field, rec[f.Name]) {
		out[ref.As] = project(ref.Target(), r.rec, nil)
	}
}

// joinChildren adds to out the rows of the table child that refer to rec.
func (s *Store) joinChildren(out, rec store.Record, child *store.Table, c store.Children) {
	field := child.Field(c.Field)
	rows := s.tables[c.Table].lookup(c.Field, rec[field.References.Field])
	if field.Unique {
		out[c.As] = nil
		for _, r := range rows {
			out[c.As] = project(child, r.rec, nil)
		}
		return
	}
	rows = page(rows, child, c.Sort, 0, c.Limit)
	children := make([]store.Record, len(rows))
	for i, r := range rows {
		children[i] = project(child, r.rec, nil)
	}
	out[c.As] = children
}

// page sorts the rows of the table and returns those that offset and limit
// leave. Without a sort they stay in the order they are in.
func page(rows []*row, t *store.Table, by []store.Sort, offset, limit int) []*row {
	if len(by) > 0 {
		slices.SortFunc(rows, func(a, b *row) int {
			return cmp.Or(compareBy(t, by, a.rec, b.rec), cmp.Compare(a.seq, b.seq))
		})
	}
	rows = rows[min(offset, len(rows)):]
	if limit == 0 {
		limit = store.DefaultLimit
	}
	if limit == store.NoLimit {
		return rows
	}
	return rows[:min(limit, len(rows))]
}

// project copies the fields named, or all that the table has.
func project(t *store.Table, rec store.Record, names []string) store.Record {
	out := make(store.Record, len(t.Fields))
	if len(names) == 0 {
		for _, f := range t.Fields {
			out[f.Name] = rec[f.Name]
		}
	}
	for _, name := range names {
		out[name] = rec[name]
	}
	return out.Clone()
}

// writable returns the rows that a write with the condition affects.
func writable(t *store.Table, tab *table, w store.Where) ([]*row, error) {
	if w.IsZero() {
		return nil, fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	w, err := t.CanonicalWhere(w)
	if err != nil {
		return nil, err
	}
	return tab.match(t, w), nil
}

func checkDelta(t *store.Table, delta map[string]int64, set store.Record) error {
	for name := range delta {
		f := t.Field(name)
		if f == nil || f.Type != store.Int && f.Type != store.Float {
			return fmt.Errorf("%w: field %q is no number to add to", store.ErrInvalid, name)
		}
		if _, both := set[name]; both {
			return fmt.Errorf("%w: field %q is both added to and set", store.ErrInvalid, name)
		}
	}
	return nil
}

// addTo puts the sums of rec's numbers and delta into set.
func addTo(set store.Record, t *store.Table, rec store.Record, delta map[string]int64) error {
	for name, d := range delta {
		if t.Field(name).Type == store.Float {
			n, _ := rec[name].(float64)
			set[name] = n + float64(d)
			continue
		}
		n := rec.Int(name)
		if sum := n + d; (sum > n) == (d > 0) || d == 0 {
			set[name] = sum
			continue
		}
		return fmt.Errorf("%w: field %q does not hold %d more", store.ErrInvalid, name, d)
	}
	return nil
}

// matches reports whether the condition, in canonical form, matches rec, a row
// of the table.
func matches(t *store.Table, w store.Where, rec store.Record) bool {
	v := rec[w.Field]
	switch w.Op {
	case store.OpAnd:
		return !slices.ContainsFunc(w.Of, func(c store.Where) bool { return !matches(t, c, rec) })
	case store.OpOr:
		return slices.ContainsFunc(w.Of, func(c store.Where) bool { return matches(t, c, rec) })
	case store.OpEq:
		return equal(v, w.Value, w.Insensitive)
	case store.OpNe:
		return !equal(v, w.Value, w.Insensitive)
	case store.OpIn:
		return slices.ContainsFunc(w.Values, func(x any) bool { return equal(v, x, w.Insensitive) })
	case store.OpNotIn:
		return !slices.ContainsFunc(w.Values, func(x any) bool { return equal(v, x, w.Insensitive) })
	case store.OpLt, store.OpLte, store.OpGt, store.OpGte:
		return v != nil && inOrder(w.Op, order(t.Field(w.Field), v, w.Value, w.Insensitive))
	case store.OpContains, store.OpPrefix, store.OpSuffix:
		text, ok := v.(string)
		return ok && matchesText(w, text)
	}
	return true // the zero condition and All
}

func inOrder(op store.Op, c int) bool {
	switch op {
	case store.OpLt:
		return c < 0
	case store.OpLte:
		return c <= 0
	case store.OpGt:
		return c > 0
	default:
		return c >= 0
	}
}

func matchesText(w store.Where, text string) bool {
	part := w.Value.(string)
	if w.Insensitive {
		text, part = lower(text), lower(part)
	}
	switch w.Op {
	case store.OpPrefix:
		return strings.HasPrefix(text, part)
	case store.OpSuffix:
		return strings.HasSuffix(text, part)
	default:
		return strings.Contains(text, part)
	}
}

func equal(a, b any, fold bool) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return compare(a, b, fold) == 0
}

func compareBy(t *store.Table, by []store.Sort, a, b store.Record) int {
	for _, s := range by {
		c := compareNulls(t.Field(s.Field), a[s.Field], b[s.Field])
		if s.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareNulls(f *store.Field, a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return order(f, a, b, false)
}

// order compares two values of a field, neither of them null: text of digits
// as the number that it is.
func order(f *store.Field, a, b any, fold bool) int {
	if f.IDKind() == store.SerialID {
		a, b := a.(string), b.(string)
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	}
	return compare(a, b, fold)
}

// compare orders two values of one type, neither of them null.
func compare(a, b any, fold bool) int {
	switch a := a.(type) {
	case string:
		b := b.(string)
		if fold {
			a, b = lower(a), lower(b)
		}
		return strings.Compare(a, b)
	case bool:
		return cmp.Compare(rank(a), rank(b.(bool)))
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	default:
		return a.(time.Time).Compare(b.(time.Time))
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lower folds the ASCII letters and nothing else.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
