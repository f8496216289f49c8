package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
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
	out := append(make([]byte, 0, 256), '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), m.name...), '"', ':')
		var err error
		if out, err = appendValue(out, m.value); err != nil {
			return nil, fmt.Errorf("encode %q: %w", m.name, err)
		}
	}
	return append(out, '}'), nil
}

// appendValue writes what rows and entities hold without the detour over
// reflection; a session check writes a score of them.
func appendValue(out []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case string:
		return jsontext.AppendQuote(out, v)
	case *string:
		if v == nil {
			return append(out, "null"...), nil
		}
		return jsontext.AppendQuote(out, *v)
	case bool:
		return strconv.AppendBool(out, v), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case json.RawMessage:
		return append(out, v...), nil
	case time.Time:
		out = store.CanonicalTime(v).AppendFormat(append(out, '"'), wireTime)
		return append(out, '"'), nil
	}
	data, err := encodeJSON(v)
	return append(out, data...), err
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
// instances of two versions can share a storage; missing ones get the default
// of their field, or null.
func decodeRow(t *store.Table, data []byte) (store.Record, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if open, err := dec.ReadToken(); err != nil || open.Kind() != '{' {
		return nil, fmt.Errorf("decode %s: no object: %w", t.Name, err)
	}
	r := make(store.Record, len(t.Fields))
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", t.Name, err)
		}
		f := t.Field(name.String())
		v, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", t.Name, err)
		}
		if f == nil {
			continue
		}
		if v.Kind() == 'n' {
			r[f.Name] = nil
			continue
		}
		if r[f.Name], err = decodeValue(f.Type, v); err != nil {
			return nil, fmt.Errorf("decode %s.%s: %w", t.Name, f.Name, err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("decode %s: %w", t.Name, err)
	}
	for _, f := range t.Fields {
		v, ok := r[f.Name]
		if !ok {
			v = defaultOf(f)
			r[f.Name] = v
		}
		if v == nil && f.Required && coreFields[t.Name][f.Name] {
			return nil, fmt.Errorf("decode %s: %q is missing", t.Name, f.Name)
		}
	}
	return r, nil
}

func decodeValue(t store.Type, v jsontext.Value) (any, error) {
	switch t {
	case store.String:
		if v.Kind() != '"' {
			return nil, fmt.Errorf("%s is no text", v.Kind())
		}
		text, err := jsontext.AppendUnquote(nil, v)
		return string(text), err
	case store.Bool:
		return decodeAs[bool](v)
	case store.Int:
		return decodeAs[int64](v)
	case store.Float:
		return decodeAs[float64](v)
	case store.Strings:
		return decodeAs[[]string](v)
	case store.Time:
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil, err
		}
		at, err := time.Parse(time.RFC3339, string(text))
		return store.CanonicalTime(at), err
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
