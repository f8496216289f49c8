package mongostore

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/store"
)

var (
	everything = bson.D{}
	nothing    = bson.D{{Key: idKey, Value: bson.D{{Key: "$in", Value: bson.A{}}}}}
)

// filter is the condition, in canonical form, in MongoDB's terms.
func (u *unit) filter(ctx context.Context, t *store.Table, w store.Where) (bson.D, error) {
	w, err := u.expressible(ctx, t, w)
	if err != nil {
		return nil, err
	}
	return filter(t, w), nil
}

// filter is a condition that MongoDB can express. Fields that are not there are
// null to it too, so what is null needs no care.
func filter(t *store.Table, w store.Where) bson.D {
	switch w.Op {
	case store.OpAnd:
		return group(t, "$and", w.Of, everything)
	case store.OpOr:
		return group(t, "$or", w.Of, nothing)
	}
	f := t.Field(w.Field)
	if f == nil { // the zero condition and All
		return everything
	}
	if !byPattern(f, w) {
		return bson.D{{Key: key(f), Value: comparison(f, w)}}
	}
	switch w.Op {
	case store.OpNe:
		return bson.D{{Key: key(f), Value: bson.D{{Key: "$not", Value: pattern(w)}}}}
	case store.OpIn, store.OpNotIn:
		return foldedList(f, w)
	}
	return bson.D{{Key: key(f), Value: pattern(w)}}
}

// byPattern tells whether the condition is on text in a way that needs a
// pattern.
func byPattern(f *store.Field, w store.Where) bool {
	if w.Op >= store.OpContains {
		return true
	}
	return w.Insensitive && f.Type == store.String && (w.Value != nil || len(w.Values) > 0)
}

func group(t *store.Table, op string, of []store.Where, empty bson.D) bson.D {
	if len(of) == 0 {
		return empty
	}
	conditions := make(bson.A, len(of))
	for i, w := range of {
		conditions[i] = filter(t, w)
	}
	return bson.D{{Key: op, Value: conditions}}
}

var comparisons = map[store.Op]string{
	store.OpNe: "$ne", store.OpLt: "$lt", store.OpLte: "$lte", store.OpGt: "$gt", store.OpGte: "$gte",
	store.OpIn: "$in", store.OpNotIn: "$nin",
}

// comparison is what the field is compared with. Those of order only match
// values of the same kind, and so no null.
func comparison(f *store.Field, w store.Where) any {
	switch w.Op {
	case store.OpEq:
		return encodeOrNull(f, w.Value)
	case store.OpIn, store.OpNotIn:
		values := make(bson.A, len(w.Values))
		for i, v := range w.Values {
			values[i] = encode(f, v)
		}
		return bson.D{{Key: comparisons[w.Op], Value: values}}
	}
	return bson.D{{Key: comparisons[w.Op], Value: encodeOrNull(f, w.Value)}}
}

func encodeOrNull(f *store.Field, v any) any {
	if v == nil {
		return nil
	}
	return encode(f, v)
}

// foldedList compares text with each of several without regard to case.
func foldedList(f *store.Field, w store.Where) bson.D {
	alternatives := make(bson.A, len(w.Values))
	for i, v := range w.Values {
		alternatives[i] = bson.D{{Key: key(f), Value: pattern(store.Eq(f.Name, v).Fold())}}
	}
	op := "$or"
	if w.Op == store.OpNotIn {
		op = "$nor"
	}
	return bson.D{{Key: op, Value: alternatives}}
}

// maxPattern is how many bytes of a regular expression MongoDB takes.
const maxPattern = 32764

// pattern is the one of text to be found, or, for Ne, not to be found.
func pattern(w store.Where) bson.Regex {
	part := literal(w.Value.(string), w.Insensitive)
	switch w.Op {
	case store.OpContains:
	case store.OpPrefix:
		part = `^` + part
	case store.OpSuffix:
		part += `\z` // $ would let a line's end pass
	default:
		part = `^` + part + `\z`
	}
	return bson.Regex{Pattern: part}
}

