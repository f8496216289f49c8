package store

import "fmt"

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

// CanonicalWhere checks the condition against the table and returns it with every
// value in canonical form (see [Type.Canonical]). Unknown fields, unknown
// operators, values of the wrong type, and a JSON or Strings field compared
// with anything but null are [ErrInvalid]. Stores call it on what they are
// given.
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
	return w, nil
}
