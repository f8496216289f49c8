package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ostiary/ostiary/store"
)

// errNo is what a case's own code fails with.
var errNo = errors.New("the case says no")

// patience is how long a call that may have to wait for a transaction waits.
// A store that lets readers pass does not need it.
const patience = 250 * time.Millisecond

// tx runs fn in a transaction that must succeed.
func (f *fixture) tx(fn func(f *fixture) error) {
	f.Helper()
	if err := f.store.Tx(f.Context(), func(ctx context.Context) error { return fn(f.in(ctx)) }); err != nil {
		f.Fatalf("Tx: %v", err)
	}
}

// unseen fails when another caller sees the user. Being kept waiting is as
// good as not seeing it.
func (f *fixture) unseen(id string) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.T.Context(), patience)
	defer cancel()
	got, err := f.store.FindOne(ctx, f.table("user"), store.Query{Where: store.Eq("id", id)})
	if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, context.DeadlineExceeded) {
		f.Errorf("outside the transaction: got %v, %v", got, err)
	}
}

var txCases = []testCase{
	{"commits all of it", migrated(func(f *fixture) {
		f.user("old", nil)
		f.user("gone", nil)
		f.tx(func(f *fixture) error {
			f.user("u1", store.Record{"age": 1})
			f.create("session", newSession("s1", "u1", nil))
			f.update("user", store.Eq("id", "old"), store.Record{"name": "x"})
			f.add("user", store.Eq("id", "u1"), deltas{"age": 1}, nil)
			f.delete("user", store.Eq("id", "gone"))
			return nil
		})
		f.matches("user", store.Where{}, "u1", "old")
		f.matches("session", store.Where{}, "s1")
		f.matches("user", store.And(store.Eq("id", "u1"), store.Eq("age", 2)), "u1")
		f.matches("user", store.Eq("name", "x"), "old")
	})},
	{"sees its own changes", migrated(func(f *fixture) {
		f.users("gone")
		f.tx(func(f *fixture) error {
			f.users("u1")
			f.byID("user", "u1")
			f.update("user", store.Eq("id", "u1"), store.Record{"name": "x"})
			f.matches("user", store.Eq("name", "x"), "u1")
			if _, err := f.store.Take(f.Context(), f.table("user"), store.Eq("id", "gone")); err != nil {
				f.Errorf("Take: %v", err)
			}
			f.gone("user", "gone")
			f.matches("user", store.Where{}, "u1")
			return nil
		})
	})},
	{"rolls back on an error and returns it", transactional(migrated(func(f *fixture) {
		want := fullUser("u1")
		want["handle"] = "ada"
		f.create("user", want)
		f.create("badge", store.Record{"id": "b1", "userHandle": "ada"})
		f.create("session", newSession("s1", "u1", nil))
		f.create("post", store.Record{"id": "p1", "editorId": "u1"})

		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			f := f.in(ctx)
			f.users("u2")
			f.update("user", store.Eq("id", "u1"), store.Record{"email": "other@example.com", "age": 1, "tags": nil})
			f.update("user", store.Eq("id", "u1"), store.Record{"email": "third@example.com"})
			f.add("user", store.Eq("id", "u1"), deltas{"age": 1}, nil)
			f.delete("user", store.Eq("id", "u1")) // with the badge, the session and the post's editor
			f.user("u1", store.Record{"handle": "eve"})
			return fmt.Errorf("wrapped: %w", errNo)
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v, want the one that fn returned", err)
		}
		f.equals(f.byID("user", "u1"), want)
		f.matches("user", store.Where{}, "u1")
		f.matches("session", store.Eq("userId", "u1"), "s1")
		f.matches("badge", store.Eq("userHandle", "ada"), "b1")
		f.matches("post", store.Eq("editorId", "u1"), "p1")

		f.user("u2", store.Record{"email": "other@example.com", "handle": "eve"})
		_, err = f.store.Create(f.Context(), f.table("user"), newUser("u3", store.Record{"handle": "ada"}))
		f.duplicates("a value that the rollback brought back", err, "user", "handle")
	}))},
	{"rolls back on a panic, which goes on", transactional(migrated(func(f *fixture) {
		f.user("u1", store.Record{"name": "old"})
		func() {
			defer func() {
				if r := recover(); r != errNo {
					f.Errorf("recovered %v, want what fn panicked with", r)
				}
			}()
			_ = f.store.Tx(f.Context(), func(ctx context.Context) error {
				f := f.in(ctx)
				f.users("u2")
				f.update("user", store.Eq("id", "u1"), store.Record{"name": "new"})
				panic(errNo)
			})
		}()
		f.matches("user", store.Eq("name", "old"), "u1")
		f.gone("user", "u2")
		f.tx(func(f *fixture) error { f.users("u2"); return nil })
	}))},
	{"rolls back when the goroutine exits", transactional(migrated(func(f *fixture) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = f.store.Tx(f.Context(), func(ctx context.Context) error {
				if _, err := f.store.Create(ctx, f.table("user"), newUser("u1", nil)); err != nil {
					f.Errorf("Create: %v", err)
				}
				runtime.Goexit() // as a failed check in a test does
				return nil
			})
		}()
		<-done
		f.gone("user", "u1")
	}))},
	{"is not seen before it commits", transactional(migrated(func(f *fixture) {
		outside := f
		f.tx(func(f *fixture) error {
			f.users("u1")
			outside.unseen("u1")
			return nil
		})
		f.byID("user", "u1")

		_ = f.store.Tx(f.Context(), func(ctx context.Context) error {
			f.in(ctx).users("u2")
			outside.unseen("u2")
			return errNo
		})
		f.gone("user", "u2")
	}))},
	{"has changes that are not seen before it commits", transactional(migrated(func(f *fixture) {
		f.user("u1", store.Record{"name": "old"})
		f.create("session", newSession("s1", "u1", nil))
		outside := f
		f.tx(func(f *fixture) error {
			f.update("user", store.Eq("id", "u1"), store.Record{"name": "new"})
			f.delete("session", store.Eq("id", "s1"))
			f.create("account", store.Record{"id": "a1", "userId": "u1"})
			ctx, cancel := context.WithTimeout(outside.Context(), patience)
			defer cancel()
			q := store.Query{Children: children(withSessions, withAccounts)}
			rows, err := f.store.FindMany(ctx, f.table("user"), q)
			switch {
			case errors.Is(err, context.DeadlineExceeded): // kept waiting
			case err != nil || len(rows) != 1 || rows[0]["name"] != "old":
				f.Errorf("outside the transaction: got %v, %v", rows, err)
			default:
				f.joins(rows[0], "session", "s1")
				f.joins(rows[0], "account")
			}
			return nil
		})
		got := f.findOne("user", store.Query{Children: children(withSessions, withAccounts)})
		f.joins(got, "session")
		f.joins(got, "account", "a1")
	}))},
	{"inside another runs in it", migrated(func(f *fixture) {
		f.tx(func(f *fixture) error {
			f.users("outer")
			f.tx(func(f *fixture) error { f.byID("user", "outer"); f.users("inner"); return nil })
			f.byID("user", "inner")
			return nil
		})
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			return f.store.Tx(ctx, func(context.Context) error { return errNo })
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v, want the one that fn returned", err)
		}
		f.matches("user", store.Where{}, "outer", "inner")
	})},
	{"inside another joins it", transactional(migrated(func(f *fixture) {
		outside := f
		f.tx(func(f *fixture) error {
			f.users("outer")
			f.tx(func(f *fixture) error {
				f.byID("user", "outer")
				f.users("inner")
				f.tx(func(f *fixture) error { f.users("deepest"); return nil })
				return nil
			})
			outside.unseen("inner")
			f.users("after")
			return nil
		})
		f.matches("user", store.Where{}, "outer", "inner", "deepest", "after")
	}))},
	{"inside another is rolled back with it", transactional(migrated(func(f *fixture) {
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			f := f.in(ctx)
			f.tx(func(f *fixture) error { f.users("inner"); return nil })
			f.byID("user", "inner")
			return errNo
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v", err)
		}
		f.gone("user", "inner")
	}))},
	{"inside another rolls all back when its error goes up", transactional(migrated(func(f *fixture) {
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			f.in(ctx).users("outer")
			return f.store.Tx(ctx, func(ctx context.Context) error {
				f.in(ctx).users("inner")
				return errNo
			})
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v", err)
		}
		f.matches("user", store.Where{})
	}))},
	{"goes on after a miss", migrated(func(f *fixture) {
		f.tx(func(f *fixture) error {
			users, miss := f.table("user"), store.Eq("id", "miss")
			_, err := f.store.FindOne(f.Context(), users, store.Query{Where: miss})
			f.fails("FindOne", err, store.ErrNotFound)
			_, err = f.store.Take(f.Context(), users, miss)
			f.fails("Take", err, store.ErrNotFound)
			_, err = f.store.Add(f.Context(), users, miss, deltas{"age": 1}, nil)
			f.fails("Add", err, store.ErrNotFound)
			f.update("user", miss, store.Record{"age": 1})
			f.delete("user", miss)
			f.users("u1")
			return nil
		})
		f.byID("user", "u1")
	})},
	{"that fails in a statement keeps that error and writes nothing", transactional(migrated(func(f *fixture) {
		f.users("u1")
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			f.in(ctx).users("u2")
			_, err := f.store.Create(ctx, f.table("user"), newUser("u3", store.Record{"email": "u1@example.com"}))
			return err
		})
		f.duplicates("Tx", err, "user", "email")

		err = f.store.Tx(f.Context(), func(ctx context.Context) error {
			f.in(ctx).users("u2")
			_, err := f.store.Create(ctx, f.table("session"), newSession("s1", "nobody", nil))
			return err
		})
		f.fails("Tx", err, store.ErrReference)
		f.matches("user", store.Where{}, "u1")
	}))},
	{"with nothing in it", migrated(func(f *fixture) {
		f.tx(func(*fixture) error { return nil })
	})},
	{"one after the other", transactional(migrated(func(f *fixture) {
		// More than any pool has connections: what a transaction does not give
		// back is missed here.
		for i := range 60 {
			err := f.store.Tx(f.Context(), func(ctx context.Context) error {
				f.in(ctx).users(fmt.Sprint(i))
				if i%2 == 1 {
					return errNo
				}
				return nil
			})
			if (err != nil) != (i%2 == 1) {
				f.Fatalf("transaction %d: %v", i, err)
			}
		}
		if n := f.count("user", store.Where{}); n != 30 {
			f.Errorf("%d rows, want 30", n)
		}
	}))},
	{"is over when it has ended", transactional(migrated(func(f *fixture) {
		var committed, failed context.Context
		f.tx(func(f *fixture) error { committed = f.Context(); return nil })
		_ = f.store.Tx(f.Context(), func(ctx context.Context) error { failed = ctx; return errNo })
		for what, ctx := range map[string]context.Context{"committed": committed, "rolled back": failed} {
			if _, err := f.store.Create(ctx, f.table("user"), newUser("u1", nil)); err == nil {
				f.Errorf("Create in a transaction that is %s: no error", what)
			}
			if err := f.store.Tx(ctx, func(ctx context.Context) error {
				_, err := f.store.Create(ctx, f.table("user"), newUser("u2", nil))
				return err
			}); err == nil {
				f.Errorf("Tx in a transaction that is %s: no error", what)
			}
		}
		f.matches("user", store.Where{})
	}))},
	{"of one store is none of another", transactional(migrated(func(f *fixture) {
		other := f.another()
		err := f.store.Tx(f.Context(), func(ctx context.Context) error {
			f.in(ctx).users("here")
			there := other.in(ctx)
			there.users("there")
			there.tx(func(f *fixture) error { f.users("also"); return nil })
			return errNo
		})
		if !errors.Is(err, errNo) {
			f.Errorf("got error %v", err)
		}
		f.matches("user", store.Where{})
		other.matches("user", store.Where{}, "there", "also")
	}))},
	{"is used by several goroutines", migrated(func(f *fixture) {
		f.user("counter", store.Record{"age": 0})
		f.tx(func(f *fixture) error {
			return errors.Join(parallel(8, func(i int) error {
				if _, err := f.store.Create(f.Context(), f.table("user"), newUser(fmt.Sprint(i), nil)); err != nil {
					return err
				}
				if _, err := f.store.FindMany(f.Context(), f.table("user"), store.Query{}); err != nil {
					return err
				}
				_, err := f.store.Add(f.Context(), f.table("user"), store.Eq("id", "counter"), deltas{"age": 1}, nil)
				return err
			})...)
		})
		if n := f.count("user", store.Where{}); n != 9 {
			f.Errorf("%d rows, want 9", n)
		}
		if got := f.byID("user", "counter")["age"]; got != int64(8) {
			f.Errorf("counted %v, want 8", got)
		}
	})},
}
