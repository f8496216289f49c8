package storetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

// caseTimeout turns a store that waits for itself into a failure that says
// which call did.
const caseTimeout = time.Minute

// variant is one run of groups: under one naming and one policy for ids.
type variant struct {
	name    string
	naming  store.Naming
	ids     store.IDs
	open    func(t *testing.T) (s store.Store, schema string)
	options Options
	tables  func() []store.Table
	groups  []group
	// first is set in one of the runs over the same groups: what takes long and
	// has nothing to do with names and ids runs in it only.
	first bool
	// literal hands ids to the store as the cases have them. Otherwise they are
	// made ids of the schema's kind on the way.
	literal bool
}

type group struct {
	name  string
	cases []testCase
}

type testCase struct {
	name string
	scenario
}

// scenario is what a case does and what it needs for that.
type scenario struct {
	run      func(f *fixture)
	migrated bool // begins with the suite's tables
	alone    bool // has a database that no other case uses
	atomic   bool // needs transactions
	textIDs  bool // needs ids that are any text
	once     bool // runs in the first of several variants only
}

// empty is a scenario that begins with an empty database.
func empty(run func(f *fixture)) scenario { return scenario{run: run, alone: true} }

// migrated is a scenario that begins with the suite's tables, without rows.
func migrated(run func(f *fixture)) scenario { return scenario{run: run, migrated: true} }

// alone is for a scenario after which something may still go on in the
// database.
func alone(s scenario) scenario { s.alone = true; return s }

// transactional is for a scenario in which several steps happen together or not at
// all.
func transactional(s scenario) scenario { s.atomic = true; return s }

// textIDs is for a scenario about ids that are no other kind's.
func textIDs(s scenario) scenario { s.textIDs = true; return s }

// once is for a scenario that takes long.
func once(s scenario) scenario { s.once = true; return s }

func (v variant) run(t *testing.T) {
	shared := &databases{open: func() *database { return v.openDatabase(t) }}
	// Here and not in a case, so that a function that skips or fails does so for
	// the whole.
	shared.giveBack(v.openDatabase(t))
	for _, g := range v.groups {
		cases := slices.DeleteFunc(slices.Clone(g.cases), func(c testCase) bool { return !v.runs(c.scenario) })
		if len(cases) == 0 {
			continue
		}
		all := func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					v.runScenario(t, shared, c.scenario)
				})
			}
		}
		if g.name == "" {
			all(t)
			continue
		}
		t.Run(g.name, all)
	}
}

func (v variant) runs(s scenario) bool {
	switch {
	case s.atomic && v.options.WithoutTransactions,
		s.textIDs && v.ids.Kind() != store.TextID,
		s.once && !v.first:
		return false
	}
	return true
}

func (v variant) runScenario(t *testing.T, shared *databases, s scenario) {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	defer cancel()
	f := &fixture{T: t, variant: v, ctx: ctx}
	switch {
	case !s.alone:
		db := shared.take()
		defer func() {
			// What a failed case leaves behind would fail the next one.
			if !t.Failed() && f.wipe() {
				shared.giveBack(db)
			}
		}()
		f.enter(db)
		f.useShared()
	case s.migrated:
		f.enter(v.openDatabase(t))
		f.use(v.tables()...)
	default:
		f.enter(v.openDatabase(t))
	}
	s.run(f)
}

// database is an open store and the schema in it that is meant, if any.
type database struct {
	store    store.Store
	schema   string
	migrated *store.Schema
}

// openDatabase opens a store that is closed when t ends.
func (v variant) openDatabase(t *testing.T) *database {
	t.Helper()
	s, schema := v.open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &database{store: s, schema: schema}
}

// databases are those that the cases of a variant take turns with: as many as
// run at once. Each has the suite's tables once a case has used it.
type databases struct {
	open func() *database

	mu   sync.Mutex
	idle []*database
}

func (d *databases) take() *database {
	if db := d.takeIdle(); db != nil {
		return db
	}
	return d.open()
}

func (d *databases) takeIdle() *database {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle)
	if n == 0 {
		return nil
	}
	db := d.idle[n-1]
	d.idle = d.idle[:n-1]
	return db
}

func (d *databases) giveBack(db *database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, db)
}

// fixture is what a case works with: an open store and, after use, tables in
// it.
type fixture struct {
	*testing.T
	variant
	db *database
	// store is what the cases call: the database's own, or in front of it one
	// that makes ids of the schema's kind from those of the cases.
	store  store.Store
	schema *store.Schema
	ctx    context.Context
}

