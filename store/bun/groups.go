package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/store"
)

// MigrationGroup is a list of the application's own migrations, which
// [Store.Migrate] runs once each, in the order of the list, after it has made
// its own tables. Which have run stands in the table "ostiary_migrations", in
// the schema and with the prefix that [store.Naming] names, so that the groups of
// another application in the same database are others; it is made when there are
// groups.
//
// A group of another version of the program may have run migrations that this
// one does not know; they are left alone. One that was put in front of others
// that have run is run all the same, and [Store.Plan] warns of it.
type MigrationGroup struct {
	// Name tells the group from others, for ever: 100 bytes at most.
	Name string
	// After are the names of groups that come before this one. Groups that do
	// not depend on each other run in the order given.
	After      []string
	Migrations []Migration
}

// Migration is one step of a [MigrationGroup].
type Migration struct {
	// Name tells the migration from others of its group, for ever: 100 bytes at
	// most. "0001_add_plan" is a good one.
	Name string
	// Up makes the change, with db. On PostgreSQL, SQLite and SQL Server db is a
	// transaction that the record of the migration is part of: it happens whole
	// and once, or not at all. Calls of the store with ctx are part of it too.
	// On MySQL and MariaDB, which commit whenever a table is changed, db is a
	// connection, and the migration is recorded when Up has returned: one that
	// fails or is interrupted half-way runs again from its beginning.
	//
	// Statements of db wait ten seconds at most for a lock that somebody else
	// holds (lock_timeout on PostgreSQL, lock_wait_timeout on MySQL and MariaDB,
	// LOCK_TIMEOUT on SQL Server), as everybody else waits behind them; Up may
	// set another limit. [StatementTimeout] does not count for the work itself,
	// but on MySQL and MariaDB as [Store.Migrate] says.
	//
	// On SQLite foreign keys are enforced all along, and cannot be switched off
	// inside the transaction. To make a table anew, which is how SQLite changes
	// a column, takes DROP TABLE, and that deletes the rows first: those that
	// refer to them with ON DELETE CASCADE go too. Copy such tables as well, or
	// change the table outside of migrations, on a connection with
	// PRAGMA foreign_keys = OFF.
	Up func(ctx context.Context, db bun.IDB) error
}

// SQL is a [Migration.Up] that runs the statements, one after the other, as they
// are.
func SQL(statements ...string) func(ctx context.Context, db bun.IDB) error {
	return func(ctx context.Context, db bun.IDB) error {
		for _, statement := range statements {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	}
}

// maxMigrationName is what the key of the history has room for on every
// database.
const maxMigrationName = 100

// orderGroups puts each group behind those it depends on, and reports everything
// that is wrong with them.
func orderGroups(groups []MigrationGroup) ([]MigrationGroup, error) {
	if err := checkGroups(groups); err != nil {
		return nil, err
	}
	var ordered []MigrationGroup
	done := map[string]bool{}
	for len(ordered) < len(groups) {
		i := slices.IndexFunc(groups, func(g MigrationGroup) bool {
			return !done[g.Name] && !slices.ContainsFunc(g.After, func(name string) bool { return !done[name] })
		})
		if i < 0 {
			var left []string
			for _, g := range groups {
				if !done[g.Name] {
					left = append(left, g.Name)
				}
			}
			return nil, fmt.Errorf("%w: migration groups wait for each other: %s", store.ErrInvalid, strings.Join(left, ", "))
		}
		done[groups[i].Name] = true
		ordered = append(ordered, groups[i])
	}
	return ordered, nil
}

// checkGroups reports names that are missing, too long, given twice or of
// nothing, and migrations that do nothing.
func checkGroups(groups []MigrationGroup) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	names := map[string]bool{}
	for _, g := range groups {
		if problem := nameProblem(g.Name, names); problem != "" {
			fail("migration group %q: the name is %s", g.Name, problem)
		}
		names[g.Name] = true
		own := map[string]bool{}
		for _, m := range g.Migrations {
			if problem := nameProblem(m.Name, own); problem != "" {
				fail("migration group %q: the name of migration %q is %s", g.Name, m.Name, problem)
			}
			own[m.Name] = true
			if m.Up == nil {
				fail("migration group %q: migration %q has no Up", g.Name, m.Name)
			}
		}
	}
	for _, g := range groups {
		for _, name := range g.After {
			if !names[name] {
				fail("migration group %q comes after %q, which does not exist", g.Name, name)
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrInvalid, errors.Join(errs...))
}

func nameProblem(name string, taken map[string]bool) string {
	switch {
	case name == "":
		return "empty"
	case len(name) > maxMigrationName:
		return fmt.Sprintf("longer than %d bytes", maxMigrationName)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }):
		return "not of printable ASCII characters"
	case taken[name]:
		return "given twice"
	}
	return ""
}

// pendingMigration is one that has not run, and its group.
type pendingMigration struct {
	group string
	Migration
}

// String is how a plan lists the migration.
func (m pendingMigration) String() string { return "-- group " + m.group + ": " + m.Name }

// historyTable is the name of the table of what has run.
func (p *plan) historyTable() string {
	name := p.schema.Prefix() + "ostiary_migrations"
	if len(name) > maxName {
		return shorten(name, name, "")
	}
	return name
}

