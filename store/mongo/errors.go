package mongostore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/ostiary/ostiary/store"
)

// kinds are the errors that codes of the server stand for. See
// https://www.mongodb.com/docs/manual/reference/error-codes/.
var kinds = map[int]error{
	6: store.ErrUnavailable, 7: store.ErrUnavailable, // host unreachable, not found
	50:    store.ErrUnavailable,                              // exceeded maxTimeMS
	64:    store.ErrUnavailable,                              // write concern not satisfied: written, perhaps not for good
	89:    store.ErrUnavailable,                              // network time-out
	91:    store.ErrUnavailable,                              // shutting down
	189:   store.ErrUnavailable,                              // primary stepped down
	262:   store.ErrUnavailable,                              // exceeded time limit
	9001:  store.ErrUnavailable,                              // socket
	10107: store.ErrUnavailable,                              // not the primary
	11600: store.ErrUnavailable, 11602: store.ErrUnavailable, // interrupted by a shutdown or an election
	13435: store.ErrUnavailable, 13436: store.ErrUnavailable, // not the primary, recovering

	24:  store.ErrConflict, // lock time-out
	112: store.ErrConflict, // write conflict
	225: store.ErrConflict, // transaction too old
	246: store.ErrConflict, // snapshot unavailable
	251: store.ErrConflict, // no such transaction: the server has ended it
	290: store.ErrConflict, // transaction exceeded its lifetime

	2:     store.ErrInvalid, // bad value, such as a sum that does not fit
	9:     store.ErrInvalid, // failed to parse
	14:    store.ErrInvalid, // type mismatch
	66:    store.ErrInvalid, // immutable field: the id
	73:    store.ErrInvalid, // namespace
	85:    store.ErrInvalid, // an index with these keys and other options
	86:    store.ErrInvalid, // an index of this name and other keys
	121:   store.ErrInvalid, // document validation
	10334: store.ErrInvalid, // document too large
	51091: store.ErrInvalid, // regular expression too long
}

// What the driver's errors are labeled with.
const (
	labelTransient = "TransientTransactionError"
	labelUnknown   = "UnknownTransactionCommitResult"
)

// failure turns an error of the driver into one of package store, the driver's
// wrapped in it. The table is the one that was worked on, nil for none.
func failure(ctx context.Context, t *store.Table, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.ErrNotFound
	case isDuplicate(err):
		return duplicate(t, err)
	case ctx.Err() != nil:
		// It is the caller who gave up, whatever the driver made of it.
		return ctx.Err()
	case unreachable(err):
		return unavailable(err)
	}
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return err
	}
	if server.HasErrorLabel(labelUnknown) {
		return unavailable(err)
	}
	for _, code := range server.ErrorCodes() {
		if kind := kinds[code]; kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
	}
	if server.HasErrorLabel(labelTransient) {
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	return err
}

// unreachable reports whether the error is one of the way to the server.
func unreachable(err error) bool {
	var selection topology.ServerSelectionError
	var connection topology.ConnectionError
	var wait topology.WaitQueueTimeoutError
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.As(err, &selection) || errors.As(err, &connection) || errors.As(err, &wait)
}

// unavailable hides a time-out of the driver's own: only the end of the
// caller's context may look like one.
func unavailable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// sqliteDuplicate is how FerretDB reports the duplicate that an update makes.
var sqliteDuplicate = regexp.MustCompile(`UNIQUE constraint failed: index '`)

func isDuplicate(err error) bool {
	if mongo.IsDuplicateKeyError(err) {
		return true
	}
	var server mongo.ServerError
	return errors.As(err, &server) && sqliteDuplicate.MatchString(server.Error())
}

func duplicate(t *store.Table, err error) error {
	if t == nil {
		return fmt.Errorf("%w: %w", store.ErrDuplicate, err)
	}
	return &store.DuplicateError{Table: t.Name, Fields: violated(t, err), Err: err}
}

// violated returns the logical names of the fields that a duplicate is about,
// or nil when the server does not say.
func violated(t *store.Table, err error) []string {
	for _, raw := range replies(err) {
		pattern, err := raw.LookupErr("keyPattern")
		if err != nil {
			continue
		}
		doc, ok := pattern.DocumentOK()
		if !ok {
			continue
		}
		if fields := fieldsOf(t, doc); fields != nil {
			return fields
		}
	}
	return nil
}

// replies are the documents in which the server told of an error.
func replies(err error) []bson.Raw {
	var all []bson.Raw
	var command mongo.CommandError
	if errors.As(err, &command) {
		all = append(all, command.Raw)
	}
	var write mongo.WriteException
	if errors.As(err, &write) {
		for _, e := range write.WriteErrors {
			all = append(all, e.Raw)
		}
	}
	return all
}

// fieldsOf returns the fields of an index by its keys, or nil if one of them is
// no field of the table.
func fieldsOf(t *store.Table, keys bson.Raw) []string {
	elements, err := keys.Elements()
	if err != nil {
		return nil
	}
	var fields []string
	for _, e := range elements {
		i := slices.IndexFunc(t.Fields, func(f *store.Field) bool { return key(f) == e.Key() })
		if i < 0 {
			return nil
		}
		fields = append(fields, t.Fields[i].Name)
	}
	return fields
}
