package store

import (
	"fmt"
	"slices"
)

// DefaultLimit is how many rows [Store.FindMany] returns at most when the
// query does not say.
const DefaultLimit = 100

// NoLimit as [Query.Limit] asks for all rows.
const NoLimit = -1

// Query says which rows to read and what of them.
type Query struct {
	// Where is the condition; the zero value matches every row.
	Where Where
	// Sort orders the rows, first entry first. Nulls come first ascending and
	// last descending. Without it the order is the database's own.
	Sort []Sort
	// Limit is the most rows to return: 0 is [DefaultLimit], [NoLimit] all.
	Limit int
	// Offset is how many rows to skip.
	Offset int
	// Select names the fields to return; empty means all.
	Select []string
	// Join names reference fields of the table. The row each one points to is
	// returned in the same statement, as a Record under the reference field's
	// [Reference.As] name: FindOne on "session" with Join "userId" gives
	// rec["user"]. Limit and Offset count rows of the table itself.
	Join []string
	// Children are further tables whose rows that refer to the row are returned
	// with it, in the same statement: FindOne on "user" with
	// Children{{Table: "account"}} gives rec["account"]. Limit and Offset count
	// rows of the table itself here too.
	Children []Children
}

// Children asks for the rows of another table that refer to the row found.
//
// They are a []Record, empty and not nil where there are none. Where the
// reference field is unique there is one at most, and it is a Record or a plain
// nil.
type Children struct {
	// Table is the logical name of the table that refers to the one queried.
	Table string
	// Field is its reference field. It may be empty if only one refers here.
	Field string
	// As is the name of the rows in the Record. Empty: Table.
	As string
	// Sort orders the rows of each parent. Without it they come by id.
	Sort []Sort
	// Limit is the most rows for each parent: 0 is [DefaultLimit], [NoLimit] all.
	Limit int
}

// Sort orders by one field.
type Sort struct {
	Field string
	Desc  bool
}

// Op is what a [Where] does.
type Op uint8

// The operators of a condition. Text is compared byte by byte unless the
// condition is made case-insensitive with [Where.Fold].
const (
	opNone     Op = iota
	OpAll         // every row
	OpAnd         // all of Of
	OpOr          // any of Of
	OpEq          // equal; null equals null
	OpNe          // not equal; null is unequal to every value
	OpLt          // less than; false for null, like the three that follow
	OpLte         // less than or equal
	OpGt          // greater than
	OpGte         // greater than or equal
	OpIn          // equal to one of Values; never true when there are none
	OpNotIn       // unequal to all of Values; always true when there are none
	OpContains    // text contains Value literally
	OpPrefix      // text starts with Value literally
	OpSuffix      // text ends with Value literally
)

// Where is a condition on rows: a tree, so that mixed AND and OR mean the
// same on every store. Make one with [Eq], [And] and the other functions.
// The zero Where matches every row when reading and is refused when writing.
type Where struct {
	Op     Op
	Field  string
	Value  any
	Values []any
	Of     []Where
	// Insensitive compares text without regard to the case of ASCII letters.
	Insensitive bool
}

// IsZero reports whether w is the zero Where, which says nothing.
func (w Where) IsZero() bool { return w.Op == opNone }

// All matches every row, and says so.
func All() Where { return Where{Op: OpAll} }

// And matches rows that all conditions match; without any it matches every row.
func And(of ...Where) Where { return Where{Op: OpAnd, Of: of} }

// Or matches rows that any condition matches; without any it matches none.
func Or(of ...Where) Where { return Where{Op: OpOr, Of: of} }

// Eq matches rows whose field equals v; Eq(f, nil) matches null.
func Eq(field string, v any) Where { return Where{Op: OpEq, Field: field, Value: v} }

// Ne matches rows whose field does not equal v, null among them; Ne(f, nil)
// matches all that are not null.
func Ne(field string, v any) Where { return Where{Op: OpNe, Field: field, Value: v} }

// Lt matches rows whose field is less than v.
func Lt(field string, v any) Where { return Where{Op: OpLt, Field: field, Value: v} }

// Lte matches rows whose field is less than or equal to v.
func Lte(field string, v any) Where { return Where{Op: OpLte, Field: field, Value: v} }

