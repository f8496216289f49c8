package core

import (
	"math"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/internal/input"
	"github.com/ostiary/ostiary/store"
)

// inputFields takes the values of additional fields out of what a client
// sent. Members that are no field are ignored; fields that a client may not
// set are refused, or, where they have a default and a row is made, left to
// that.
func inputFields(t *store.Table, sent map[string]any, creating bool) (map[string]any, error) {
	out := map[string]any{}
	for _, f := range additionalFields(t) {
		v, given := sent[f.Name]
		if !f.Input {
			hasDefault := f.Default != nil || f.DefaultFunc != nil
			if given && input.IsTruthy(v) && (!creating || !hasDefault) {
				return nil, ErrFieldNotAllowed.withMessage("%s is not allowed to be set", f.Name)
			}
			continue
		}
		if !given {
			if creating && f.Required && defaultOf(f) == nil {
				return nil, ErrMissingField.withMessage("%s is required", f.Name)
			}
			continue
		}
		value, err := inputValue(t, f, v)
		if err != nil {
			return nil, err
		}
		out[f.Name] = value
	}
	return out, nil
}

// inputValue checks a value that a client sent for a field.
func inputValue(t *store.Table, f *store.Field, v any) (any, error) {
	if v == nil {
		if f.Required {
			return nil, ErrMissingField.withMessage("%s is required", f.Name)
		}
		return nil, nil
	}
	value, ok := fromJSON(f.Type, v)
	if ok {
		// What no row can hold, such as text that is no id where one is referred to.
		_, err := t.Canonical(store.Record{f.Name: value})
		ok = err == nil
	}
	if !ok {
		return nil, ErrValidation.withMessage("[body.%s] Invalid input: expected %s", f.Name, f.Type)
	}
	if f.Validate != nil {
		if err := f.Validate(value); err != nil {
			return nil, newError(http.StatusBadRequest, "VALIDATION_ERROR", err.Error())
		}
	}
	return value, nil
}

// fromJSON turns a JSON value into the canonical one of the type, if it is
// one.
func fromJSON(t store.Type, v any) (any, bool) {
	switch t {
	case store.String:
		s, ok := v.(string)
		return s, ok
	case store.Bool:
		b, ok := v.(bool)
		return b, ok
	case store.Int:
		n, ok := v.(float64)
		if !ok || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return nil, false
		}
		return int64(n), true
	case store.Float:
		n, ok := v.(float64)
		return n, ok
	case store.Time:
		s, _ := v.(string)
		at, err := time.Parse(time.RFC3339, s)
		return store.CanonicalTime(at), err == nil
	case store.Strings:
		list, ok := v.([]any)
		out := make([]string, len(list))
		for i, e := range list {
			s, isText := e.(string)
			ok = ok && isText
			out[i] = s
		}
		return out, ok
	}
	value, err := t.Canonical(v)
	return value, err == nil
}
