package mongostore_test

import (
	"testing"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
	"github.com/ostiary/ostiary/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.RunOptions(t, func(t *testing.T) store.Store { return open(t) }, storetest.Options{WithoutTransactions: true})
}

// open opens a store on an empty database.
func open(t *testing.T) *mongostore.Store {
	t.Helper()
	s, err := mongostore.Open(testenv.Mongo(t), mongostore.WithoutTransactions())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
