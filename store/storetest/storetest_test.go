package storetest_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
	"github.com/ostiary/ostiary/store/storetest"
)

// untransacted is a store on a database without transactions.
type untransacted struct{ store.Store }

func (untransacted) Tx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

func TestAStoreWithoutTransactionsPassesTheRest(t *testing.T) {
	t.Parallel()
	storetest.RunOptions(t,
		func(*testing.T) store.Store { return untransacted{memory.New()} },
		storetest.Options{WithoutTransactions: true},
	)
}

func TestOneNamingIsTestedOnItsOwn(t *testing.T) {
	t.Parallel()
	naming := store.BetterAuth()
	naming.Prefix = "own_"
	storetest.RunWith(t, func(*testing.T) store.Store { return memory.New() }, naming)
}
