package memory

import (
	"math"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/store"
)

// index finds rows by the values of some fields. Rows with a null among these
// are not in it: they are equal to none.
type index struct {
	fields []string
	unique bool
	rows   map[string]map[*row]struct{}
}

func (ix *index) add(r *row) {
	k, ok := ix.key(r)
	if !ok {
		return
	}
	if ix.rows[k] == nil {
		ix.rows[k] = map[*row]struct{}{}
	}
	ix.rows[k][r] = struct{}{}
}

func (ix *index) remove(r *row) {
	k, ok := ix.key(r)
	if !ok {
		return
	}
	delete(ix.rows[k], r)
	if len(ix.rows[k]) == 0 {
		delete(ix.rows, k)
	}
}

// conflict reports whether a row other than old has the values of r, and must
// not.
func (ix *index) conflict(old, r *row) bool {
	if !ix.unique {
		return false
	}
	k, ok := ix.key(r)
	if !ok {
		return false
	}
	for other := range ix.rows[k] {
		if other != old {
			return true
		}
	}
	return false
}

// find returns the rows with the values that the fields are fixed to; false
// when a field of the index is not.
func (ix *index) find(fixed map[string][]any) ([]*row, bool) {
	keys := map[string]struct{}{"": {}}
	for _, f := range ix.fields {
		values, ok := fixed[f]
		if !ok {
			return nil, false
		}
		longer := make(map[string]struct{}, len(keys)*len(values))
		for k := range keys {
			for _, v := range values {
				longer[appendKey(k, v)] = struct{}{}
			}
		}
		keys = longer
	}
	var rows []*row
	for k := range keys {
		for r := range ix.rows[k] {
			rows = append(rows, r)
		}
	}
	return rows, true
}

func (ix *index) key(r *row) (string, bool) {
	k := ""
	for _, f := range ix.fields {
		v := r.rec[f]
		if v == nil {
			return "", false
		}
		k = appendKey(k, v)
	}
	return k, true
}

// appendKey adds a value to a key. Equal values give equal keys, and no two
// lists of values give the same one.
func appendKey(k string, v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case bool:
		s = strconv.FormatBool(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		// The sum turns -0 into 0, which it equals.
		s = strconv.FormatUint(math.Float64bits(v+0), 16)
	case time.Time:
		s = strconv.FormatInt(v.UnixMilli(), 10)
	}
	return k + strconv.Itoa(len(s)) + ":" + s
}

// fix collects the values that w allows for a field: every row that w matches
// has one of these.
func fix(w store.Where, into map[string][]any) {
	switch {
	case w.Op == store.OpAnd:
		for _, c := range w.Of {
			fix(c, into)
		}
	case w.Insensitive:
	case w.Op == store.OpEq && w.Value != nil:
		into[w.Field] = []any{w.Value}
	case w.Op == store.OpIn:
		into[w.Field] = w.Values
	}
}
