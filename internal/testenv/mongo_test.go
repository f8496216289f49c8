package testenv_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/internal/testenv"
)

func TestMongoDatabaseIsEmptyAndOwn(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			rows := openMongo(t, testenv.Mongo(t)).Collection("only_one")
			// Fails with "duplicate" where two calls gave the same database.
			if _, err := rows.InsertOne(t.Context(), bson.M{"_id": "one"}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMongoDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var rawURL string
	t.Run("user", func(t *testing.T) {
		rawURL = testenv.Mongo(t)
		if _, err := openMongo(t, rawURL).Collection("left").InsertOne(t.Context(), bson.M{}); err != nil {
			t.Fatal(err)
		}
	})
	if rawURL == "" {
		t.Skip("no server")
	}
	n, err := openMongo(t, rawURL).Collection("left").CountDocuments(t.Context(), bson.D{})
	if err != nil || n != 0 {
		t.Errorf("%d documents are left, error %v", n, err)
	}
}

func TestMongoCommandsAreAtomic(t *testing.T) {
	t.Parallel()
	rows := openMongo(t, testenv.Mongo(t)).Collection("rows")
	ctx := t.Context()
	for i := range 20 {
		if _, err := rows.InsertOne(ctx, bson.M{"_id": i, "n": 0}); err != nil {
			t.Fatal(err)
		}
	}
	var taken atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 10 {
				if _, err := rows.UpdateOne(ctx, bson.M{"_id": 0}, bson.M{"$inc": bson.M{"n": 1}}); err != nil {
					t.Error(err)
				}
				err := rows.FindOneAndDelete(ctx, bson.M{"_id": bson.M{"$gt": 0}}).Err()
				switch {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, mongo.ErrNoDocuments):
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if n := taken.Load(); n != 19 {
		t.Errorf("19 documents were taken %d times", n)
	}
	var counted struct{ N int }
	if err := rows.FindOne(ctx, bson.M{"_id": 0}).Decode(&counted); err != nil || counted.N != 80 {
		t.Errorf("80 increments gave %d, error %v", counted.N, err)
	}
}

func openMongo(t *testing.T, rawURL string) *mongo.Database {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(rawURL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(strings.TrimPrefix(u.Path, "/"))
}
