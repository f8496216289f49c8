package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/store"
)

// calls are all methods that touch rows, each in a form that would succeed
// with the user "u1" there.
func (f *fixture) calls() map[string]func(ctx context.Context) error {
	s, users, u1 := f.store, f.table("user"), store.Eq("id", "u1")
	return map[string]func(ctx context.Context) error{
		"Create": func(ctx context.Context) error {
			_, err := s.Create(ctx, users, newUser("u2", nil))
			return err
		},
		"FindOne": func(ctx context.Context) error {
			_, err := s.FindOne(ctx, users, store.Query{Where: u1})
			return err
		},
		"FindMany": func(ctx context.Context) error {
			_, err := s.FindMany(ctx, users, store.Query{})
			return err
		},
		"Count": func(ctx context.Context) error {
			_, err := s.Count(ctx, users, store.Where{})
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := s.Update(ctx, users, u1, store.Record{"name": "x"})
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := s.Delete(ctx, users, u1)
			return err
		},
		"Take": func(ctx context.Context) error {
			_, err := s.Take(ctx, users, u1)
			return err
		},
		"Add": func(ctx context.Context) error {
			_, err := s.Add(ctx, users, u1, deltas{"age": 1}, nil)
			return err
		},
		"Tx": func(ctx context.Context) error {
			return s.Tx(ctx, func(ctx context.Context) error {
				_, err := s.Create(ctx, users, newUser("u2", nil))
				return err
			})
		},
		"Migrate": func(ctx context.Context) error { return s.Migrate(ctx, f.schema) },
		"Ping":    s.Ping,
	}
}

var contextCases = []testCase{
	{"that is done stops every call", once(alone(migrated(func(f *fixture) {
		f.users("u1")
		want := f.byID("user", "u1")
		cancelled, cancel := context.WithCancel(f.Context())
		cancel()
		late, cancel := context.WithDeadline(f.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for name, call := range f.calls() {
			f.fails(name+" with a cancelled context", call(cancelled), context.Canceled)
			f.fails(name+" after its deadline", call(late), context.DeadlineExceeded)
		}
		f.equals(f.byID("user", "u1"), want)
		f.matches("user", store.Where{}, "u1")
	})))},
	{"that is done stops every call in a transaction", once(transactional(alone(migrated(func(f *fixture) {
		f.users("u1")
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			for name, call := range f.calls() {
				if name == "Migrate" || name == "Ping" {
					continue // what they do in a transaction is not said
				}
				f.fails(name, call(cancelled), context.Canceled)
			}
			return errNo
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v", err)
		}
		f.matches("user", store.Where{}, "u1")
	}))))},
	{"that is done leaves the store usable", once(alone(migrated(func(f *fixture) {
		cancelled, cancel := context.WithCancel(f.Context())
		cancel()
		for range 30 {
			for _, call := range f.calls() {
				_ = call(cancelled)
			}
		}
		f.users("u1")
		f.tx(func(f *fixture) error { f.byID("user", "u1"); return nil })
	})))},
	{"cancelled in a transaction rolls it back", once(transactional(alone(migrated(func(f *fixture) {
		ctx, cancel := context.WithCancel(f.Context())
		defer cancel()
		err := f.store.Tx(ctx, func(ctx context.Context) error {
			f.in(ctx).users("u1")
			cancel()
			return nil
		})
		f.fails("Tx", err, context.Canceled)
		f.gone("user", "u1")

		ctx, cancel = context.WithCancel(f.Context())
		defer cancel()
		err = f.store.Tx(ctx, func(ctx context.Context) error {
			f.in(ctx).users("u1")
			cancel()
			_, err := f.store.Create(ctx, f.table("user"), newUser("u2", nil))
			return err
		})
		f.fails("Tx", err, context.Canceled)
		f.matches("user", store.Where{})
	}))))},
	{"cancelled before fn fails leaves fn's error", once(transactional(alone(migrated(func(f *fixture) {
		ctx, cancel := context.WithCancel(f.Context())
		defer cancel()
		err := f.store.Tx(ctx, func(ctx context.Context) error {
			f.in(ctx).users("u1")
			cancel()
			return errNo
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v", err)
		}
		f.gone("user", "u1")
	}))))},
	{"ends the wait for another transaction", once(transactional(alone(migrated(func(f *fixture) {
		f.users("u1")
		outside := f
		f.tx(func(f *fixture) error {
			f.update("user", store.Eq("id", "u1"), store.Record{"name": "inside"})
			ctx, cancel := context.WithTimeout(outside.Context(), patience)
			defer cancel()
			_, err := f.store.Update(ctx, f.table("user"), store.Eq("id", "u1"), store.Record{"name": "outside"})
			f.fails("Update of a row that a transaction has changed", err, context.DeadlineExceeded)
			return nil
		})
		// What a database was asked before the caller gave up it may still do.
		f.matches("user", store.In("name", "inside", "outside"), "u1")
	}))))},
	{"cancelled at any moment leaves all or nothing", once(transactional(alone(migrated(func(f *fixture) {
		f.user("a", store.Record{"age": 0})
		f.user("b", store.Record{"age": 0})
		parallel(8, func(i int) error {
			ctx, cancel := context.WithCancel(f.Context())
			defer cancel()
			return f.store.Tx(ctx, func(ctx context.Context) error {
				for j, id := range []string{"a", "b"} {
					if i%4 == j {
						go cancel()
					}
					if _, err := f.store.Add(ctx, f.table("user"), store.Eq("id", id), deltas{"age": 1}, nil); err != nil {
						return err
					}
				}
				if i%4 == 2 {
					go cancel()
				}
				return nil
			})
		})
		a, b := f.byID("user", "a")["age"], f.byID("user", "b")["age"]
		if a != b {
			f.Errorf("%v was added to one row and %v to the other", a, b)
		}
		if n, _ := a.(int64); n < 2 {
			f.Errorf("%d transactions took effect, want at least the two that nobody cancelled", n)
		}
	}))))},
	{"with a value is handed on", once(alone(migrated(func(f *fixture) {
		type key struct{}
		ctx := context.WithValue(f.Context(), key{}, "value")
		err := f.store.Tx(ctx, func(ctx context.Context) error {
			if got := ctx.Value(key{}); got != "value" {
				return fmt.Errorf("the context in a transaction has the value %v", got)
			}
			return nil
		})
		if err != nil {
			f.Errorf("Tx: %v", err)
		}
	})))},
}
