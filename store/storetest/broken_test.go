package storetest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
	"github.com/ostiary/ostiary/store/storetest"
)

// brokenStore names the mistake, in the environment of the process that is to
// fail.
const brokenStore = "OSTIARY_STORETEST_BROKEN"

// mistake is one that authors of stores make, and the cases that must find it.
type mistake struct {
	name  string
	cases string // as the go command's -run takes them, below the test
	store func(s store.Store) store.Store
}

// bent is a correct store but for what its functions, which may be nil, do to
// what goes in and comes out.
type bent struct {
	store.Store
	record func(r store.Record)                                                 // written: a copy, changed in place
	where  func(w store.Where) store.Where                                      // of every level of a condition
	query  func(q store.Query) store.Query                                      // of FindOne and FindMany
	row    func(t *store.Table, q store.Query, r store.Record)                  // read, changed in place
	rows   func(q store.Query, t *store.Table, r []store.Record) []store.Record // of FindMany
}

func (b bent) in(r store.Record) store.Record {
	r = r.Clone()
	if b.record != nil && r != nil {
		b.record(r)
	}
	return r
}

func (b bent) cond(w store.Where) store.Where {
	of := slices.Clone(w.Of)
	for i := range of {
		of[i] = b.cond(of[i])
	}
	w.Of = of
	if b.where != nil {
		return b.where(w)
	}
	return w
}

func (b bent) out(t *store.Table, q store.Query, r store.Record) store.Record {
	if b.row != nil && r != nil {
		b.row(t, q, r)
	}
	return r
}

func (b bent) ask(q store.Query) store.Query {
	q.Where = b.cond(q.Where)
	if b.query != nil {
		return b.query(q)
	}
	return q
}

func (b bent) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	got, err := b.Store.Create(ctx, t, b.in(r))
	return b.out(t, store.Query{}, got), err
}

func (b bent) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	got, err := b.Store.FindOne(ctx, t, b.ask(q))
	return b.out(t, q, got), err
}

func (b bent) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	rows, err := b.Store.FindMany(ctx, t, b.ask(q))
	for _, r := range rows {
		b.out(t, q, r)
	}
	if b.rows != nil {
		rows = b.rows(q, t, rows)
	}
	return rows, err
}

func (b bent) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return b.Store.Count(ctx, t, b.cond(w))
}

func (b bent) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	return b.Store.Update(ctx, t, b.cond(w), b.in(set))
}

func (b bent) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return b.Store.Delete(ctx, t, b.cond(w))
}

func (b bent) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	got, err := b.Store.Take(ctx, t, b.cond(w))
	return b.out(t, store.Query{}, got), err
}

func (b bent) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	got, err := b.Store.Add(ctx, t, b.cond(w), delta, b.in(set))
	return b.out(t, store.Query{}, got), err
}

// writing is a store that writes a value of one type in another way.
func writing[T any](change func(v T) any) func(store.Store) store.Store {
	return func(s store.Store) store.Store {
		return bent{Store: s, record: func(r store.Record) {
			for name, v := range r {
				if v, ok := v.(T); ok {
					r[name] = change(v)
				}
			}
		}}
	}
}

// matching is a store that takes a condition for another.
func matching(change func(w store.Where) store.Where) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return bent{Store: s, where: change} }
}

// asking is a store that runs a query for another.
func asking(change func(q store.Query) store.Query) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return bent{Store: s, query: change} }
}

// eachChild is a store that asks for children in another way.
func eachChild(change func(c *store.Children)) func(store.Store) store.Store {
	return asking(func(q store.Query) store.Query {
		q.Children = slices.Clone(q.Children)
		for i := range q.Children {
			change(&q.Children[i])
		}
		return q
	})
}

// reading is a store that reads rows in another way.
func reading(change func(t *store.Table, q store.Query, r store.Record)) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return bent{Store: s, row: change} }
}

