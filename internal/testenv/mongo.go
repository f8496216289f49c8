package testenv

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Mongo returns the URL of a database that no other call returns,
// mongodb://host:port/name, which is dropped when the test ends.
//
// The server is FerretDB where `make test` starts it: it has no transactions,
// and each of its commands is atomic.
func Mongo(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(require(t, MongoEnv))
	if err != nil {
		t.Fatalf("%s is no URL: %v", MongoEnv, err)
	}
	name := "ostiary_test_" + randomName()
	t.Cleanup(func() {
		// The test's own context is canceled by now.
		if err := dropMongo(context.Background(), u.String(), name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	own := *u
	own.Path = "/" + name
	return own.String()
}

func dropMongo(ctx context.Context, server, name string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(server))
	if err != nil {
		return fmt.Errorf("connect to the server in %s: %w", MongoEnv, err)
	}
	err = client.Database(name).Drop(ctx)
	if closeErr := client.Disconnect(ctx); err == nil {
		err = closeErr
	}
	return err
}
