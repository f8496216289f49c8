package mongostore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/ostiary/ostiary/store"
)

// idKey is the field of a document that holds its id.
const idKey = "_id"

// key is the name of a field in documents.
func key(f *store.Field) string {
	if f.Name == store.ID {
		return idKey
	}
	return f.DBName()
}

// document is the record, in canonical form, as it is kept: nulls are left out.
func document(t *store.Table, rec store.Record) bson.D {
	doc := make(bson.D, 0, len(rec))
	for _, f := range t.Fields {
		if v := rec[f.Name]; v != nil {
			doc = append(doc, bson.E{Key: key(f), Value: encode(f, v)})
		}
	}
	return doc
}

// encode is a canonical value of the field, not null, as it is kept.
func encode(f *store.Field, v any) any {
	switch v := v.(type) {
	case string:
		if f.IDKind() == store.SerialID {
			// Canonical ids of this kind are numbers.
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	case time.Time:
		return bson.DateTime(v.UnixMilli())
	case json.RawMessage:
		return string(v)
	}
	return v
}

// record reads the fields named, or all that the table has.
func record(t *store.Table, doc bson.Raw, names []string) (store.Record, error) {
	if len(names) == 0 {
		names = make([]string, len(t.Fields))
		for i, f := range t.Fields {
			names[i] = f.Name
		}
	}
	rec := make(store.Record, len(names))
	for _, name := range names {
		v, err := value(t, name, doc)
		if err != nil {
			return nil, err
		}
		rec[name] = v
	}
	return rec, nil
}

// value reads one field of a document.
func value(t *store.Table, name string, doc bson.Raw) (any, error) {
	f := t.Field(name)
	raw, err := doc.LookupErr(key(f))
	if err != nil || raw.Type == bson.TypeNull || raw.Type == bson.TypeUndefined {
		return nil, nil //nolint:nilerr // what is not there is null
	}
	v, ok := decode(f, raw)
	if !ok {
		return nil, fmt.Errorf("field %q of %q is of BSON type %s in the database, which is no %s", name, t.Name, raw.Type, f.Type)
	}
	return v, nil
}

// decode turns a value that is kept for the field into its canonical form.
func decode(f *store.Field, raw bson.RawValue) (any, bool) {
	switch f.Type {
	case store.String:
		if f.IDKind() == store.SerialID {
			n, ok := raw.AsInt64OK()
			return strconv.FormatInt(n, 10), ok
		}
		return raw.StringValueOK()
	case store.Bool:
		return raw.BooleanOK()
	case store.Int:
		return raw.AsInt64OK()
	case store.Float:
		return raw.AsFloat64OK()
	case store.Time:
		ms, ok := raw.DateTimeOK()
		return time.UnixMilli(ms).UTC(), ok
	case store.JSON:
		text, ok := raw.StringValueOK()
		return json.RawMessage(text), ok && json.Valid([]byte(text))
	default:
		return decodeStrings(raw)
	}
}

func decodeStrings(raw bson.RawValue) (any, bool) {
	array, ok := raw.ArrayOK()
	if !ok {
		return nil, false
	}
	values, err := array.Values()
	if err != nil {
		return nil, false
	}
	texts := make([]string, len(values))
	for i, v := range values {
		if texts[i], ok = v.StringValueOK(); !ok {
			return nil, false
		}
	}
	return texts, true
}