// Gt matches rows whose field is greater than v.
func Gt(field string, v any) Where { return Where{Op: OpGt, Field: field, Value: v} }

// Gte matches rows whose field is greater than or equal to v.
func Gte(field string, v any) Where { return Where{Op: OpGte, Field: field, Value: v} }

// In matches rows whose field equals one of vs.
func In[T any](field string, vs ...T) Where {
	return Where{Op: OpIn, Field: field, Values: anys(vs)}
}

// NotIn matches rows whose field equals none of vs.
func NotIn[T any](field string, vs ...T) Where {
	return Where{Op: OpNotIn, Field: field, Values: anys(vs)}
}

// Contains matches rows whose text contains s; nothing in s is a wildcard.
func Contains(field, s string) Where { return Where{Op: OpContains, Field: field, Value: s} }

// HasPrefix matches rows whose text starts with s.
func HasPrefix(field, s string) Where { return Where{Op: OpPrefix, Field: field, Value: s} }

// HasSuffix matches rows whose text ends with s.
func HasSuffix(field, s string) Where { return Where{Op: OpSuffix, Field: field, Value: s} }

// Fold returns the condition made insensitive to the case of ASCII letters.
// It has an effect on text only.
func (w Where) Fold() Where { w.Insensitive = true; return w }

func anys[T any](vs []T) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}

// CanonicalQuery checks the query against the table and returns it with its
// condition in canonical form (see [Table.CanonicalWhere]) and everything that
// may be left out of Children filled in, except for Limit. A field, reference
// or table that does not exist, a sort by what has no order, a negative offset
// and a name that two joins share are [ErrInvalid]. Stores call it on what they
// are given.
func (t *Table) CanonicalQuery(q Query) (Query, error) {
	if q.Offset < 0 || q.Limit < NoLimit {
		return Query{}, fmt.Errorf("%w: offset %d, limit %d", ErrInvalid, q.Offset, q.Limit)
	}
	for _, name := range q.Select {
		if t.Field(name) == nil {
			return Query{}, fmt.Errorf("%w: table %q has no field %q", ErrInvalid, t.Name, name)
		}
	}
	if err := t.checkSort(q.Sort); err != nil {
		return Query{}, err
	}
	for _, name := range q.Join {
		if f := t.Field(name); f == nil || f.References == nil {
			return Query{}, fmt.Errorf("%w: table %q has no reference %q to join", ErrInvalid, t.Name, name)
		}
	}
	if len(q.Children) > 0 {
		children, err := t.canonicalChildren(q)
		if err != nil {
			return Query{}, err
		}
		q.Children = children
	}
	var err error
	q.Where, err = t.CanonicalWhere(q.Where)
	return q, err
}

func (t *Table) checkSort(by []Sort) error {
	for _, s := range by {
		if f := t.Field(s.Field); f == nil || !f.Ordered() {
			return fmt.Errorf("%w: table %q cannot be sorted by %q", ErrInvalid, t.Name, s.Field)
		}
	}
	return nil
}

func (t *Table) canonicalChildren(q Query) ([]Children, error) {
	taken := map[string]bool{}
	for _, name := range q.Join {
		taken[t.Field(name).References.As] = true
	}
	out := slices.Clone(q.Children)
	for i := range out {
		c := &out[i]
		child := t.schema.Table(c.Table)
		if child == nil {
			return nil, fmt.Errorf("%w: there is no table %q whose rows could be joined", ErrInvalid, c.Table)
		}
		f, err := t.referrer(child, c.Field)
		if err != nil {
			return nil, err
		}
		c.Field = f.Name
		if c.As == "" {
			c.As = c.Table
		}
		if t.Field(c.As) != nil || taken[c.As] {
			return nil, fmt.Errorf("%w: rows of %q join %q as %q, which is taken; set As", ErrInvalid, c.Table, t.Name, c.As)
		}
		taken[c.As] = true
		if c.Limit < NoLimit {
			return nil, fmt.Errorf("%w: limit %d", ErrInvalid, c.Limit)
		}
		if err := child.checkSort(c.Sort); err != nil {
			return nil, err
		}
		if len(c.Sort) == 0 {
			c.Sort = []Sort{{Field: ID}}
		}
	}
	return out, nil
}

