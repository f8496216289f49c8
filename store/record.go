package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is one row: logical field names to canonical values.
//
// A value is one of
//
//	nil              a database null, for every type
//	string           [String]
//	bool             [Bool]
//	int64            [Int]
//	float64          [Float]
//	time.Time        [Time], in UTC with whole milliseconds
//	json.RawMessage  [JSON]
//	[]string         [Strings]
//	Record           a row joined by [Query.Join] or [Query.Children], or nil where there is none
//	[]Record         the rows joined by [Query.Children]
//
// Use [Table.Canonical] to bring values into this form. Columns that the
// database has and the schema does not are left alone and never returned.
type Record map[string]any

// Clone returns a copy that shares nothing mutable with r.
func (r Record) Clone() Record {
	if r == nil {
		return nil
	}
	c := maps.Clone(r)
	for k, v := range c {
		switch v := v.(type) {
		case []string:
			c[k] = slices.Clone(v)
		case json.RawMessage:
			c[k] = slices.Clone(v)
		case Record:
			c[k] = v.Clone()
		case []Record:
			rows := make([]Record, len(v))
			for i, row := range v {
				rows[i] = row.Clone()
			}
			c[k] = rows
		}
	}
	return c
}

// String returns the field's text, or "" when it is null or absent.
func (r Record) String(field string) string { s, _ := r[field].(string); return s }

// Bool returns the field's value, or false when it is null or absent.
func (r Record) Bool(field string) bool { b, _ := r[field].(bool); return b }

// Int returns the field's value, or 0 when it is null or absent.
func (r Record) Int(field string) int64 { n, _ := r[field].(int64); return n }

// Time returns the field's value, or the zero time when it is null or absent.
func (r Record) Time(field string) time.Time { t, _ := r[field].(time.Time); return t }

// Record returns the row joined under the name, or nil when there is none.
func (r Record) Record(name string) Record { j, _ := r[name].(Record); return j }

// Records returns the rows joined under the name by [Query.Children], or nil
// when they were not asked for.
func (r Record) Records(name string) []Record { rows, _ := r[name].([]Record); return rows }

// Precision is how fine a [Time] is kept: the coarsest among the databases
// and what the wire protocol carries.
const Precision = time.Millisecond

// CanonicalTime is t in UTC, cut to [Precision] and without a monotonic part.
func CanonicalTime(t time.Time) time.Time { return t.Round(0).UTC().Truncate(Precision) }

// Canonical brings a value into the form a [Record] holds for the type:
// integers that fit become int64, times become UTC with milliseconds, []byte is
// JSON text and other values become their JSON. nil stays nil, whatever the type.
//
// A value that does not fit, or that some database cannot hold, is
// [ErrInvalid]: text with a NUL character or that is no UTF-8, a float that is
// no finite number. Nothing is converted between types ("1" is no Int).
func (t Type) Canonical(v any) (any, error) {
	c, err := t.convert(v)
	if err != nil {
		return nil, err
	}
	return c, checkValue(c)
}

func (t Type) convert(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch t {
	case String:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case Int:
		switch n := v.(type) {
		case int64:
			return n, nil
		case int:
			return int64(n), nil
		case int8:
			return int64(n), nil
		case int16:
			return int64(n), nil
		case int32:
			return int64(n), nil
		case uint8:
			return int64(n), nil
		case uint16:
			return int64(n), nil
		case uint32:
			return int64(n), nil
		}
	case Float:
		switch n := v.(type) {
		case float64:
			return n, nil
		case float32:
			return float64(n), nil
		case int64:
			return float64(n), nil
		case int:
			return float64(n), nil
		}
	case Time:
		if at, ok := v.(time.Time); ok {
			return CanonicalTime(at), nil
		}
	case Strings:
		if ss, ok := v.([]string); ok {
			if ss == nil {
				return nil, nil
			}
			return slices.Clone(ss), nil
		}
	case JSON:
		if raw, ok := v.(json.RawMessage); ok {
			if !json.Valid(raw) {
				return nil, fmt.Errorf("%w: not valid JSON", ErrInvalid)
			}
			return slices.Clone(raw), nil
		}
		if text, ok := v.([]byte); ok {
			return t.convert(json.RawMessage(text))
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInvalid, err)
		}
		return json.RawMessage(raw), nil
	}
	return nil, fmt.Errorf("%w: %T is no %s", ErrInvalid, v, t)
}

// Canonical returns a copy of r with every value in the form that its field's
// type asks for (see [Type.Canonical]). A field that the table does not have
// is [ErrInvalid], and so is a time before the year 1 or after 9999, which has
// no text that sorts, and text in a field of ids that is none of the schema's
// [IDKind]. Stores call it on what they are given.
func (t *Table) Canonical(r Record) (Record, error) {
	out := make(Record, len(r))
	for name, v := range r {
		f := t.Field(name)
		if f == nil {
			return nil, fmt.Errorf("%w: table %q has no field %q", ErrInvalid, t.Name, name)
		}
		c, err := f.Type.Canonical(v)
		if err != nil {
			return nil, fmt.Errorf("field %q of %q: %w", name, t.Name, err)
		}
		if at, ok := c.(time.Time); ok && (at.Year() < 1 || at.Year() > 9999) {
			return nil, fmt.Errorf("field %q of %q: %w: the year %d is out of range", name, t.Name, ErrInvalid, at.Year())
		}
		if text, ok := c.(string); ok && f.id > TextID {
			id, ok := f.id.canonical(text)
			if !ok {
				return nil, fmt.Errorf("field %q of %q: %w: %q is no id of kind %s", name, t.Name, ErrInvalid, text, f.id)
			}
			c = id
		}
		out[name] = c
	}
	return out, nil
}

// checkValue refuses values that some database cannot hold, before any of them
// sees one: what it would do ranges from an error to cutting the text short.
func checkValue(v any) error {
	switch v := v.(type) {
	case string:
		return checkText(v)
	case []string:
		for _, s := range v {
			if err := checkText(s); err != nil {
				return err
			}
		}
	case json.RawMessage:
		if !utf8.Valid(v) {
			return fmt.Errorf("%w: JSON that is no valid UTF-8", ErrInvalid)
		}
		if hasEscapedNUL(v) {
			return fmt.Errorf("%w: JSON with a NUL character in it", ErrInvalid)
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: %v is no finite number", ErrInvalid, v)
		}
	}
	return nil
}

func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: text with a NUL character in it", ErrInvalid)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text that is no valid UTF-8", ErrInvalid)
	}
	return nil
}

// hasEscapedNUL reports whether valid JSON holds the escape \u0000, as opposed
// to an escaped backslash before the letters u0000.
func hasEscapedNUL(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		if bytes.HasPrefix(raw[i+1:], []byte("u0000")) {
			return true
		}
		// In valid JSON a character follows every backslash.
		raw = raw[i+2:]
	}
}
