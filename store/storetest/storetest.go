// Package storetest is the conformance suite of [store.Store]: what passes it
// can be given to the engine and works with every feature and plugin.
//
// A store's test hands it a function that opens the store on an empty
// database:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store {
//			return mystore.New(openEmptyDatabase(t))
//		})
//	}
//
// The one thing to know: the function is called once for every case, from
// cases that run in parallel, and each call must give a store that shares no
// rows with another: a database or a schema of its own. The suite makes its
// tables with Migrate and calls Close when the case ends; whatever else was
// opened goes with t.Cleanup.
//
// Where the contract leaves room the suite decides, so that all stores behave
// alike. All of these are [store.ErrInvalid]: null in a required field, text
// with a NUL or invalid UTF-8 in a value or a condition, a float that is not
// finite, an Update of no fields, a field in both halves of an Add, a negative
// offset, order by or a condition other than null on JSON and strings, a table
// or field that the database does not have. Text is ordered by its bytes. A
// transaction's context may be used by several goroutines, and fails once the
// transaction has ended.
//
// Work through the groups in the order of [RunWith]: Ping and Migrate first,
// then Create and FindOne, on which all others rest; Concurrent last. A single
// case is run with
//
//	go test -run 'TestStore/SnakePlural/Take/one_winner'
//
// Run it with the race detector, and against the database that is meant: a
// store that passes on one database says nothing of another.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Run tests the store under both naming presets, [store.SnakePlural] and
// [store.BetterAuth]. The latter has names that every database reserves
// ("user", "order", "group"), so it fails where a store forgets to quote.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	t.Run("SnakePlural", func(t *testing.T) { RunWith(t, open, store.SnakePlural()) })
	t.Run("BetterAuth", func(t *testing.T) { RunWith(t, open, store.BetterAuth()) })
}

// RunWith tests the store under one naming.
func RunWith(t *testing.T, open func(t *testing.T) store.Store, naming store.Naming) {
	t.Helper()
	for _, g := range []group{
		{"Ping", pingCases},
		{"Migrate", migrateCases},
		{"Create", createCases},
		{"Values", valueCases},
		{"FindOne", findOneCases},
		{"FindMany", findManyCases},
		{"Where", whereCases},
		{"Fold", foldCases},
		{"Join", joinCases},
		{"Count", countCases},
		{"Update", updateCases},
		{"Delete", deleteCases},
		{"Take", takeCases},
		{"Add", addCases},
		{"Tx", txCases},
		{"Reference", referenceCases},
		{"Invalid", invalidCases},
		{"Context", contextCases},
		{"Concurrent", concurrentCases},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newFixture(t, open, naming))
				})
			}
		})
	}
}

// caseTimeout turns a store that waits for itself into a failure that says
// which call did.
const caseTimeout = time.Minute

type group struct {
	name  string
	cases []testCase
}

type testCase struct {
	name string
	run  func(f *fixture)
}

// fixture is what a case works with: an open store and, after migrate, the
// suite's tables in it.
type fixture struct {
	*testing.T
	open   func(t *testing.T) store.Store
	store  store.Store
	naming store.Naming
	schema *store.Schema
	ctx    context.Context
}

func newFixture(t *testing.T, open func(t *testing.T) store.Store, naming store.Naming) *fixture {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	t.Cleanup(cancel)
	f := &fixture{T: t, open: open, naming: naming, ctx: ctx}
	f.store = f.openStore()
	return f
}

// Context is that of the calls.
func (f *fixture) Context() context.Context { return f.ctx }

// in returns the fixture with calls made under ctx, such as a transaction's.
func (f *fixture) in(ctx context.Context) *fixture {
	other := *f
	other.ctx = ctx
	return &other
}

func (f *fixture) openStore() store.Store {
	f.Helper()
	s := f.open(f.T)
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Errorf("Close: %v", err)
		}
	})
	return s
}

