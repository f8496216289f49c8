package bunstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/ostiary/ostiary/store"
)

// timeLayout is a time as text: what SQLite keeps and what the TypeScript
// library writes. Text in it sorts by time.
const timeLayout = "2006-01-02T15:04:05.000Z"

// beyond tells whether a time lies before (-1) or after (1) all that can be
// kept: in text, a year of more digits or with a sign would not sort. A
// condition may compare with such a time.
func beyond(at time.Time) int {
	switch y := at.Year(); {
	case y < 0:
		return -1
	case y > 9999:
		return 1
	}
	return 0
}

// jsonArray is a list of texts as JSON. A list that is empty is not null, nor
// is one that is nil.
func jsonArray(ss []string) string {
	if len(ss) == 0 {
		return "[]"
	}
	// A list of texts always has a JSON form.
	raw, _ := json.Marshal(ss)
	return string(raw)
}

// decode turns what a driver returned into the canonical value of the type. It
// also takes what the same type is in tables that other programs made, and
// numbers as text.
func decode(t store.Type, v any) (any, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	// v itself is returned where it can be: it is in an interface already.
	switch got := v.(type) {
	case nil:
		return nil, nil
	case string:
		if t == store.String {
			return v, nil
		}
		return decodeText(t, got)
	case bool:
		if t == store.Bool {
			return v, nil
		}
	case int64:
		switch t {
		case store.Int:
			return v, nil
		case store.Bool:
			return got != 0, nil
		case store.Float:
			return float64(got), nil
		case store.String: // a numeric id
			return strconv.FormatInt(got, 10), nil
		}
	case uint64:
		return decode(t, strconv.FormatUint(got, 10))
	case float64:
		if t == store.Float {
			return v, nil
		}
	case float32:
		return decode(t, float64(got))
	case time.Time:
		if t == store.Time {
			return store.CanonicalTime(got), nil
		}
	case [16]byte:
		if t == store.String {
			return uuid.UUID(got).String(), nil
		}
	}
	return nil, fmt.Errorf("the database returned %T for a %s", v, t)
}

func decodeText(t store.Type, s string) (v any, err error) {
	switch t {
	case store.JSON:
		return json.RawMessage(s), nil
	case store.Strings:
		return decodeStrings(s)
	case store.Time:
		return decodeTime(s)
	case store.Int:
		v, err = strconv.ParseInt(s, 10, 64)
	case store.Float:
		v, err = strconv.ParseFloat(s, 64)
	case store.Bool:
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v = n != 0
	}
	if err != nil {
		// The error of strconv quotes what the database returned.
		return nil, fmt.Errorf("the database returned text that is no %s", t)
	}
	return v, nil
}

func decodeStrings(s string) (any, error) {
	var ss []string
	if err := json.Unmarshal([]byte(s), &ss); err != nil {
		return nil, fmt.Errorf("the database returned text that is no list of texts: %w", err)
	}
	if ss == nil {
		return nil, nil
	}
	return ss, nil
}

func decodeTime(s string) (any, error) {
	// The second is what MySQL returns, and CURRENT_TIMESTAMP in SQLite, in UTC;
	// the third SQL Server's ISO form. A layout takes fractions of a second that
	// it does not name.
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05.999999999-07:00"} {
		if at, err := time.Parse(layout, s); err == nil {
			return store.CanonicalTime(at), nil
		}
	}
	return nil, fmt.Errorf("the database returned a time in an unknown form")
}
