package bunstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ostiary/ostiary/store"
)

// fault is what a driver's error means.
type fault struct {
	kind error // one of the store's errors, or nil when it is none of them
	// endsTx tells whether the transaction, if there is one, is of no more use.
	endsTx bool
	// stale tells that the database lacks something of the schema.
	stale bool
	// constraint and columns are what a duplicate violates, as far as the
	// database says; names in the database.
	constraint string
	columns    []string
}

// failure turns an error from running a statement into one of package store,
// the driver's error wrapped in it. The table is the one that was worked on,
// nil for none.
func (s *Store) failure(ctx context.Context, t *store.Table, err error) error {
	if err == nil {
		return nil
	}
	var ended *endedError
	if errors.As(err, &ended) {
		return fmt.Errorf("a statement of the transaction failed: %w", s.failure(ctx, nil, ended.cause))
	}
	f := s.dialect.fault(err)
	switch {
	case f.kind == store.ErrDuplicate && t != nil:
		return &store.DuplicateError{Table: t.Name, Fields: fieldsOf(t, f), Err: err}
	case f.kind != nil && f.kind != store.ErrUnavailable:
		return fmt.Errorf("%w: %w", f.kind, err)
	case ctx.Err() != nil:
		// It is the caller who gave up, whatever the driver made of it.
		return ctx.Err()
	case f.kind == store.ErrUnavailable || unreachable(err):
		return unavailable(err)
	case errors.Is(err, sql.ErrTxDone), errors.Is(err, sql.ErrConnDone):
		return errTxDone
	case f.stale:
		return fmt.Errorf("%w: the database is not migrated to the schema: %w", store.ErrInvalid, err)
	}
	return err
}

// unanswered is failure for a question that any error leaves unanswered.
func (s *Store) unanswered(ctx context.Context, err error) error {
	err = s.failure(ctx, nil, err)
	if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInvalid) {
		return err
	}
	return unavailable(err)
}

// unavailable hides a time-out of the driver's own: only the end of the
// caller's context may look like one.
func unavailable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// unreachable reports whether the error is one of the way to the database.
func unreachable(err error) bool {
	for _, target := range []error{
		driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) ||
		pgconn.Timeout(err) || pgconn.SafeToRetry(err) || poolClosed(err)
}

// poolClosed reports what database/sql says after Close, for which it has no
// exported error.
func poolClosed(err error) bool { return err.Error() == "sql: database is closed" }

// fieldsOf returns the logical names of the fields that a duplicate is about,
// or nil when the database does not say.
func fieldsOf(t *store.Table, f fault) []string {
	for _, u := range uniques(t) {
		if f.constraint != "" && slices.Contains(constraintNames(t, u), f.constraint) {
			return u
		}
	}
	var fields []string
	for _, column := range f.columns {
		i := slices.IndexFunc(t.Fields, func(f *store.Field) bool { return strings.EqualFold(f.DBName(), column) })
		if i < 0 {
			return nil
		}
		fields = append(fields, t.Fields[i].Name)
	}
	return fields
}

// uniques lists the fields and combinations of fields of the table that hold
// each value once.
func uniques(t *store.Table) [][]string {
	var all [][]string
	for _, f := range t.Fields {
		if f.Unique {
			all = append(all, []string{f.Name})
		}
	}
	for _, ix := range t.Indexes {
		if ix.Unique {
			all = append(all, ix.Fields)
		}
	}
	return all
}

// constraintNames are the names under which a database may know that fields
// are unique: ours, and those it gives by itself to a constraint without one.
func constraintNames(t *store.Table, fields []string) []string {
	names := []string{
		indexName(t, fields, true),
		indexObject(t, fields, true).hashed(),
		t.DBName() + "_" + strings.Join(columnNames(t, fields), "_") + "_key",
	}
	if len(fields) == 1 {
		// MySQL names an index after its column.
		names = append(names, t.Field(fields[0]).DBName())
		if fields[0] == store.ID {
			names = append(names, t.DBName()+"_pkey", "PRIMARY")
		}
	}
	return names
}
