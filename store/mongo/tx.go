package mongostore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/ostiary/ostiary/store"
)

// txKey finds the transaction of one store in a context: those of two stores
// can be open at the same time.
type txKey struct{ *Store }

// unit is what takes effect whole or not at all: one statement, or a
// transaction with all of its statements.
type unit struct {
	store *Store
	// turn lets one statement at a time into a transaction: fn may use its
	// context from several goroutines.
	turn chan struct{}
	// session is that of a transaction of the server; nil where what was
	// written is put back instead.
	session *mongo.Session
	// several tells that more than one document may be written, so that what
	// becomes of each has to be known.
	several bool
	undo    []step
	// over is why no statement can run any more, nil while they can.
	over error
	// links are the references to look at once more after the commit.
	links []link
}

// step puts one document back.
type step func(ctx context.Context) error

// link is values of a reference field that may point to rows which are gone.
type link struct {
	table  *store.Table
	field  *store.Field
	values []any
	// deleted tells that it is the rows pointed to that were written, so that
	// there may be none that points to them.
	deleted bool
}

func (s *Store) newUnit(session *mongo.Session, several bool) *unit {
	return &unit{store: s, turn: make(chan struct{}, 1), session: session, several: several}
}

// remembers tells whether the unit has to know how every document was before.
func (u *unit) remembers() bool { return u.several && u.session == nil }

// reading is the context for commands that read.
func (u *unit) reading(ctx context.Context) context.Context {
	if u.session != nil {
		return mongo.NewSessionContext(ctx, u.session)
	}
	return ctx
}

// writing is the context for commands that write. What has to be put back if
// need be is not given up halfway: nobody would know whether it was written.
func (u *unit) writing(ctx context.Context) (context.Context, context.CancelFunc) {
	if u.remembers() {
		return context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	}
	return u.reading(ctx), func() {}
}

// statement runs fn as one statement of the unit.
func (u *unit) statement(ctx context.Context, fn func(context.Context, *unit) error) error {
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.over != nil {
		return u.over
	}
	before := len(u.undo)
	err := fn(ctx, u)
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound):
		return err
	case u.session != nil:
		// The server has ended the transaction, or holds half a statement.
		u.over = fmt.Errorf("a statement of the transaction failed: %w", err)
		return err
	}
	return u.putBack(ctx, before, err)
}

// putBack takes back what was written after the first n steps, last first, and
// returns err, which is why.
func (u *unit) putBack(ctx context.Context, n int, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	var left []error
	for _, undo := range slices.Backward(u.undo[n:]) {
		if undoErr := undo(ctx); undoErr != nil {
			left = append(left, undoErr)
		}
	}
	u.undo = u.undo[:n]
	if len(left) == 0 {
		return err
	}
	return fmt.Errorf("%w (%d documents could not be put back: %v)", err, len(left), errors.Join(left...))
}

// wrote remembers how to put a document back.
func (u *unit) wrote(undo step) {
	if u.session == nil {
		u.undo = append(u.undo, undo)
	}
}

// lookAgain remembers a reference for after the commit. Without a transaction of
// the server everybody sees what is written at once, and the statement itself
// has looked.
func (u *unit) lookAgain(l link) {
	if u.session != nil {
		u.links = append(u.links, l)
	}
}

// Tx implements [store.Store]. On a server without transactions it is
// [store.ErrInvalid], unless [WithoutTransactions] was given.
func (s *Store) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if u, ok := ctx.Value(txKey{s}).(*unit); ok {
		if err := u.statement(ctx, func(context.Context, *unit) error { return nil }); err != nil {
			return fmt.Errorf("transaction: %w", err)
		}
		return fn(ctx)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return s.transaction(ctx, func(ctx context.Context, u *unit) error {
		return fn(context.WithValue(ctx, txKey{s}, u))
	})
}

// transaction runs fn in a unit of its own.
func (s *Store) transaction(ctx context.Context, fn func(context.Context, *unit) error) error {
	supported, err := s.transactions(ctx)
	if err != nil {
		return err
	}
	var session *mongo.Session
	if supported {
		if session, err = s.begin(ctx); err != nil {
			return err
		}
		defer session.EndSession(context.WithoutCancel(ctx))
	}
	u := s.newUnit(session, true)
	// Deferred, so that a panic in fn and runtime.Goexit roll back as well.
	returned := false
	defer func() {
		if !returned {
			_ = u.finish(ctx, errNoReturn)
		}
	}()
	err = fn(ctx, u)
	returned = true
	return u.finish(ctx, err)
}

// errNoReturn stands for the error of a function that has not returned.
var errNoReturn = errors.New("the function did not return")

func (s *Store) begin(ctx context.Context) (*mongo.Session, error) {
	session, err := s.db.Client().StartSession()
	if err != nil {
		return nil, failure(ctx, nil, err)
	}
	settings := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())
	if err := session.StartTransaction(settings); err != nil {
		session.EndSession(ctx)
		return nil, failure(ctx, nil, err)
	}
	return session, nil
}

// finish closes the unit: it commits if err is nil and rolls back otherwise. It
// returns err, or why nothing was committed, or not for certain; and what could
// not be put back. It waits for a statement that still runs in another goroutine
// of fn.
func (u *unit) finish(ctx context.Context, err error) error {
	u.turn <- struct{}{}
	defer func() { <-u.turn }()
	if err == nil && u.over != nil {
		err = fmt.Errorf("commit: %w", u.over)
	}
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("commit: %w", ctx.Err())
	}
	u.over = errTxDone
	switch {
	case err == nil && u.session == nil:
		return nil
	case err == nil:
		return u.commit(ctx)
	case u.session == nil:
		return u.putBack(ctx, 0, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	// One that cannot be ended ends by itself, in a minute.
	_ = u.session.AbortTransaction(ctx)
	return err
}

func (u *unit) commit(ctx context.Context) error {
	if err := u.session.CommitTransaction(ctx); err != nil {
		return fmt.Errorf("commit: %w", failure(ctx, nil, err))
	}
	u.store.settle(ctx, u.links)
	return nil
}

var errTxDone = fmt.Errorf("%w: the transaction has ended", store.ErrInvalid)

const (
	// attempts is how often a statement that lost against another is run.
	attempts = 20
	// pause is the longest wait before the second of them.
	pause = 5 * time.Millisecond
)

// atOnce runs fn, a statement that may write several documents, as a whole: in
// the context's transaction or in one of its own, run again while it loses
// against others.
func (s *Store) atOnce(ctx context.Context, fn func(context.Context, *unit) error) error {
	if u, ok := ctx.Value(txKey{s}).(*unit); ok {
		return u.statement(ctx, fn)
	}
	for i := 1; ; i++ {
		err := s.transaction(ctx, func(ctx context.Context, u *unit) error { return u.statement(ctx, fn) })
		if i == attempts || !errors.Is(err, store.ErrConflict) {
			return err
		}
		again := time.NewTimer(rand.N(time.Duration(i) * pause)) //nolint:gosec // a pause is no secret
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}

// alone runs fn, a statement that writes one document at most or that needs not
// be whole: in the context's transaction or by itself.
func (s *Store) alone(ctx context.Context, fn func(context.Context, *unit) error) error {
	u, ok := ctx.Value(txKey{s}).(*unit)
	if !ok {
		u = s.newUnit(nil, false)
	}
	return u.statement(ctx, fn)
}

// putBackDocument returns how to undo the removal of a document.
func putBackDocument(rows *mongo.Collection, doc bson.Raw) step {
	doc = slices.Clone(doc)
	return func(ctx context.Context) error {
		_, err := rows.InsertOne(ctx, doc)
		return err
	}
}
