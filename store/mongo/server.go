package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/ostiary/ostiary/store"
)

// hello is what a server says of itself.
type hello struct {
	// SetName is the name of the replica set that it is a member of.
	SetName string `bson:"setName"`
	// Msg is "isdbgrid" from the router of a sharded cluster.
	Msg string `bson:"msg"`
	// SessionMinutes is missing where there are no sessions.
	SessionMinutes *int32 `bson:"logicalSessionTimeoutMinutes"`
}

func (h *hello) transactions() bool {
	return h.SessionMinutes != nil && (h.SetName != "" || h.Msg == "isdbgrid")
}

// hello asks the server once what it is.
func (s *Store) hello(ctx context.Context) (*hello, error) {
	if server := s.server.Load(); server != nil {
		return server, nil
	}
	server := &hello{}
	if err := s.db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(server); err != nil {
		return nil, failure(ctx, nil, err)
	}
	s.server.Store(server)
	return server, nil
}

// transactions tells whether the server has transactions. Where it has none and
// the application did not say that it knows, that is an error.
func (s *Store) transactions(ctx context.Context) (bool, error) {
	server, err := s.hello(ctx)
	if err != nil {
		return false, err
	}
	if !server.transactions() && !s.putsBack {
		return false, fmt.Errorf("%w: the MongoDB server has no transactions: make it a replica set (one member is enough), or say mongostore.WithoutTransactions and read what that means", store.ErrInvalid)
	}
	return server.transactions(), nil
}
