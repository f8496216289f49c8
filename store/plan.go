package store

import (
	"context"
	"fmt"
	"strings"
)

// Plan is the difference between a live database and a [Schema].
type Plan struct {
	// Statements bring the database to the schema, in the order in which they
	// run. There are none where nothing is missing.
	Statements []string
	// Warnings tell what differs and is left as it is: a column of another
	// type, one that may be null and should not.
	Warnings []string
	// Refused is what cannot be done safely, each with what to do about it. As
	// long as there is any, [Store.Migrate] runs nothing.
	Refused []string
}

// Err is nil, or an [*UnsafeError] when the plan is refused.
func (p *Plan) Err() error {
	if len(p.Refused) == 0 {
		return nil
	}
	return &UnsafeError{Problems: p.Refused}
}

// UnsafeError is what [Store.Migrate] returns before it has run anything when
// the database cannot be brought to the schema safely. It wraps [ErrInvalid].
type UnsafeError struct {
	// Problems are those of [Plan.Refused].
	Problems []string
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s: the database cannot be migrated safely: %s", ErrInvalid, strings.Join(e.Problems, "; "))
}

// Unwrap returns [ErrInvalid].
func (e *UnsafeError) Unwrap() error { return ErrInvalid }

// Planner is a [Store] that can tell what [Store.Migrate] would do. It changes
// nothing.
type Planner interface {
	Plan(ctx context.Context, s *Schema) (*Plan, error)
}

// TxJoiner is a [Store] that can work in a transaction which the application
// began on the same database.
type TxJoiner interface {
	// JoinTx returns a context with which calls of the store run in tx, a
	// transaction of the kind that the store's documentation names; any other
	// value is [ErrInvalid]. It neither commits nor rolls back: [Store.Tx]
	// called with the context joins, and nothing lasts until the application
	// commits.
	JoinTx(ctx context.Context, tx any) (context.Context, error)

	// InTx tells whether calls with the context run in a transaction, be it one
	// of [Store.Tx] or one that was joined.
	InTx(ctx context.Context) bool
}