var mistakes = []mistake{
	{"text loses a NUL", "SnakePlural/Values", writing(func(v string) any { return strings.ReplaceAll(v, "\x00", "") })},
	{"text loses what is no UTF-8", "SnakePlural/Values", writing(func(v string) any { return strings.ToValidUTF8(v, "?") })},
	{"text loses spaces at its end", "SnakePlural/Values", writing(func(v string) any { return strings.TrimRight(v, " ") })},
	{"text is cut short", "SnakePlural/Hostile", writing(func(v string) any { return v[:min(len(v), 65535)] })},
	{"empty text becomes null", "SnakePlural/Create", writing(func(v string) any {
		if v == "" {
			return nil
		}
		return v
	})},
	{"text is normalized", "SnakePlural/Values", writing(func(v string) any { return strings.ReplaceAll(v, "e\u0301", "é") })},
	{"times lose what is below a second", "SnakePlural/Values", writing(func(v time.Time) any { return v.Truncate(time.Second) })},
	{"times lose their zone", "SnakePlural/Values", writing(func(v time.Time) any {
		return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), time.UTC)
	})},
	{"integers pass through a float", "SnakePlural/Values", writing(func(v int64) any { return int64(float64(v)) })},
	{"floats are of single precision", "SnakePlural/Values", writing(func(v float64) any { return float64(float32(v)) })},
	{"JSON passes through floats", "SnakePlural/Values", writing(func(v json.RawMessage) any {
		var decoded any
		if json.Unmarshal(v, &decoded) != nil {
			return v
		}
		return decoded
	})},
	{"JSON null becomes null", "SnakePlural/Values", writing(func(v json.RawMessage) any {
		if string(v) == "null" {
			return nil
		}
		return v
	})},
	{"empty strings become null", "SnakePlural/Values", writing(func(v []string) any {
		if len(v) == 0 {
			return nil
		}
		return v
	})},
	{"the record passed in is changed", "SnakePlural/Create", func(s store.Store) store.Store { return canonicalizing{s} }},

	{"patterns have wildcards", "SnakePlural/Where", matching(func(w store.Where) store.Where {
		if text, ok := w.Value.(string); ok && (w.Op == store.OpContains || w.Op == store.OpPrefix || w.Op == store.OpSuffix) {
			w.Value = strings.Trim(text, "%_")
		}
		return w
	})},
	{"patterns with a backslash match nothing", "SnakePlural/Where", matching(func(w store.Where) store.Where {
		if text, ok := w.Value.(string); ok && w.Op == store.OpContains && strings.Contains(text, `\`) {
			return store.Or()
		}
		return w
	})},
	{"unequal leaves out null", "SnakePlural/Where", matching(func(w store.Where) store.Where {
		if (w.Op == store.OpNe || w.Op == store.OpNotIn) && w.Field != "" && (w.Value != nil || w.Op == store.OpNotIn) {
			return store.And(w, store.Ne(w.Field, nil))
		}
		return w
	})},
	{"an empty list matches everything", "SnakePlural/Where", matching(func(w store.Where) store.Where {
		if w.Op == store.OpIn && len(w.Values) == 0 {
			return store.All()
		}
		return w
	})},
	{"groups are read from left to right", "SnakePlural/Where", matching(func(w store.Where) store.Where {
		if w.Op == store.OpAnd && len(w.Of) == 2 && w.Of[0].Op == store.OpOr && len(w.Of[0].Of) == 2 {
			return store.Or(w.Of[0].Of[0], store.And(w.Of[0].Of[1], w.Of[1]))
		}
		return w
	})},
	{"text matches in any case", "SnakePlural/Fold", matching(store.Where.Fold)},
	{"case counts though it should not", "SnakePlural/Fold", matching(func(w store.Where) store.Where { w.Insensitive = false; return w })},
	{"case is that of every alphabet", "SnakePlural/Fold", matching(func(w store.Where) store.Where {
		if text, ok := w.Value.(string); ok && w.Insensitive && w.Op == store.OpEq {
			return store.In(w.Field, text, strings.ToLower(text), strings.ToUpper(text)).Fold()
		}
		return w
	})},
	{"a write without a condition is of every row", "SnakePlural/Invalid", func(s store.Store) store.Store { return unconditional{s} }},

	{"there is no default limit", "SnakePlural/FindMany", asking(func(q store.Query) store.Query {
		if q.Limit == 0 {
			q.Limit = store.NoLimit
		}
		return q
	})},
	{"an offset needs a limit", "SnakePlural/FindMany", asking(func(q store.Query) store.Query {
		if q.Limit == 0 {
			q.Offset = 0
		}
		return q
	})},
	{"only the first sort counts", "SnakePlural/FindMany", asking(func(q store.Query) store.Query {
		q.Sort = q.Sort[:min(1, len(q.Sort))]
		return q
	})},
	{"nulls sort last", "SnakePlural/FindMany", func(s store.Store) store.Store { return bent{Store: s, rows: nullsLast} }},
	{"selected fields are not left alone", "SnakePlural/FindOne", asking(func(q store.Query) store.Query { q.Select = nil; return q })},

	{"children have no limit", "SnakePlural/Children", eachChild(func(c *store.Children) { c.Limit = store.NoLimit })},
	{"children have no default limit", "SnakePlural/Children", eachChild(func(c *store.Children) { c.Limit = cmp.Or(c.Limit, store.NoLimit) })},
	{"children are not sorted", "SnakePlural/Children", eachChild(func(c *store.Children) { c.Sort = nil })},
	{"the limit is of joined rows", "SnakePlural/Children", func(s store.Store) store.Store { return bent{Store: s, rows: limitJoined} }},
	{"no children are nil", "SnakePlural/Children", reading(func(_ *store.Table, q store.Query, r store.Record) {
		for _, c := range q.Children {
			if rows, ok := r[cmp.Or(c.As, c.Table)].([]store.Record); ok && len(rows) == 0 {
				r[cmp.Or(c.As, c.Table)] = nil
			}
		}
	})},
	{"the child of a unique reference is a list", "SnakePlural/Children", reading(func(_ *store.Table, q store.Query, r store.Record) {
		for _, c := range q.Children {
			if row, ok := r[cmp.Or(c.As, c.Table)].(store.Record); ok {
				r[cmp.Or(c.As, c.Table)] = []store.Record{row}
			}
		}
	})},
	{"children pass through JSON", "SnakePlural/Children", reading(func(_ *store.Table, q store.Query, r store.Record) {
		for _, c := range q.Children {
			for _, row := range r.Records(cmp.Or(c.As, c.Table)) {
				for name, v := range row {
					if n, ok := v.(int64); ok {
						row[name] = int64(float64(n))
					}
				}
			}
		}
	})},
	{"a parent without children is lost", "SnakePlural/Children", func(s store.Store) store.Store { return bent{Store: s, rows: innerJoin} }},
	{"children are read after the row", "SnakePlural/Concurrent", func(s store.Store) store.Store { return twoReads{s, newTurns()} }},

	{"numbers for ids sort as text", "IDs/SerialIDs", func(s store.Store) store.Store { return bent{Store: s, rows: idsAsText} }},
	{"ids of another kind are an error", "IDs/UUIDv4", func(s store.Store) store.Store { return strictIDs{s} }},
	{"ids of another kind are kept", "IDs/SerialIDs", func(s store.Store) store.Store { return looseIDs{s} }},
	{"ids are counted from the rows", "IDs/SerialIDs", func(s store.Store) store.Store { return countingIDs{s} }},
	{"ids of joined rows are numbers", "Serial/Join", reading(func(_ *store.Table, _ store.Query, r store.Record) {
		for _, v := range r {
			if row, ok := v.(store.Record); ok {
				row["id"] = len(row.String("id"))
			}
		}
	})},

	{"take is a read and a delete", "SnakePlural/Concurrent", func(s store.Store) store.Store { return slowTake{s, newTurns()} }},
	{"add is a read and a write", "SnakePlural/Concurrent", func(s store.Store) store.Store { return slowAdd{s, newTurns()} }},
	{"unchanged rows do not count", "SnakePlural/Update", func(s store.Store) store.Store { return changedOnly{s} }},
	{"nothing is rolled back", "SnakePlural/Tx", func(s store.Store) store.Store { return untransacted{s} }},
	{"a panic is swallowed", "SnakePlural/Tx", func(s store.Store) store.Store { return calm{s} }},
	{"contexts are ignored", "SnakePlural/Context", func(s store.Store) store.Store { return heedless{s} }},
	{"duplicates do not name their fields", "SnakePlural/Create", func(s store.Store) store.Store { return terse{s} }},
	{"unique values ignore case", "SnakePlural/Create", func(s store.Store) store.Store { return caseless{s} }},
}

// TestBrokenStore is the test that fails, in a process of its own.
func TestBrokenStore(t *testing.T) {
	name := os.Getenv(brokenStore)
	if name == "" {
		t.Skip("run by TestTheSuiteFindsMistakes")
	}
	wrap := func(s store.Store) store.Store { return bent{Store: s} }
	if i := slices.IndexFunc(mistakes, func(m mistake) bool { return m.name == name }); i >= 0 {
		wrap = mistakes[i].store
	}
	storetest.Run(t, func(*testing.T) store.Store { return wrap(memory.New()) })
}

func TestTheSuiteFindsMistakes(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			out, err := runBroken(t, m.name, m.cases)
			var failed *exec.ExitError
			if !errors.As(err, &failed) || !bytes.Contains(out, []byte("--- FAIL: TestBrokenStore/"+m.cases)) {
				t.Errorf("the store passes %s: %v\n%s", m.cases, err, out)
			}
			if bytes.Contains(out, []byte("DATA RACE")) || bytes.Contains(out, []byte("panic: ")) {
				t.Errorf("it is another mistake that was found:\n%s", out)
			}
		})
	}
}

// Without it the mistakes would count as found if everything failed.
func TestTheSuitePassesADoubleWithoutMistakes(t *testing.T) {
	t.Parallel()
	if out, err := runBroken(t, "none", ""); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func runBroken(t *testing.T, name, cases string) ([]byte, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBrokenStore$/"+cases, "-test.timeout=5m")
	cmd.Env = append(os.Environ(), brokenStore+"="+name)
	return cmd.CombinedOutput()
}

// canonicalizing keeps canonical values in the record of its caller.
type canonicalizing struct{ store.Store }

func (s canonicalizing) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if c, err := t.Canonical(r); err == nil {
		for name, v := range c {
			r[name] = v
		}
	}
	return s.Store.Create(ctx, t, r)
}

type unconditional struct{ store.Store }

func (s unconditional) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if w.IsZero() {
		w = store.All()
	}
	return s.Store.Delete(ctx, t, w)
}

func nullsLast(q store.Query, _ *store.Table, rows []store.Record) []store.Record {
	if len(q.Sort) == 0 || q.Sort[0].Desc {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b store.Record) int {
		return cmp.Compare(rank(a[q.Sort[0].Field]), rank(b[q.Sort[0].Field]))
	})
	return rows
}

func rank(v any) int {
	if v == nil {
		return 1
	}
	return 0
}

// limitJoined cuts the result where its joined rows are as many as the limit.
func limitJoined(q store.Query, _ *store.Table, rows []store.Record) []store.Record {
	if q.Limit <= 0 {
		return rows
	}
	joined := 0
	for i, r := range rows {
		for _, c := range q.Children {
			joined += len(r.Records(cmp.Or(c.As, c.Table)))
		}
		if joined >= q.Limit {
			return rows[:i+1]
		}
	}
	return rows
}

func innerJoin(q store.Query, _ *store.Table, rows []store.Record) []store.Record {
	return slices.DeleteFunc(rows, func(r store.Record) bool {
		return slices.ContainsFunc(q.Children, func(c store.Children) bool {
			list, ok := r[cmp.Or(c.As, c.Table)].([]store.Record)
			return ok && len(list) == 0
		})
	})
}

func idsAsText(q store.Query, _ *store.Table, rows []store.Record) []store.Record {
	if len(q.Sort) == 1 && q.Sort[0] == (store.Sort{Field: "id"}) {
		slices.SortFunc(rows, func(a, b store.Record) int { return cmp.Compare(a.String("id"), b.String("id")) })
	}
	return rows
}

// twoReads reads a row and its children in two steps, without a transaction.
type twoReads struct {
	store.Store
	turns turns
}

func (s twoReads) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	first := q
	first.Children = nil
	row, err := s.Store.FindOne(ctx, t, first)
	if err != nil || len(q.Children) == 0 {
		return row, err
	}
	s.turns.wait(ctx)
	second, err := s.Store.FindOne(ctx, t, q)
	if err != nil {
		return nil, err
	}
	for _, c := range q.Children {
		as := cmp.Or(c.As, c.Table)
		row[as] = second[as]
	}
	return row, nil
}

// strictIDs answers as a database does that is asked for what is no UUID.
type strictIDs struct{ store.Store }

func (s strictIDs) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if id, ok := w.Value.(string); ok && w.Field == "id" && len(id) != 36 {
		return 0, store.ErrUnavailable
	}
	return s.Store.Count(ctx, t, w)
}

// looseIDs forgets to check what it is given.
type looseIDs struct{ store.Store }

func (s looseIDs) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if id, ok := r["id"].(string); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(id)); err == nil {
			r = r.Clone()
			r["id"] = strconv.Itoa(n)
		}
	}
	return s.Store.Create(ctx, t, r)
}

// countingIDs makes an id from how many rows there are.
type countingIDs struct{ store.Store }

func (s countingIDs) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if r["id"] == nil {
		n, err := s.Count(ctx, t, store.Where{})
		if err != nil {
			return nil, err
		}
		r = r.Clone()
		r["id"] = strconv.FormatInt(n+1, 10)
	}
	return s.Store.Create(ctx, t, r)
}

// turns lets callers meet between the two halves of what is not atomic, so that
// it is found out. A caller whom nobody meets goes on.
type turns struct{ met chan struct{} }

func newTurns() turns { return turns{make(chan struct{})} }

func (w turns) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	select {
	case w.met <- struct{}{}:
	case <-w.met:
	case <-ctx.Done():
	}
}

type slowTake struct {
	store.Store
	turns turns
}

func (s slowTake) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	got, err := s.FindOne(ctx, t, store.Query{Where: w})
	if err != nil {
		return nil, err
	}
	s.turns.wait(ctx)
	_, err = s.Delete(ctx, t, store.Eq("id", got["id"]))
	return got, err
}

type slowAdd struct {
	store.Store
	turns turns
}

func (s slowAdd) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	got, err := s.FindOne(ctx, t, store.Query{Where: w})
	if err != nil {
		return nil, err
	}
	s.turns.wait(ctx)
	return s.Store.Add(ctx, t, store.Eq("id", got["id"]), delta, set)
}

// changedOnly counts as MySQL does unless it is told otherwise.
type changedOnly struct{ store.Store }

func (s changedOnly) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	var same int64
	if role, ok := set["role"]; ok && !w.IsZero() {
		var err error
		if same, err = s.Count(ctx, t, store.And(w, store.Eq("role", role))); err != nil {
			return 0, err
		}
	}
	n, err := s.Store.Update(ctx, t, w, set)
	return n - same, err
}

type calm struct{ store.Store }

func (s calm) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.Store.Tx(ctx, func(ctx context.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errors.New("it panicked")
			}
		}()
		return fn(ctx)
	})
}

type heedless struct{ store.Store }

func (s heedless) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	return s.Store.Create(context.WithoutCancel(ctx), t, r)
}

// terse passes on what the driver says.
type terse struct{ store.Store }

func (s terse) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	got, err := s.Store.Create(ctx, t, r)
	if errors.Is(err, store.ErrDuplicate) {
		return nil, store.ErrDuplicate
	}
	return got, err
}

// caseless has unique columns of a collation that ignores case.
type caseless struct{ store.Store }

func (s caseless) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if handle, ok := r["handle"].(string); ok {
		n, err := s.Count(ctx, t, store.Eq("handle", handle).Fold())
		if err == nil && n > 0 {
			return nil, &store.DuplicateError{Table: t.Name, Fields: []string{"handle"}}
		}
	}
	return s.Store.Create(ctx, t, r)
}
