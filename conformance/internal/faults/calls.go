package faults

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/store"
)

// Calls puts an injector in front of a store that has no statements: each call
// that reads or writes rows counts as one. In a transaction, what loses against
// another is [store.ErrConflict]; a single call is made again, as stores do.
// A connection that goes is [store.ErrUnavailable].
func Calls(st store.Store, i *Injector) store.Store { return &calls{st, i} }

type calls struct {
	store.Store
	injector *Injector
}

type inTx struct{}

func (c *calls) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	return c.Store.Tx(ctx, func(ctx context.Context) error { return fn(context.WithValue(ctx, inTx{}, true)) })
}

// call makes a call unless it is to fail.
func call[T any](ctx context.Context, c *calls, do func() (T, error)) (T, error) {
	var nothing T
	switch kind := c.injector.next(); kind {
	case none:
		return do()
	case Reset:
		return nothing, fmt.Errorf("%w: as the test has it", store.ErrUnavailable)
	case Lost:
		if _, err := do(); err != nil {
			return nothing, err
		}
		return nothing, fmt.Errorf("%w: as the test has it", store.ErrUnavailable)
	default:
		if ctx.Value(inTx{}) == nil {
			return do()
		}
		return nothing, fmt.Errorf("%w: %s, as the test has it", store.ErrConflict, kind)
	}
}

func (c *calls) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	return call(ctx, c, func() (store.Record, error) { return c.Store.Create(ctx, t, r) })
}

func (c *calls) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	return call(ctx, c, func() (store.Record, error) { return c.Store.FindOne(ctx, t, q) })
}

func (c *calls) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	return call(ctx, c, func() ([]store.Record, error) { return c.Store.FindMany(ctx, t, q) })
}

func (c *calls) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return call(ctx, c, func() (int64, error) { return c.Store.Count(ctx, t, w) })
}

func (c *calls) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	return call(ctx, c, func() (int64, error) { return c.Store.Update(ctx, t, w, set) })
}

func (c *calls) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	return call(ctx, c, func() (int64, error) { return c.Store.Delete(ctx, t, w) })
}

func (c *calls) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	return call(ctx, c, func() (store.Record, error) { return c.Store.Take(ctx, t, w) })
}

func (c *calls) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	return call(ctx, c, func() (store.Record, error) { return c.Store.Add(ctx, t, w, delta, set) })
}
