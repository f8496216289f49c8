package bunstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

// guard checks the condition of a statement that writes, which has to say what
// it means.
func guard(t *store.Table, w store.Where) (store.Where, error) {
	if w.IsZero() {
		return w, fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	return t.CanonicalWhere(w)
}

// operand is a column as one side of a comparison.
type operand struct {
	field *store.Field
	fold  bool // ASCII letters in lower case
	bytes bool // text byte by byte, where the order matters
}

func (st *statement) operand(o operand) {
	switch {
	case o.fold && o.field.Type == store.String:
		st.dialect.fold(st, o.field)
	case o.bytes && isText(o.field):
		st.column(o.field)
		st.write(st.dialect.byteOrder())
	default:
		st.column(o.field)
	}
}

// isText tells whether the field is kept as text of which nothing is known. Ids
// of the other kinds have an order of their own, which their columns know.
func isText(f *store.Field) bool {
	return f.Type == store.String && f.IDKind() <= store.TextID
}

// value is v in the form that the operand is compared in.
func (o operand) value(v any) any {
	if s, ok := v.(string); ok && o.fold {
		return lowerASCII(s)
	}
	return v
}

func lowerASCII(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// where writes " WHERE …" for a canonical condition, and nothing for one that
// says nothing.
func (st *statement) where(t *store.Table, w store.Where) {
	if w.IsZero() || w.Op == store.OpAll {
		return
	}
	st.write(" WHERE ")
	st.condition(t, w)
}

func (st *statement) condition(t *store.Table, w store.Where) {
	switch w.Op {
	case store.OpAll:
		st.write("1 = 1")
		return
	case store.OpAnd:
		st.combination(t, w.Of, " AND ", "1 = 1")
		return
	case store.OpOr:
		st.combination(t, w.Of, " OR ", "1 = 0")
		return
	}
	o := operand{field: t.Field(w.Field), fold: w.Insensitive}
	switch w.Op {
	case store.OpEq:
		st.equal(o, w.Value)
	case store.OpNe:
		st.unequal(o, w.Value)
	case store.OpLt:
		st.compare(o, " < ", w.Value)
	case store.OpLte:
		st.compare(o, " <= ", w.Value)
	case store.OpGt:
		st.compare(o, " > ", w.Value)
	case store.OpGte:
		st.compare(o, " >= ", w.Value)
	case store.OpIn:
		st.oneOf(o, w.Values)
	case store.OpNotIn:
		st.noneOf(o, w.Values)
	default:
		text, _ := o.value(w.Value).(string)
		st.dialect.match(st, w.Op, o, text)
	}
}

func (st *statement) combination(t *store.Table, of []store.Where, with, empty string) {
	if len(of) == 0 {
		st.write(empty)
		return
	}
	st.write("(")
	for i, c := range of {
		if i > 0 {
			st.write(with)
		}
		st.condition(t, c)
	}
	st.write(")")
}

func (st *statement) equal(o operand, v any) {
	switch {
	case v == nil:
		st.column(o.field)
		st.write(" IS NULL")
	case out(v) != 0:
		st.write("1 = 0")
	default:
		st.dialect.equal(st, false, o, o.value(v))
	}
}

func (st *statement) unequal(o operand, v any) {
	switch {
	case v == nil:
		st.column(o.field)
		st.write(" IS NOT NULL")
	case out(v) != 0:
		st.write("1 = 1")
	default:
		st.orNull(o, func() { st.dialect.equal(st, true, o, o.value(v)) })
	}
}

func (st *statement) compare(o operand, op string, v any) {
	if side := out(v); side != 0 {
		if (side > 0) == strings.HasPrefix(op, " <") {
			st.column(o.field)
			st.write(" IS NOT NULL")
		} else {
			st.write("1 = 0")
		}
		return
	}
	o.bytes = true
	st.operand(o)
	st.write(op)
	st.value(o.field, o.value(v))
}

// out tells whether the value is a time before (-1) or after (1) all that a
// field can hold.
func out(v any) int {
	if at, ok := v.(time.Time); ok {
		return beyond(at)
	}
	return 0
}

func (st *statement) oneOf(o operand, values []any) {
	if values = candidates(o, values); len(values) == 0 {
		st.write("1 = 0")
		return
	}
	st.dialect.anyOf(st, false, o, values)
}

func (st *statement) noneOf(o operand, values []any) {
	if values = candidates(o, values); len(values) == 0 {
		st.write("1 = 1")
		return
	}
	st.orNull(o, func() { st.dialect.anyOf(st, true, o, values) })
}

// orNull writes a condition that null meets as well.
func (st *statement) orNull(o operand, condition func()) {
	st.write("(")
	st.column(o.field)
	st.write(" IS NULL OR ")
	condition()
	st.write(")")
}

// candidates are the values that the operand can be equal to, in the form that
// it is compared in.
func candidates(o operand, values []any) []any {
	if !o.fold && o.field.Type != store.Time {
		return values
	}
	list := make([]any, 0, len(values))
	for _, v := range values {
		if out(v) == 0 {
			list = append(list, o.value(v))
		}
	}
	return list
}
