// Package mongostore is a [store.Store] on MongoDB, by its official driver.
//
// An application that has a *mongo.Database shares it:
//
//	auth, err := core.New(core.Config{Store: mongostore.New(db), ...})
//
// One that has none opens a store from a URL, and finds the *mongo.Database for
// its own queries in [Store.Database]:
//
//	s, err := mongostore.Open("mongodb://app:secret@db.internal/app?replicaSet=rs0")
//
// Either way [Store.Migrate] makes the collections and their indexes;
// [Store.Plan] tells what it would do.
//
// The one thing to know: MongoDB has transactions on replica sets and sharded
// clusters only, and the store uses them there. On a single server that is no
// replica set it refuses to work, unless [WithoutTransactions] says that this
// is known. A replica set of one member is enough to have them.
//
// # Tested against
//
// Package storetest runs against FerretDB 1.24, a server that speaks MongoDB's
// protocol. It has no transactions, so the cases that need some are left out.
// The transactions of this package have run on no live server in our tests; what
// is tested of them is how they are detected, which commands they send, and what
// becomes of the errors that a server answers. Run package storetest against
// your own replica set before you rely on them: it is one function call.
//
// # Documents
//
// A table is a collection, a row a document, under the names of the schema's
// [store.Naming]; the id is _id, whatever its column would be named. Text,
// numbers, booleans and times are BSON's own, a time as a date in milliseconds.
// UUIDs are text; serial ids are 64-bit integers that the store counts up. JSON
// is kept as its text, since not every JSON object is a document. Null is the
// absence of a field; one that another program has written as null is read as
// null too.
//
// What MongoDB leaves to its users, the store does:
//
//   - The collection ostiary_tables holds which fields have been migrated, and
//     the last serial id of each table. A table or field that is not in there
//     is [store.ErrInvalid].
//   - References are those of the schema in use. A row that refers to another
//     is written, then the other is looked for; a row is deleted, then those
//     that refer to it are. In this order neither can miss the other, and no row
//     outlives the one it refers to, even if both happen at once.
//   - Joined rows come by further queries, one for each table that is joined. In
//     a transaction what they read is of one moment; without transactions it may
//     not be.
//
// Parts of text, and text without regard to case, are regular expressions to
// MongoDB. What those cannot express (text of more than 32764 bytes, the order of
// text without regard to case, parts of serial ids) the store decides itself,
// having read the field of every document; such a condition is slow, and as a
// guard of Take or Add not atomic.
package mongostore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/ostiary/ostiary/store"
)

const (
	// selectTimeout and callTimeout are what [Open] sets where the URL does not.
	selectTimeout = 5 * time.Second
	callTimeout   = 30 * time.Second
	// finishTimeout bounds what has to be brought to an end although the
	// caller's context may be done: putting back, rolling back.
	finishTimeout = 10 * time.Second
)

// Store is a [store.Store] on a *mongo.Database. Make one with [New] or [Open].
// It is safe for concurrent use.
type Store struct {
	db       *mongo.Database
	owned    bool // Open connected, Close disconnects
	putsBack bool // see WithoutTransactions
	// server is what the server said of itself, nil until it has.
	server atomic.Pointer[hello]

	mu       sync.RWMutex
	migrated map[string]columns // by collection, as far as has been read
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Planner = (*Store)(nil)
)

// Option changes how a [Store] works.
type Option func(*Store)

// WithoutTransactions lets the store work on a server that has no transactions.
// On one that has them it changes nothing.
//
// What fails halfway is then put back, document by document: [Store.Tx] when
// its function fails, an Update or a Delete of several rows when one of them is
// refused. Until then others see it, and when the process or the connection ends
// before everything is put back, the rest stays: a user without an account,
// say. It is meant for development and tests.
func WithoutTransactions() Option {
	return func(s *Store) { s.putsBack = true }
}

// New returns a store on db, which stays the application's: [Store.Close] leaves
// its client connected. The store reads from the primary, whatever db says, and
// writes with db's write concern; a transaction waits for the majority.
func New(db *mongo.Database, opts ...Option) *Store {
	s := &Store{db: db, migrated: map[string]columns{}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// Open returns a store on the database of the URL, mongodb://host/database or
// mongodb+srv://host/database, with a client of its own that [Store.Close]
// disconnects. The parameters of the URL are the driver's. Without them a
// server is looked for during five seconds (serverSelectionTimeoutMS) and a
// call takes thirty at most (timeoutMS).
//
// Open connects only when a server is needed: it may be down, and the store
// works as soon as it is up.
func Open(rawURL string, opts ...Option) (*Store, error) {
	name, err := databaseName(rawURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	config := options.Client().ApplyURI(rawURL)
	if err := config.Validate(); err != nil {
		// The driver's own error may quote the URL.
		return nil, errors.New("database URL: the driver does not take it; look at its parameters, and that user and password are escaped")
	}
	if config.ServerSelectionTimeout == nil {
		config.SetServerSelectionTimeout(selectTimeout)
	}
	if config.Timeout == nil {
		config.SetTimeout(callTimeout)
	}
	client, err := mongo.Connect(config)
	if err != nil {
		return nil, errors.New("database URL: the driver cannot connect with it")
	}
	s := New(client.Database(name), opts...)
	s.owned = true
	return s, nil
}

// databaseName returns the part of the URL that names the database. The hosts
// may be several, which package net/url does not take.
func databaseName(rawURL string) (string, error) {
	rest, ok := strings.CutPrefix(rawURL, "mongodb://")
	if !ok {
		rest, ok = strings.CutPrefix(rawURL, "mongodb+srv://")
	}
	if !ok {
		return "", errors.New("neither mongodb:// nor mongodb+srv:// is what it starts with")
	}
	rest, _, _ = strings.Cut(rest, "?")
	_, name, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	if err != nil || name == "" {
		return "", errors.New("it names no database, as in mongodb://localhost/app")
	}
	return name, nil
}

// Database returns the database that the store works on, for the application's
// own queries. They are no part of a transaction of [Store.Tx].
func (s *Store) Database() *mongo.Database { return s.db }

// Ping implements [store.Store]: it asks the primary for an answer.
func (s *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	err := s.db.Client().Ping(ctx, readpref.Primary())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ping: %w", ctx.Err())
	}
	return fmt.Errorf("ping: %w", unavailable(err))
}

// Close implements [store.Store]. It disconnects the client that [Open] made
// and does nothing to one that was given to [New].
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	if err := s.db.Client().Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

func (s *Store) collection(t *store.Table) *mongo.Collection { return s.named(t.DBName()) }

func (s *Store) named(collection string) *mongo.Collection {
	return s.db.Collection(collection, options.Collection().SetReadPreference(readpref.Primary()))
}