// referrer is the field of child that refers to the table: the one named, or
// the only one.
func (t *Table) referrer(child *Table, name string) (*Field, error) {
	var found *Field
	for _, f := range child.Fields {
		if f.References == nil || f.References.table != t || name != "" && f.Name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: both %q and %q of %q refer to %q; say which is meant", ErrInvalid, found.Name, f.Name, child.Name, t.Name)
		}
		found = f
	}
	switch {
	case found != nil:
		return found, nil
	case name != "":
		return nil, fmt.Errorf("%w: field %q of %q does not refer to %q", ErrInvalid, name, child.Name, t.Name)
	}
	return nil, fmt.Errorf("%w: no field of %q refers to %q", ErrInvalid, child.Name, t.Name)
}

// CanonicalWhere checks the condition against the table and returns it with every
// value in canonical form (see [Type.Canonical]). Unknown fields, unknown
// operators, values of the wrong type, and a JSON or Strings field compared
// with anything but null are [ErrInvalid]. Stores call it on what they are
// given.
//
// Text that cannot be an id of the schema's kind is equal to no id: a condition
// with it is replaced by one that says so.
func (t *Table) CanonicalWhere(w Where) (Where, error) {
	switch w.Op {
	case opNone, OpAll:
		return w, nil
	case OpAnd, OpOr:
		of := make([]Where, len(w.Of))
		for i, c := range w.Of {
			if c.IsZero() {
				return Where{}, fmt.Errorf("%w: empty condition inside And or Or", ErrInvalid)
			}
			cw, err := t.CanonicalWhere(c)
			if err != nil {
				return Where{}, err
			}
			of[i] = cw
		}
		w.Of = of
		return w, nil
	}
	f := t.Field(w.Field)
	if f == nil {
		return Where{}, fmt.Errorf("%w: table %q has no field %q", ErrInvalid, t.Name, w.Field)
	}
	if (f.Type == JSON || f.Type == Strings) && (w.Value != nil || w.Values != nil) {
		return Where{}, fmt.Errorf("%w: field %q is %s and is compared with null only", ErrInvalid, w.Field, f.Type)
	}
	var err error
	switch w.Op {
	case OpEq, OpNe:
		w.Value, err = f.Type.Canonical(w.Value)
	case OpLt, OpLte, OpGt, OpGte:
		if w.Value == nil {
			return Where{}, fmt.Errorf("%w: field %q compared with null", ErrInvalid, w.Field)
		}
		w.Value, err = f.Type.Canonical(w.Value)
	case OpIn, OpNotIn:
		vs := make([]any, len(w.Values))
		for i, v := range w.Values {
			if v == nil {
				return Where{}, fmt.Errorf("%w: null in the list for field %q", ErrInvalid, w.Field)
			}
			if vs[i], err = f.Type.Canonical(v); err != nil {
				break
			}
		}
		w.Values = vs
	case OpContains, OpPrefix, OpSuffix:
		text, ok := w.Value.(string)
		if !ok || f.Type != String {
			return Where{}, fmt.Errorf("%w: field %q is matched by text and is no text", ErrInvalid, w.Field)
		}
		err = checkText(text)
	default:
		return Where{}, fmt.Errorf("%w: unknown operator %d", ErrInvalid, w.Op)
	}
	if err != nil {
		return Where{}, fmt.Errorf("field %q of %q: %w", w.Field, t.Name, err)
	}
	if f.id > TextID {
		return w.canonicalID(f.id), nil
	}
	return w, nil
}

// canonicalID is the condition on a field with ids of a kind that not every
// text is.
func (w Where) canonicalID(kind IDKind) Where {
	switch w.Op {
	case OpIn, OpNotIn:
		w.Insensitive = false
		var valid []any
		for _, v := range w.Values {
			if id, ok := kind.canonical(v.(string)); ok {
				valid = append(valid, id)
			}
		}
		w.Values = valid
	case OpEq, OpNe, OpLt, OpLte, OpGt, OpGte:
		w.Insensitive = false
		text, isText := w.Value.(string)
		if !isText {
			return w // null
		}
		id, ok := kind.canonical(text)
		switch {
		case ok:
			w.Value = id
		case w.Op == OpNe:
			return All()
		default:
			return Or()
		}
	}
	return w
}
