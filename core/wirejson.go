package core

import (
	"encoding/json"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ostiary/ostiary/store"
)

// wireTime is how dates travel: UTC, always three fraction digits. Clients
// misread anything finer.
const wireTime = "2006-01-02T15:04:05.000Z"

// encoding is how everything leaves: dates as above, text as JavaScript writes
// it, maps in a fixed order.
var encoding = jsonv2.JoinOptions(
	jsonv2.Deterministic(true),
	jsontext.AllowInvalidUTF8(false),
	jsonv2.WithMarshalers(jsonv2.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
		return enc.WriteToken(jsontext.String(store.CanonicalTime(t).Format(wireTime)))
	})),
)

func encodeJSON(v any) ([]byte, error) { return jsonv2.Marshal(v, encoding) }

// member is one name and value of a JSON object whose order matters.
type member struct {
	name  string
	value any
}

// encodeObject writes the members in their order.
func encodeObject(members []member) ([]byte, error) {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := jsontext.AppendQuote(nil, m.name)
		if err != nil {
			return nil, fmt.Errorf("encode name %q: %w", m.name, err)
		}
		value, err := encodeJSON(m.value)
		if err != nil {
			return nil, fmt.Errorf("encode %q: %w", m.name, err)
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// encodeRow writes a row as the JSON that secondary storage keeps: all fields
// under their logical names.
func encodeRow(t *store.Table, r store.Record) (json.RawMessage, error) {
	members := make([]member, 0, len(t.Fields))
	for _, f := range t.Fields {
		members = append(members, member{f.Name, r[f.Name]})
	}
	return encodeObject(members)
}

// decodeRow reads what encodeRow wrote. Unknown members are ignored, so that
// instances of two versions can share a storage; missing ones are null.
func decodeRow(t *store.Table, data json.RawMessage) (store.Record, error) {
	var raw map[string]jsontext.Value
	if err := jsonv2.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("decode %s: %w", t.Name, err)
	}
	if raw == nil {
		return nil, fmt.Errorf("decode %s: null", t.Name)
	}
	r := make(store.Record, len(t.Fields))
	for _, f := range t.Fields {
		v, ok := raw[f.Name]
		if !ok || v.Kind() == 'n' {
			if f.Required {
				return nil, fmt.Errorf("decode %s: %q is missing", t.Name, f.Name)
			}
			continue
		}
		value, err := decodeValue(f.Type, v)
		if err != nil {
			return nil, fmt.Errorf("decode %s.%s: %w", t.Name, f.Name, err)
		}
		r[f.Name] = value
	}
	return r, nil
}

func decodeValue(t store.Type, v jsontext.Value) (any, error) {
	switch t {
	case store.String:
		return decodeAs[string](v)
	case store.Bool:
		return decodeAs[bool](v)
	case store.Int:
		return decodeAs[int64](v)
	case store.Float:
		return decodeAs[float64](v)
	case store.Strings:
		return decodeAs[[]string](v)
	case store.Time:
		at, err := decodeAs[time.Time](v)
		if err != nil {
			return nil, err
		}
		return store.CanonicalTime(at.(time.Time)), nil
	}
	return json.RawMessage(v.Clone()), nil
}

func decodeAs[T any](v jsontext.Value) (any, error) {
	var out T
	if err := jsonv2.Unmarshal(v, &out); err != nil {
		return nil, err
	}
	return out, nil
}
