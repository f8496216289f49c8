// Package secondary is the contract between Ostiary and a key-value store for
// what is short-lived: sessions, one-time values, counters.
//
// Applications pick an implementation and pass it to the engine:
//
//	auth, err := core.New(core.Config{Secondary: redisstorage.New(rdb), ...})
//
// [NewMemory] is the one for a single process. Authors of another implement
// [Storage] and run package secondarytest against it. The one thing to know:
// every entry has a time to live; there is no way to write one without.
package secondary

import (
	"context"
	"errors"
	"time"
)

// Storage keeps small values under text keys for a limited time.
//
// Every method is safe for concurrent use, honours its context and is atomic:
// concurrent callers, in this process or another, see all of a call's effect
// or none. A key past its time to live is as absent as one that never was. A
// Storage neither keeps nor changes a slice it was given, and the slices it
// returns are the caller's.
//
// Values and sets (see AddMember) are separate: a key is one or the other,
// and callers never use one key as both.
//
// Errors are [ErrNotFound] where the method says so, [ErrInvalid] for a time
// to live that is not positive, [ErrUnavailable] when the storage did not
// answer (what was asked may or may not have happened), and the context's
// own error once it is done.
type Storage interface {
	// Get returns the value, or [ErrNotFound].
	Get(ctx context.Context, key string) ([]byte, error)

	// Set writes the value, whether the key exists or not, with a new time to
	// live.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// SetIfExists writes the value with a new time to live only if the key
	// exists, and reports whether it did. A write that must not bring back
	// what a concurrent Delete has removed uses this.
	SetIfExists(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error)

	// Delete removes the keys, values and sets alike. An absent key is no
	// error.
	Delete(ctx context.Context, keys ...string) error

	// Take removes the key and returns its value, or [ErrNotFound]. Among
	// concurrent callers exactly one gets the value.
	Take(ctx context.Context, key string) ([]byte, error)

	// Increment adds one to the number under the key and returns the sum. An
	// absent key becomes 1 and lives for ttl; the time to live of one that
	// exists is left as it is, and it always has one.
	Increment(ctx context.Context, key string, ttl time.Duration) (int64, error)

	// AddMember puts a member into the set under the key until the instant
	// given; adding it again moves that instant. A set goes when its last
	// member has. An instant that has passed removes the member.
	AddMember(ctx context.Context, key, member string, until time.Time) error

	// RemoveMember takes members out of the set. Absent ones are no error.
	RemoveMember(ctx context.Context, key string, members ...string) error

	// Members returns the members whose instant has not passed, the one that
	// goes first in front. An absent set has none.
	Members(ctx context.Context, key string) ([]string, error)

	// Ping reports whether the storage answers: nil or [ErrUnavailable].
	Ping(ctx context.Context) error

	// Close releases what the storage itself opened or started. It does not
	// close a client that the application handed in.
	Close() error
}

// The errors a [Storage] returns, wrapped with what was being done. Compare
// with errors.Is.
var (
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("key not found")
	// ErrUnavailable: the storage did not answer.
	ErrUnavailable = errors.New("secondary storage unavailable")
	// ErrInvalid: the call itself is wrong.
	ErrInvalid = errors.New("invalid secondary storage call")
)
