// Package faults makes a database fail on demand, at the very statement that a
// test names:
//
//	var f faults.Injector
//	st, err := faults.Open("postgres://…", &f)
//	…
//	f.Fail(3, faults.Deadlock)      // the third statement from now loses
//	…
//	happened := f.Clear()
//
// The store that [Open] returns works on connections of bunstore.Open, with
// everything that it sets up, behind a driver that counts. What begins and
// commits a transaction counts as a statement, as it is one; what rolls back
// does not. [Calls] does the same to a store that has no statements.
//
// The one thing to know: an injected error is not only reported. Connections
// are closed, transactions aborted or rolled back, as the server would have done
// it, so that what goes on after the error meets what it would meet.
package faults

import (
	"fmt"
	"slices"
	"sync"
)

// Kind is what happens to a statement.
type Kind string

// The kinds of faults.
const (
	// Serialization and Deadlock lose against another transaction. SQLite knows
	// nothing of the kind: the nearest is that the database is locked. MySQL has
	// one error for both.
	Serialization Kind = "40001"
	Deadlock      Kind = "40P01"
	// Reset closes the connection instead of carrying the statement out.
	Reset Kind = "reset"
	// Lost carries the statement out and closes the connection before it is
	// answered.
	Lost Kind = "lost"

	none Kind = ""
)

// ParseKind reads a kind.
func ParseKind(text string) (Kind, error) {
	kinds := []Kind{Serialization, Deadlock, Reset, Lost}
	if k := Kind(text); slices.Contains(kinds, k) {
		return k, nil
	}
	return none, fmt.Errorf("%q is none of %q", text, kinds)
}

// Injector decides which statement fails. It is safe for concurrent use; the
// zero value lets everything pass.
type Injector struct {
	mu    sync.Mutex
	left  int // statements until the fault, itself included; 0 without one
	kind  Kind
	fired bool
	count int
}

// Fail makes the n-th statement from now on fail, counted from 1, in place of
// any that was to fail before.
func (i *Injector) Fail(n int, k Kind) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.left, i.kind, i.fired = n, k, false
}

// Clear lets everything pass again, and tells whether what [Injector.Fail] was
// last asked for has happened.
func (i *Injector) Clear() (fired bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	fired = i.fired
	i.left, i.fired = 0, false
	return fired
}

// Count is how many statements there have been.
func (i *Injector) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

// next counts a statement and says what becomes of it.
func (i *Injector) next() Kind {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	if i.left == 0 {
		return none
	}
	if i.left--; i.left > 0 {
		return none
	}
	i.fired = true
	return i.kind
}
