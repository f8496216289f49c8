package storetest

import (
	"context"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// translated lets cases use short texts as ids, "u1", whatever kind of ids the
// schema has: each is made an id of that kind on the way in and text again on
// the way out. The order stays the same.
//
// Text that is too long for this, and what is no text at all, goes through as
// it is.
type translated struct{ store.Store }

func (s translated) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	got, err := s.Store.Create(ctx, t, idsIn(t, r))
	return idsOut(t, store.Query{}, got), err
}

func (s translated) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	q.Where = idsInWhere(t, q.Where)
	got, err := s.Store.FindOne(ctx, t, q)
	return idsOut(t, q, got), err
}

func (s translated) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	q.Where = idsInWhere(t, q.Where)
	rows, err := s.Store.FindMany(ctx, t, q)
	for i, r := range rows {
		rows[i] = idsOut(t, q, r)
	}
	return rows, err
}

func (s translated) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return s.Store.Count(ctx, t, idsInWhere(t, w))
}

func (s translated) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	return s.Store.Update(ctx, t, idsInWhere(t, w), idsIn(t, set))
}

func (s translated) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return s.Store.Delete(ctx, t, idsInWhere(t, w))
}

func (s translated) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	got, err := s.Store.Take(ctx, t, idsInWhere(t, w))
	return idsOut(t, store.Query{}, got), err
}

func (s translated) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	got, err := s.Store.Add(ctx, t, idsInWhere(t, w), delta, idsIn(t, set))
	return idsOut(t, store.Query{}, got), err
}

// kindOf is that of the field's ids, 0 for a field or table there is not.
func kindOf(t *store.Table, field string) store.IDKind {
	if t == nil {
		return 0
	}
	f := t.Field(field)
	if f == nil {
		return 0
	}
	return f.IDKind()
}

func idsIn(t *store.Table, r store.Record) store.Record {
	out := maps.Clone(r)
	for name, v := range r {
		out[name] = idIn(kindOf(t, name), v)
	}
	return out
}

func idsInWhere(t *store.Table, w store.Where) store.Where {
	kind := kindOf(t, w.Field)
	w.Value = idIn(kind, w.Value)
	if w.Values != nil {
		values := make([]any, len(w.Values))
		for i, v := range w.Values {
			values[i] = idIn(kind, v)
		}
		w.Values = values
	}
	if w.Of != nil {
		of := make([]store.Where, len(w.Of))
		for i, c := range w.Of {
			of[i] = idsInWhere(t, c)
		}
		w.Of = of
	}
	return w
}

// idsOut changes the record in place: it is the case's own.
func idsOut(t *store.Table, q store.Query, r store.Record) store.Record {
	if r == nil {
		return nil
	}
	for name, v := range r {
		r[name] = idOut(kindOf(t, name), v)
	}
	for _, name := range q.Join {
		ref := t.Field(name).References
		idsOut(ref.Target(), store.Query{}, r.Record(ref.As))
	}
	for _, c := range q.Children {
		child := t.Schema().Table(c.Table)
		as := c.As
		if as == "" {
			as = c.Table
		}
		idsOut(child, store.Query{}, r.Record(as))
		for _, row := range r.Records(as) {
			idsOut(child, store.Query{}, row)
		}
	}
	return r
}

// The bytes of a text, zeros behind them, are the digits of a UUID or, as many
// as always leave a positive number, those of a number.
const (
	uuidBytes   = 16
	serialBytes = 7
)

func idIn(kind store.IDKind, v any) any {
	text, ok := v.(string)
	if !ok || text == "" {
		return v
	}
	switch {
	case kind == store.UUIDID && len(text) <= uuidBytes:
		d := padded(text, uuidBytes)
		return strings.Join([]string{d[:8], d[8:12], d[12:16], d[16:20], d[20:]}, "-")
	case kind == store.SerialID && len(text) <= serialBytes:
		n, err := strconv.ParseInt(padded(text, serialBytes), 16, 64)
		if err != nil {
			return v
		}
		return strconv.FormatInt(n, 10)
	}
	return v
}

func idOut(kind store.IDKind, v any) any {
	id, ok := v.(string)
	if !ok {
		return v
	}
	var digits string
	switch kind {
	case store.UUIDID:
		digits = strings.ReplaceAll(id, "-", "")
	case store.SerialID:
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return v
		}
		digits = strconv.FormatInt(n, 16)
	default:
		return v
	}
	text, err := hex.DecodeString(digits)
	if err != nil {
		return v
	}
	return strings.TrimRight(string(text), "\x00")
}

// padded is the text in hexadecimal, filled up to n bytes.
func padded(text string, n int) string {
	return hex.EncodeToString([]byte(text)) + strings.Repeat("00", n-len(text))
}
