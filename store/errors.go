package store

import (
	"errors"
	"fmt"
	"strings"
)

// The errors a [Store] returns, wrapped with what was being done. Compare with
// errors.Is.
var (
	// ErrNotFound: no row matches.
	ErrNotFound = errors.New("not found")
	// ErrDuplicate: a unique value exists already. The error in the chain is a
	// [*DuplicateError] that names the fields.
	ErrDuplicate = errors.New("duplicate value")
	// ErrReference: a referenced row does not exist, or rows still refer to the
	// one to be deleted.
	ErrReference = errors.New("reference violated")
	// ErrUnavailable: the database did not answer. What was asked may or may
	// not have happened.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrConflict: the transaction lost against a concurrent one (serialization
	// failure, deadlock). Nothing of it happened; it can be run again whole.
	ErrConflict = errors.New("transaction conflict")
	// ErrInvalid: the call itself is wrong: an unknown field, a value of the
	// wrong type, text that no database can hold, a missing condition.
	ErrInvalid = errors.New("invalid storage call")
)

// DuplicateError says which fields of which table hold a value that must be
// unique. Fields is empty when the database did not tell.
type DuplicateError struct {
	Table  string   // logical name
	Fields []string // logical names
	Err    error    // what the driver said, for logs; may be nil
}

func (e *DuplicateError) Error() string {
	msg := fmt.Sprintf("%s: %s", e.Table, ErrDuplicate)
	if len(e.Fields) > 0 {
		msg += " of " + strings.Join(e.Fields, ", ")
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Is makes errors.Is(err, ErrDuplicate) true.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// Unwrap returns the driver's error.
func (e *DuplicateError) Unwrap() error { return e.Err }
