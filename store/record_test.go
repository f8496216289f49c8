package store_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

func TestCanonicalValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 2, 29, 12, 0, 0, 123_999_999, time.FixedZone("x", 3600))
	for _, c := range []struct {
		t        store.Type
		in, want any
	}{
		{store.String, "x", "x"},
		{store.String, "", ""},
		{store.Bool, false, false},
		{store.Int, 7, int64(7)},
		{store.Int, int32(-7), int64(-7)},
		{store.Int, uint32(math.MaxUint32), int64(math.MaxUint32)},
		{store.Int, int64(math.MinInt64), int64(math.MinInt64)},
		{store.Float, 0.1, 0.1},
		{store.Float, float32(0.5), 0.5},
		{store.Float, 3, 3.0},
		{store.Float, int64(-3), -3.0},
		{store.Time, at, time.Date(2024, 2, 29, 11, 0, 0, 123e6, time.UTC)},
		{store.Strings, []string{"b", "a"}, []string{"b", "a"}},
		{store.Strings, []string{}, []string{}},
		{store.JSON, json.RawMessage(`{"a":1}`), json.RawMessage(`{"a":1}`)},
		{store.JSON, json.RawMessage(`null`), json.RawMessage(`null`)},
		{store.JSON, map[string]int{"a": 1}, json.RawMessage(`{"a":1}`)},
		{store.JSON, "text", json.RawMessage(`"text"`)},
		{store.JSON, []int{1}, json.RawMessage(`[1]`)},
	} {
		got, err := c.t.Canonical(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %T %v: got %T %v, %v; want %T %v", c.t, c.in, c.in, got, got, err, c.want, c.want)
		}
	}
	for typ := store.String; typ <= store.Strings; typ++ {
		if got, err := typ.Canonical(nil); got != nil || err != nil {
			t.Errorf("%s of nil: %v, %v", typ, got, err)
		}
	}
}

func TestCanonicalConvertsNothingBetweenTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t  store.Type
		in any
	}{
		{store.String, 1},
		{store.String, []byte("x")},
		{store.String, errors.New("x")},
		{store.Bool, 1},
		{store.Bool, "true"},
		{store.Int, "1"},
		{store.Int, 1.0},
		{store.Int, true},
		{store.Int, uint64(1)},
		{store.Float, "1.5"},
		{store.Time, "2024-01-01T00:00:00Z"},
		{store.Time, int64(1700000000)},
		{store.Strings, "a"},
		{store.Strings, []any{"a"}},
		{store.JSON, json.RawMessage(`{`)},
		{store.JSON, json.RawMessage(``)},
		{store.JSON, func() {}},
		{store.JSON, math.NaN()},
		{store.Type(0), "x"},
		{store.Strings + 1, "x"},
	} {
		if got, err := c.t.Canonical(c.in); !errors.Is(err, store.ErrInvalid) || got != nil {
			t.Errorf("%s of %T %v: got %v, %v; want ErrInvalid", c.t, c.in, c.in, got, err)
		}
	}
}

func TestCanonicalTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	got := store.CanonicalTime(now)
	if got.Location() != time.UTC || got.Nanosecond()%int(store.Precision) != 0 || got.After(now) || now.Sub(got) >= store.Precision {
		t.Errorf("%v became %v", now, got)
	}
	if got != got.Round(0) {
		t.Error("the monotonic part is still there")
	}
	before := time.Date(1969, 12, 31, 23, 59, 59, 999_900_000, time.UTC)
	if got := store.CanonicalTime(before); !got.Equal(time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC)) {
		t.Errorf("%v became %v: it is cut, not rounded", before, got)
	}
	if again := store.CanonicalTime(got); again != got {
		t.Errorf("%v became %v the second time", got, again)
	}
}

func person(t *testing.T) *store.Table {
	t.Helper()
	return compile(t, store.Naming{}, table("user",
		text("name"),
		&store.Field{Name: "age", Type: store.Int},
		&store.Field{Name: "bornAt", Type: store.Time},
		&store.Field{Name: "settings", Type: store.JSON},
		&store.Field{Name: "tags", Type: store.Strings},
	)).Table("user")
}

func TestTableCanonicalCopies(t *testing.T) {
	t.Parallel()
	in := store.Record{"id": "1", "age": 7, "name": nil, "tags": []string{"a"}, "settings": json.RawMessage(`[1]`)}
	got, err := person(t).Canonical(in)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Record{"id": "1", "age": int64(7), "name": nil, "tags": []string{"a"}, "settings": json.RawMessage(`[1]`)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got["tags"].([]string)[0] = "changed"
	got["settings"].(json.RawMessage)[1] = '2'
	if in["age"] != 7 || in["tags"].([]string)[0] != "a" || string(in["settings"].(json.RawMessage)) != `[1]` {
		t.Errorf("the record passed in became %v", in)
	}
}

func TestTableCanonicalRefusesWhatTheTableDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, r := range []store.Record{{"nickname": "x"}, {"nickname": nil}, {"age": "7"}, {"born_at": nil}} {
		if got, err := person(t).Canonical(r); !errors.Is(err, store.ErrInvalid) || got != nil {
			t.Errorf("%v: got %v, %v", r, got, err)
		}
	}
}

func TestRecordAccessors(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1700000000123).UTC()
	joined := store.Record{"id": "1"}
	r := store.Record{"s": "x", "b": true, "n": int64(7), "t": at, "r": joined, "null": nil}
	if r.String("s") != "x" || !r.Bool("b") || r.Int("n") != 7 || !r.Time("t").Equal(at) || r.Record("r").String("id") != "1" {
		t.Errorf("accessors of %v", r)
	}
	for _, field := range []string{"null", "absent", "other type"} {
		r["other type"] = struct{}{}
		if r.String(field) != "" || r.Bool(field) || r.Int(field) != 0 || !r.Time(field).IsZero() || r.Record(field) != nil {
			t.Errorf("accessors of a field that is %s", field)
		}
	}
	var none store.Record
	if none.String("s") != "" || none.Record("r").String("id") != "" {
		t.Error("accessors of a nil record")
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	newRecord := func() store.Record {
		return store.Record{
			"name": "x", "null": nil, "tags": []string{"a"}, "settings": json.RawMessage(`[1]`),
			"user": store.Record{"tags": []string{"b"}},
		}
	}
	r := newRecord()
	c := r.Clone()
	if !reflect.DeepEqual(c, r) {
		t.Fatalf("the clone is %v, want %v", c, r)
	}
	c["name"] = "changed"
	c["tags"].([]string)[0] = "changed"
	c["settings"].(json.RawMessage)[1] = '2'
	c.Record("user")["tags"].([]string)[0] = "changed"
	c.Record("user")["id"] = "changed"
	if !reflect.DeepEqual(r, newRecord()) {
		t.Errorf("the original became %v", r)
	}
	if store.Record(nil).Clone() != nil {
		t.Error("the clone of nil is not nil")
	}
}
