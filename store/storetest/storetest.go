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
// The one thing to know: the function is called many times, also from cases
// that run in parallel, and each call must give a store that shares no rows
// with another: a database or a schema of its own. The suite makes its tables
// with Migrate and closes the store; whatever else was opened goes with
// t.Cleanup. Most cases take turns with a few databases and delete their rows
// afterwards; those that need an empty one, or that may leave something behind,
// have it to themselves.
//
// # What is decided here
//
// Where the contract leaves room the suite decides, so that all stores behave
// alike. All of these are [store.ErrInvalid]: null in a required field, text
// with a NUL or invalid UTF-8 in a value or a condition, a float that is not
// finite, an Update of no fields, a field in both halves of an Add, a negative
// offset, order by or a condition other than null on JSON and strings, a table
// or field that the database does not have, text that is too long for the index
// of its field. Text is never cut short, and text of any length can be looked
// for. Text is ordered by its bytes. An id matches as the text that it is when
// a condition asks for a part of it, whatever column holds it. A number that
// the database made for an id does not come twice, not even when its row is
// gone, and is none that a row was given. A transaction's context may be used
// by several goroutines, and fails once the transaction has ended. What one
// query reads, joined rows and children among it, is of one moment.
//
// # Writing a store
//
// Work through the groups in the order in which they run: Ping and Migrate
// first, then Create and FindOne, on which all others rest; Concurrent last. A
// single case is run with
//
//	go test -run 'TestStore/SnakePlural/Take/is_once_only'
//
// The groups run once under each naming preset, SnakePlural and BetterAuth,
// with ids that are text, and again with UUIDs and with Serial numbers for
// ids. Then follow IDs, what each policy for ids promises, and Plugin, a
// plugin's tables under every naming and every policy.
//
// A database that lacks something is no reason to leave the suite out: see
// [Options]. Run it with the race detector, and against the database that is
// meant: a store that passes on one database says nothing of another.
package storetest

import (
	"testing"

	"github.com/ostiary/ostiary/store"
)

// Options say what a store's database can do beyond, or cannot do of, what all
// others can. The zero value is a database with transactions and nothing else
// to tell.
type Options struct {
	// OpenSchema opens the store on an empty database, as the function given to
	// the suite does, and names a schema in it that is empty too and is not where
	// the connection looks first. It is for stores that honour the Schema of
	// [store.Naming]; the suite then runs with it as well. Nil leaves that out.
	OpenSchema func(t *testing.T) (s store.Store, schema string)
	// WithoutTransactions leaves out what a database without transactions cannot
	// do, and runs all the rest. The store's Tx then calls its function and
	// returns its error, and what was written stays.
	//
	// An engine on such a store loses what it does in several steps when one of
	// them fails: a user who signs up may be left without an account, a row may
	// outlive the one it refers to, and others see a change before it is whole.
	// What one call does to one row stays atomic: unique values, Take and Add
	// are tested as ever.
	WithoutTransactions bool
}

// Run tests a store that needs no [Options].
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	RunOptions(t, open, Options{})
}

// RunOptions tests the store with all that the options allow.
func RunOptions(t *testing.T, open func(t *testing.T) store.Store, o Options) {
	t.Helper()
	anywhere := func(t *testing.T) (store.Store, string) { return open(t), "" }
	prefixed := store.SnakePlural()
	prefixed.Prefix = "auth_"
	variants := []variant{
		{name: "SnakePlural", naming: store.SnakePlural(), open: anywhere, first: true},
		{name: "BetterAuth", naming: store.BetterAuth(), open: anywhere},
		{name: "UUIDs", naming: prefixed, ids: store.UUIDv4(), open: anywhere},
		{name: "Serial", naming: store.BetterAuth(), ids: store.SerialIDs(), open: anywhere},
	}
	if o.OpenSchema != nil {
		variants = append(variants, variant{name: "Schema", naming: store.SnakePlural(), open: o.OpenSchema})
	}
	for _, v := range variants {
		v.options, v.tables, v.groups = o, tables, groups
		t.Run(v.name, v.run)
	}
	t.Run("IDs", func(t *testing.T) {
		for _, p := range policies() {
			v := variant{name: p.name, naming: store.SnakePlural(), ids: p.ids, open: anywhere, literal: true}
			v.options, v.tables, v.groups = o, idTables, []group{{"", idCases}}
			t.Run(v.name, v.run)
		}
	})
	t.Run("Plugin", func(t *testing.T) { runPlugin(t, anywhere, o) })
}

// RunWith tests the store under one naming, with ids that are text: every group
// once.
func RunWith(t *testing.T, open func(t *testing.T) store.Store, naming store.Naming) {
	t.Helper()
	variant{
		naming: naming,
		open:   func(t *testing.T) (store.Store, string) { return open(t), "" },
		tables: tables,
		groups: groups,
		first:  true,
	}.run(t)
}

// groups are in the order in which a new store is best made to pass them.
var groups = []group{
	{"Ping", pingCases},
	{"Migrate", migrateCases},
	{"Plan", planCases},
	{"Create", createCases},
	{"Values", valueCases},
	{"FindOne", findOneCases},
	{"FindMany", findManyCases},
	{"Where", whereCases},
	{"Fold", foldCases},
	{"Join", joinCases},
	{"Children", childrenCases},
	{"Count", countCases},
	{"Update", updateCases},
	{"Delete", deleteCases},
	{"Take", takeCases},
	{"Add", addCases},
	{"Tx", txCases},
	{"Reference", referenceCases},
	{"Invalid", invalidCases},
	{"Hostile", hostileCases},
	{"Context", contextCases},
	{"Concurrent", concurrentCases},
}