// literal is a pattern of the text itself. MongoDB's own option to ignore case
// would also fold letters beyond ASCII.
func literal(text string, fold bool) string {
	quoted := regexp.QuoteMeta(text)
	if !fold {
		return quoted
	}
	var b strings.Builder
	for i := range len(quoted) {
		b.WriteString(letter(quoted[i]))
	}
	return b.String()
}

// letter matches an ASCII letter in either case, and any other byte as it is.
func letter(c byte) string {
	lower := c | ('a' - 'A')
	if lower < 'a' || 'z' < lower {
		return string([]byte{c})
	}
	return "[" + string([]byte{lower, lower - 'a' + 'A'}) + "]"
}

// expressible is the same condition without what MongoDB has no terms for: such
// a part is decided here, for every document, and becomes one on their ids.
func (u *unit) expressible(ctx context.Context, t *store.Table, w store.Where) (store.Where, error) {
	if w.Op == store.OpAnd || w.Op == store.OpOr {
		of := make([]store.Where, len(w.Of))
		for i, part := range w.Of {
			var err error
			if of[i], err = u.expressible(ctx, t, part); err != nil {
				return store.Where{}, err
			}
		}
		w.Of = of
		return w, nil
	}
	f := t.Field(w.Field)
	if f == nil || !byPattern(f, w) || f.IDKind() != store.SerialID && hasPattern(w) {
		return w, nil
	}
	return u.decided(ctx, t, f, w)
}

// hasPattern tells whether a condition that needs a pattern has one, and short
// enough.
func hasPattern(w store.Where) bool {
	switch w.Op {
	case store.OpLt, store.OpLte, store.OpGt, store.OpGte:
		return false
	case store.OpIn, store.OpNotIn:
		return !slices.ContainsFunc(w.Values, func(v any) bool { return !hasPattern(store.Eq(w.Field, v).Fold()) })
	}
	return len(pattern(w).Pattern) <= maxPattern
}

// decided is the condition as one on the ids of the documents that match now.
func (u *unit) decided(ctx context.Context, t *store.Table, f *store.Field, w store.Where) (store.Where, error) {
	there := bson.D{{Key: key(f), Value: bson.D{{Key: "$ne", Value: nil}}}}
	cursor, err := u.store.collection(t).Find(u.reading(ctx), there, options.Find().SetProjection(projection([]string{key(f)})))
	if err != nil {
		return store.Where{}, failure(ctx, t, err)
	}
	defer func() { _ = cursor.Close(u.reading(ctx)) }()
	ids := []string{}
	for cursor.Next(u.reading(ctx)) {
		rec, err := record(t, cursor.Current, []string{store.ID, f.Name})
		if err != nil {
			return store.Where{}, err
		}
		if matches(w, rec.String(f.Name)) {
			ids = append(ids, rec.String(store.ID))
		}
	}
	if err := cursor.Err(); err != nil {
		return store.Where{}, failure(ctx, t, err)
	}
	matching := store.In(store.ID, ids...)
	if w.Op == store.OpNe || w.Op == store.OpNotIn {
		return store.Or(matching, store.Eq(f.Name, nil)), nil
	}
	return matching, nil
}

// matches decides a condition that needs a pattern on a text.
func matches(w store.Where, text string) bool {
	fold := func(s string) string { return s }
	if w.Insensitive {
		fold = lower
	}
	is := func(v any) bool { return fold(v.(string)) == fold(text) }
	switch w.Op {
	case store.OpIn:
		return slices.ContainsFunc(w.Values, is)
	case store.OpNotIn:
		return !slices.ContainsFunc(w.Values, is)
	}
	text, part := fold(text), fold(w.Value.(string))
	switch w.Op {
	case store.OpNe:
		return text != part
	case store.OpLt:
		return text < part
	case store.OpLte:
		return text <= part
	case store.OpGt:
		return text > part
	case store.OpGte:
		return text >= part
	case store.OpContains:
		return strings.Contains(text, part)
	case store.OpPrefix:
		return strings.HasPrefix(text, part)
	case store.OpSuffix:
		return strings.HasSuffix(text, part)
	}
	return text == part
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
