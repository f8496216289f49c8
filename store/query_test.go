package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

func TestCanonicalWhere(t *testing.T) {
	t.Parallel()
	users := person(t)
	at := time.Date(2024, 1, 1, 0, 0, 0, 123456789, time.FixedZone("x", 3600))
	for _, c := range []struct{ in, want store.Where }{
		{store.Where{}, store.Where{}},
		{store.All(), store.All()},
		{store.And(), store.And([]store.Where{}...)},
		{store.Eq("age", 7), store.Eq("age", int64(7))},
		{store.Ne("age", nil), store.Ne("age", nil)},
		{store.Lt("bornAt", at), store.Lt("bornAt", store.CanonicalTime(at))},
		{store.In("age", 1, 2), store.In("age", int64(1), int64(2))},
		{store.In[int]("age"), store.In[int64]("age")},
		{store.NotIn("name", "a"), store.NotIn("name", "a")},
		{store.HasPrefix("name", "a").Fold(), store.Where{Op: store.OpPrefix, Field: "name", Value: "a", Insensitive: true}},
		{store.Or(store.And(store.Gte("age", int32(1))), store.Lte("age", 2)), store.Or(store.And(store.Gte("age", int64(1))), store.Lte("age", int64(2)))},
	} {
		got, err := users.CanonicalWhere(c.in)
		if err != nil {
			t.Errorf("%+v: %v", c.in, err)
			continue
		}
		// No conditions are the same, nil or empty.
		if len(got.Of) == 0 {
			got.Of, c.want.Of = nil, nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v became %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestCanonicalWhereDoesNotChangeTheCondition(t *testing.T) {
	t.Parallel()
	w := store.And(store.Eq("age", 7), store.In("age", 1))
	if _, err := person(t).CanonicalWhere(w); err != nil {
		t.Fatal(err)
	}
	if w.Of[0].Value != 7 || w.Of[1].Values[0] != 1 {
		t.Errorf("the condition became %+v", w)
	}
}

func TestCanonicalWhereRefuses(t *testing.T) {
	t.Parallel()
	users := person(t)
	for what, w := range map[string]store.Where{
		"unknown field":      store.Eq("nickname", "x"),
		"unknown, nested":    store.Or(store.And(store.Eq("nickname", "x"))),
		"wrong type":         store.Eq("age", "7"),
		"wrong type in list": store.In[any]("age", "7", 1),
		"null in list":       store.NotIn[any]("age", 1, nil),
		"null compared":      store.Gt("age", nil),
		"part of a number":   store.Contains("age", "1"),
		"part of strings":    store.HasPrefix("tags", "a"),
		"part not text":      {Op: store.OpSuffix, Field: "name", Value: 1},
		"unknown operator":   {Op: 99, Field: "name"},
		"empty in And":       store.And(store.Where{}),
		"empty in Or":        store.Or(store.Eq("age", 1), store.Where{}),
	} {
		if _, err := users.CanonicalWhere(w); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", what, err)
		}
	}
}

func TestOnlyTheZeroConditionIsZero(t *testing.T) {
	t.Parallel()
	if !(store.Where{}).IsZero() || !(store.Where{}).Fold().IsZero() {
		t.Error("the zero condition is not zero")
	}
	for _, w := range []store.Where{store.All(), store.And(), store.Or(), store.Eq("", nil), store.In[int]("age")} {
		if w.IsZero() {
			t.Errorf("%+v is zero", w)
		}
	}
}

func TestCanonicalQueryFillsInWhatChildrenLeaveOut(t *testing.T) {
	t.Parallel()
	user := withIDs(t, store.IDs{}).Table("user")
	q, err := user.CanonicalQuery(store.Query{Children: []store.Children{{Table: "session", Field: "email"}, {Table: "session", Field: "userId", As: "mine", Limit: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	if c := q.Children[0]; c.As != "session" || len(c.Sort) != 1 || c.Sort[0].Field != "id" {
		t.Errorf("got %+v", c)
	}
	if c := q.Children[1]; c.As != "mine" || c.Limit != 3 {
		t.Errorf("got %+v", c)
	}
}

func TestCanonicalQueryRefusesWhatDoesNotExistOrClashes(t *testing.T) {
	t.Parallel()
	s := withIDs(t, store.IDs{})
	for name, c := range map[string]struct {
		table string
		q     store.Query
	}{
		"no such table":        {"user", store.Query{Children: []store.Children{{Table: "nothing"}}}},
		"no reference":         {"user", store.Query{Children: []store.Children{{Table: "device"}}}},
		"two references":       {"user", store.Query{Children: []store.Children{{Table: "session"}}}},
		"another field":        {"user", store.Query{Children: []store.Children{{Table: "session", Field: "id"}}}},
		"a field's name":       {"user", store.Query{Children: []store.Children{{Table: "session", Field: "email", As: "email"}}}},
		"the same name twice":  {"user", store.Query{Children: []store.Children{{Table: "session", Field: "email"}, {Table: "session", Field: "userId"}}}},
		"a join's name":        {"session", store.Query{Join: []string{"userId"}, Children: []store.Children{{Table: "device", As: "user"}}}},
		"a negative limit":     {"session", store.Query{Children: []store.Children{{Table: "device", Limit: -2}}}},
		"a sort by nothing":    {"session", store.Query{Children: []store.Children{{Table: "device", Sort: []store.Sort{{Field: "x"}}}}}},
		"join of no reference": {"user", store.Query{Join: []string{"email"}}},
		"select of nothing":    {"user", store.Query{Select: []string{"x"}}},
		"sort by nothing":      {"user", store.Query{Sort: []store.Sort{{Field: "x"}}}},
		"negative offset":      {"user", store.Query{Offset: -1}},
		"limit below all":      {"user", store.Query{Limit: -2}},
		"condition on nothing": {"user", store.Query{Where: store.Eq("x", 1)}},
	} {
		if q, err := s.Table(c.table).CanonicalQuery(c.q); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %+v, %v; want ErrInvalid", name, q, err)
		}
	}
}
