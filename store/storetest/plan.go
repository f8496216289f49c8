package storetest

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/store"
)

// planner returns the store as one that plans, or skips the case.
func (f *fixture) planner() store.Planner {
	f.Helper()
	p, ok := f.db.store.(store.Planner)
	if !ok {
		f.Skip("the store is no store.Planner")
	}
	return p
}

func (f *fixture) plan(s *store.Schema) *store.Plan {
	f.Helper()
	p, err := f.planner().Plan(f.Context(), s)
	if err != nil {
		f.Fatalf("Plan: %v", err)
	}
	return p
}

var planCases = []testCase{
	{"tells what is missing and makes none of it", empty(func(f *fixture) {
		f.schema = f.compile(tables()...)
		p := f.plan(f.schema)
		if len(p.Statements) == 0 || len(p.Warnings) > 0 || p.Err() != nil {
			f.Errorf("for an empty database: %+v", p)
		}
		_, err := f.store.Count(f.Context(), f.table("user"), store.Where{})
		f.fails("Count after Plan", err, store.ErrInvalid)
	})},
	{"of what is there is empty", empty(func(f *fixture) {
		f.use(tables()...)
		if p := f.plan(f.schema); len(p.Statements)+len(p.Warnings)+len(p.Refused) > 0 {
			f.Errorf("after Migrate: %+v", p)
		}
	})},
	{"tells what a new field needs", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		grown := f.compile(thing(&store.Field{Name: "size", Type: store.Int, Indexed: true}))
		if p := f.plan(grown); len(p.Statements) == 0 || p.Err() != nil {
			f.Errorf("for a new field: %+v", p)
		}
		f.migrate(grown)
		if p := f.plan(grown); len(p.Statements) > 0 || p.Err() != nil {
			f.Errorf("after Migrate: %+v", p)
		}
	})},
	{"refuses a required field that no row has a value for, and then nothing is done", empty(func(f *fixture) {
		f.use(thing())
		f.create("thing", store.Record{"id": "t1"})
		grown := f.compile(
			thing(&store.Field{Name: "code", Type: store.String, Required: true}, &store.Field{Name: "size", Type: store.Int}),
			store.Table{Name: "part"},
		)
		p := f.plan(grown)
		if p.Err() == nil || !errors.Is(p.Err(), store.ErrInvalid) {
			f.Errorf("the plan is not refused: %+v", p)
		}
		err := f.store.Migrate(f.Context(), grown)
		f.fails("Migrate", err, store.ErrInvalid)
		var unsafe *store.UnsafeError
		if !errors.As(err, &unsafe) || len(unsafe.Problems) == 0 {
			f.Errorf("Migrate: %v holds no *store.UnsafeError with a problem", err)
		}
		_, err = f.store.Count(f.Context(), grown.Table("part"), store.Where{})
		f.fails("Count in a table of the refused schema", err, store.ErrInvalid)

		f.delete("thing", store.All())
		f.migrate(grown)
		f.schema = grown
		f.create("thing", store.Record{"id": "t1", "code": "c"})
	})},
	{"a transaction of another kind is refused", migrated(func(f *fixture) {
		joiner, ok := f.db.store.(store.TxJoiner)
		if !ok {
			f.Skip("the store is no store.TxJoiner")
		}
		for what, tx := range map[string]any{"nothing": nil, "a number": 1, "a function": func(context.Context) error { return nil }} {
			_, err := joiner.JoinTx(f.Context(), tx)
			f.fails("JoinTx of "+what, err, store.ErrInvalid)
		}
	})},
}