// Context is that of the calls.
func (f *fixture) Context() context.Context { return f.ctx }

// in returns the fixture with calls made under ctx, such as a transaction's.
func (f *fixture) in(ctx context.Context) *fixture {
	other := *f
	other.ctx = ctx
	return &other
}

// enter makes the fixture work with the database.
func (f *fixture) enter(db *database) {
	f.db, f.store = db, db.store
	f.naming.Schema = db.schema
	if !f.literal && f.ids.Kind() != store.TextID {
		f.store = translated{db.store}
	}
}

// another is a fixture with the same tables in another database.
func (f *fixture) another() *fixture {
	f.Helper()
	other := *f
	other.enter(f.openDatabase(f.T))
	other.use(f.tables()...)
	return &other
}

// use migrates to a schema of these tables and works with it from then on.
func (f *fixture) use(tables ...store.Table) {
	f.Helper()
	f.schema = f.compile(tables...)
	f.migrate(f.schema)
}

// useShared is use, which has to be done once for a database.
func (f *fixture) useShared() {
	f.Helper()
	if f.db.migrated == nil {
		f.use(f.tables()...)
		f.db.migrated = f.schema
	}
	f.schema = f.db.migrated
}

func (f *fixture) compile(tables ...store.Table) *store.Schema {
	f.Helper()
	s, err := store.NewSchema(namingOf(f.naming, tables), f.ids, tables...)
	if err != nil {
		f.Fatalf("the suite's own schema: %v", err)
	}
	return s
}

// namingOf is the naming without the overrides of what the tables do not have:
// most of the suite's schemas have a part of its tables.
func namingOf(n store.Naming, tables []store.Table) store.Naming {
	there := map[string]bool{}
	for _, t := range tables {
		there[t.Name], there[t.Name+"."+store.ID] = true, true
		for _, f := range t.Fields {
			there[t.Name+"."+f.Name] = true
		}
	}
	absent := func(name, _ string) bool { return !there[name] }
	n.Tables, n.Columns = maps.Clone(n.Tables), maps.Clone(n.Columns)
	maps.DeleteFunc(n.Tables, absent)
	maps.DeleteFunc(n.Columns, absent)
	return n
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

// wipe deletes every row, first those that refer to others, and reports whether
// it could.
func (f *fixture) wipe() bool {
	f.Helper()
	if f.schema == nil {
		return true
	}
	tables := f.schema.Tables()
	slices.Reverse(tables)
	for _, t := range tables {
		if _, err := f.store.Delete(f.Context(), t, store.All()); err != nil {
			f.Errorf("delete what the case left in %s: %v", t.Name, err)
			return false
		}
	}
	return true
}

// tables are the suite's own: every type, every kind of constraint, and names
// that SQL reserves.
func tables() []store.Table {
	toUser := func(onDelete store.OnDelete) *store.Reference {
		return &store.Reference{Table: "user", OnDelete: onDelete}
	}
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
				{Name: "userId", Type: store.String, Required: true, Indexed: true, References: toUser(store.Cascade)},
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
				{Name: "userId", Type: store.String, References: toUser(store.Cascade)},
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
				{Name: "authorId", Type: store.String, References: toUser(store.Cascade)},
				{Name: "editorId", Type: store.String, References: toUser(store.SetNull)},
				{Name: "parentId", Type: store.String, References: &store.Reference{Table: "post"}},
			},
		},
		{
			Name: "invoice",
			Fields: []*store.Field{
				{Name: "userId", Type: store.String, Required: true, References: toUser(store.Restrict)},
			},
		},
		{
			Name: "badge",
			Fields: []*store.Field{
				{Name: "userHandle", Type: store.String, References: &store.Reference{Table: "user", Field: "handle", As: "holder"}},
			},
		},
		{
			Name: "profile",
			Fields: []*store.Field{
				{Name: "userId", Type: store.String, Unique: true, References: toUser(store.Cascade)},
				{Name: "referrerId", Type: store.String, References: toUser(store.SetNull)},
				{Name: "bio", Type: store.String},
				{Name: "visible", Type: store.Bool},
				{Name: "score", Type: store.Int},
				{Name: "weight", Type: store.Float},
				{Name: "seenAt", Type: store.Time},
				{Name: "settings", Type: store.JSON},
				{Name: "links", Type: store.Strings},
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