// migrated makes a case of one that needs the suite's tables.
func migrated(run func(f *fixture)) func(f *fixture) {
	return func(f *fixture) {
		f.schema = f.compile(tables()...)
		f.migrate(f.schema)
		run(f)
	}
}

func (f *fixture) compile(tables ...store.Table) *store.Schema {
	f.Helper()
	s, err := store.NewSchema(f.naming, store.IDs{}, tables...)
	if err != nil {
		f.Fatalf("the suite's own schema: %v", err)
	}
	return s
}

func (f *fixture) migrate(s *store.Schema) {
	f.Helper()
	if err := f.store.Migrate(f.Context(), s); err != nil {
		f.Fatalf("Migrate: %v", err)
	}
}

func (f *fixture) table(name string) *store.Table {
	f.Helper()
	t := f.schema.Table(name)
	if t == nil {
		f.Fatalf("the suite has no table %q", name)
	}
	return t
}

// tables are the suite's own: every type, every kind of constraint, and names
// that SQL reserves.
func tables() []store.Table {
	return []store.Table{
		{
			Name: "user",
			Fields: []*store.Field{
				{Name: "email", Type: store.String, Required: true, Unique: true},
				{Name: "handle", Type: store.String, Unique: true},
				{Name: "name", Type: store.String},
				{Name: "role", Type: store.String, Indexed: true},
				{Name: "active", Type: store.Bool},
				{Name: "age", Type: store.Int},
				{Name: "balance", Type: store.Float},
				{Name: "bornAt", Type: store.Time},
				{Name: "settings", Type: store.JSON},
				{Name: "tags", Type: store.Strings},
			},
		},
		{
			Name: "session",
			Fields: []*store.Field{
				{Name: "token", Type: store.String, Required: true, Unique: true},
				{Name: "userId", Type: store.String, Required: true, Indexed: true, References: &store.Reference{Table: "user"}},
				{Name: "name", Type: store.String},
				{Name: "expiresAt", Type: store.Time, Indexed: true},
				{Name: "hits", Type: store.Int},
			},
		},
		{
			Name: "account",
			Fields: []*store.Field{
				{Name: "providerId", Type: store.String},
				{Name: "accountId", Type: store.String},
				{Name: "userId", Type: store.String, References: &store.Reference{Table: "user"}},
			},
			Indexes: []store.Index{
				{Fields: []string{"providerId", "accountId"}, Unique: true},
				{Fields: []string{"userId", "providerId"}},
			},
		},
		{
			Name: "post",
			Fields: []*store.Field{
				{Name: "name", Type: store.String},
				{Name: "authorId", Type: store.String, References: &store.Reference{Table: "user"}},
				{Name: "editorId", Type: store.String, References: &store.Reference{Table: "user", OnDelete: store.SetNull}},
				{Name: "parentId", Type: store.String, References: &store.Reference{Table: "post"}},
			},
		},
		{
			Name: "invoice",
			Fields: []*store.Field{
				{Name: "userId", Type: store.String, Required: true, References: &store.Reference{Table: "user", OnDelete: store.Restrict}},
			},
		},
		{
			Name: "badge",
			Fields: []*store.Field{
				{Name: "userHandle", Type: store.String, References: &store.Reference{Table: "user", Field: "handle", As: "holder"}},
			},
		},
		{
			Name: "order",
			Fields: []*store.Field{
				{Name: "key", Type: store.String, Unique: true},
				{Name: "order", Type: store.Int, Indexed: true},
				{Name: "group", Type: store.String},
				{Name: "select", Type: store.Bool},
				{Name: "from", Type: store.Time},
				{Name: "when", Type: store.Strings},
				{Name: "default", Type: store.JSON},
				{Name: "userId", Type: store.String, References: &store.Reference{Table: "user", As: "table"}},
			},
			Indexes: []store.Index{{Fields: []string{"group", "order"}, Unique: true}},
		},
	}
}