var historyColumns = []string{"group", "name", "applied_at"}

func (p *plan) historyName() string {
	if schema := schemaName(p.schema); schema != "" {
		return p.dialect.quote(schema) + "." + p.dialect.quote(p.historyTable())
	}
	return p.dialect.quote(p.historyTable())
}

// compareHistory finds out which migrations have not run.
func (p *plan) compareHistory(ctx context.Context, c conn, groups []MigrationGroup) error {
	done := map[[2]string]bool{}
	exists, ok := p.checkHistory()
	switch {
	case !ok:
		return nil
	case !exists:
		p.history = &step{sql: p.createHistory()}
	default:
		rows, err := c.QueryContext(ctx, "SELECT "+quotedList(p.dialect, []string{"group", "name"})+" FROM "+p.historyName())
		err = each(rows, err, func(rows *sql.Rows) error {
			var group, name string
			err := rows.Scan(&group, &name)
			done[[2]string{group, name}] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, g := range groups {
		p.compareGroup(g, done)
	}
	return nil
}

// checkHistory tells whether there is the table of what has run, and refuses
// what has its name and is not that.
func (p *plan) checkHistory() (exists, ok bool) {
	fold := p.live.foldTable
	for _, t := range p.schema.Tables() {
		if fold(t.DBName()) == fold(p.historyTable()) {
			p.refuse("table %q of the schema is named as the one that holds which migrations have run: give it another name", t.DBName())
			return false, false
		}
	}
	live := p.live.table(p.historyTable())
	switch {
	case live == nil && p.live.takenByOther(p.historyTable()):
		p.refuse("the name %q is needed for the table of migrations that have run, and taken by something that is no table: rename or drop that", p.historyTable())
		return false, false
	case live == nil:
		return false, true
	case live.view:
		p.refuse("%q is a view, and a table of that name holds which migrations have run: rename the view", p.historyTable())
		return false, false
	}
	for _, column := range historyColumns {
		if p.live.column(p.historyTable(), column) == nil {
			p.refuse("table %q has no column %q and so is not the one that holds which migrations have run: rename it", p.historyTable(), column)
			return false, false
		}
	}
	return true, true
}

func (p *plan) compareGroup(g MigrationGroup, done map[[2]string]bool) {
	pending := len(p.pending)
	for _, m := range g.Migrations {
		if !done[[2]string{g.Name, m.Name}] {
			p.pending = append(p.pending, pendingMigration{g.Name, m})
			continue
		}
		for _, before := range p.pending[pending:] {
			p.warn("migration %q of group %q has not run, and %q behind it has: it runs now", before.Name, g.Name, m.Name)
		}
		pending = len(p.pending)
	}
}

func (p *plan) createHistory() string {
	part := func(name string, f *store.Field, length int) string {
		return p.dialect.quote(name) + " " + p.dialect.columnType(columnDef{field: f, length: length}) + " NOT NULL"
	}
	key := "PRIMARY KEY (" + quotedList(p.dialect, []string{"group", "name"}) + ")"
	if p.traits.namedPrimary {
		key = "CONSTRAINT " + p.dialect.quote(p.historyTable()+primaryKeyKind) + " " + key
	}
	sql := "CREATE TABLE " + p.historyName() + " (\n\t" + strings.Join([]string{
		part("group", &store.Field{Type: store.String}, maxMigrationName),
		part("name", &store.Field{Type: store.String}, maxMigrationName),
		part("applied_at", &store.Field{Type: store.Time}, 0),
		key,
	}, ",\n\t") + "\n)"
	if p.traits.options != "" {
		sql += p.traits.options + p.live.collation
	}
	return sql
}

// runGroups runs the migrations that are pending, each in a turn of its own.
// Between two turns another process may have the next one, so what is pending
// is looked up in each.
func (s *Store) runGroups(turn turn, schema *store.Schema, groups []MigrationGroup) error {
	if len(groups) == 0 {
		return nil
	}
	for more := true; more; {
		err := turn(func(ctx context.Context, db migrating) (err error) {
			more, err = s.runNext(ctx, db, schema, groups)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// runNext runs the first migration that is pending, and tells whether there was
// one.
func (s *Store) runNext(ctx context.Context, db migrating, schema *store.Schema, groups []MigrationGroup) (bool, error) {
	p, err := s.difference(ctx, db.conn, schema, groups)
	if err != nil {
		return false, s.failure(ctx, nil, err)
	}
	if len(p.pending) == 0 {
		return false, nil
	}
	m := p.pending[0]
	if err := m.Up(ctx, db.idb); err != nil {
		return false, fmt.Errorf("migration %q of group %q: %w", m.Name, m.group, err)
	}
	st := s.statement()
	st.write("INSERT INTO " + p.historyName() + " (" + quotedList(p.dialect, historyColumns) + ") VALUES (")
	st.arg(m.group)
	st.write(", ")
	st.arg(m.Name)
	st.write(", ")
	st.arg(s.dialect.encode(store.Time, store.CanonicalTime(time.Now())))
	st.write(")")
	if _, err := db.conn.ExecContext(ctx, string(st.text), st.args...); err != nil {
		return false, fmt.Errorf("record migration %q of group %q: %w", m.Name, m.group, s.failure(ctx, nil, err))
	}
	return true, nil
}
