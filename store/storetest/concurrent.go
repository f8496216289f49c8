package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary/store"
)

// callers is how many do the same at once where one of them is to win.
const callers = 12

// oneWins fails unless exactly one call succeeded and check accepts the error
// of each of the others.
func (f *fixture) oneWins(errs []error, check func(err error)) {
	f.Helper()
	n, failed := succeeded(errs)
	if n != 1 {
		f.Errorf("%d of %d succeeded, want 1", n, len(errs))
	}
	for _, err := range failed {
		check(err)
	}
}

// must fails with the errors that there are.
func (f *fixture) must(errs []error) {
	f.Helper()
	if err := errors.Join(errs...); err != nil {
		f.Error(err)
	}
}

// untilNoConflict runs fn again as long as it loses against others, who get
// longer each time to come through.
func (f *fixture) untilNoConflict(fn func() error) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if err := fn(); !errors.Is(err, store.ErrConflict) {
			return err
		}
		select {
		case <-time.After(rand.N(wait)):
		case <-f.Context().Done():
			return f.Context().Err()
		}
	}
}

var concurrentCases = []testCase{
	{"creates of one unique value have one winner", migrated(func(f *fixture) {
		users := f.table("user")
		errs := parallel(callers, func(i int) error {
			_, err := f.store.Create(f.Context(), users, newUser(fmt.Sprint(i), store.Record{"email": "one@example.com"}))
			return err
		})
		f.oneWins(errs, func(err error) { f.duplicates("a loser", err, "user", "email") })
		if n := f.count("user", store.Where{}); n != 1 {
			f.Errorf("%d rows, want 1", n)
		}
	})},
	{"creates of one id have one winner", migrated(func(f *fixture) {
		users := f.table("user")
		errs := parallel(callers, func(i int) error {
			_, err := f.store.Create(f.Context(), users, store.Record{"id": "one", "email": fmt.Sprint(i)})
			return err
		})
		f.oneWins(errs, func(err error) { f.duplicates("a loser", err, "user", "id") })
	})},
	{"creates of one combination have one winner", migrated(func(f *fixture) {
		accounts := f.table("account")
		errs := parallel(callers, func(i int) error {
			_, err := f.store.Create(f.Context(), accounts, store.Record{"id": fmt.Sprint(i), "providerId": "p", "accountId": "a"})
			return err
		})
		f.oneWins(errs, func(err error) { f.duplicates("a loser", err, "account", "providerId", "accountId") })
	})},
	{"creates of one unique value in transactions have one winner", transactional(migrated(func(f *fixture) {
		users, sessions := f.table("user"), f.table("session")
		errs := parallel(callers, func(i int) error {
			id := fmt.Sprint(i)
			return f.untilNoConflict(func() error {
				return f.store.Tx(f.Context(), func(ctx context.Context) error {
					if _, err := f.store.Create(ctx, users, newUser(id, store.Record{"email": "one@example.com"})); err != nil {
						return err
					}
					_, err := f.store.Create(ctx, sessions, newSession(id, id, nil))
					return err
				})
			})
		})
		f.oneWins(errs, func(err error) { f.duplicates("a loser", err, "user", "email") })
		if u, s := f.count("user", store.Where{}), f.count("session", store.Where{}); u != 1 || s != 1 {
			f.Errorf("%d users and %d sessions, want 1 of each", u, s)
		}
	}))},
	{"updates to one unique value have one winner", migrated(func(f *fixture) {
		f.ages(callers)
		users := f.table("user")
		errs := parallel(callers, func(i int) error {
			_, err := f.store.Update(f.Context(), users, store.Eq("age", i), store.Record{"handle": "one"})
			return err
		})
		f.oneWins(errs, func(err error) { f.duplicates("a loser", err, "user", "handle") })
	})},
	{"takes of one row have one winner", migrated(func(f *fixture) {
		f.create("user", fullUser("u1"))
		users := f.table("user")
		errs := parallel(callers, func(int) error {
			got, err := f.store.Take(f.Context(), users, store.And(store.Eq("email", "u1@example.com"), store.Gt("age", 0)))
			if err == nil && len(differences(got, fullUser("u1"))) > 0 {
				f.Errorf("the winner got %v", got)
			}
			return err
		})
		f.oneWins(errs, func(err error) { f.fails("a loser", err, store.ErrNotFound) })
		f.gone("user", "u1")
	})},
	{"takes of several rows give each away once", migrated(func(f *fixture) {
		f.ages(callers)
		users := f.table("user")
		var taken sync.Map
		errs := parallel(callers, func(int) error {
			got, err := f.store.Take(f.Context(), users, store.Gte("age", 0))
			if err != nil {
				return err
			}
			if _, twice := taken.LoadOrStore(got.String("id"), true); twice {
				f.Errorf("row %v was given away twice", got["id"])
			}
			return nil
		})
		n, failed := succeeded(errs)
		for _, err := range failed {
			f.fails("a loser", err, store.ErrNotFound)
		}
		if left := f.count("user", store.Where{}); left != int64(callers-n) {
			f.Errorf("%d rows were given away and %d are left of %d", n, left, callers)
		}
	})},
	{"guarded adds let exactly the limit through", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 0})
		users := f.table("user")
		var seen sync.Map
		errs := parallel(50, func(int) error {
			got, err := f.store.Add(f.Context(), users, store.And(store.Eq("id", "u1"), store.Lt("age", 20)), deltas{"age": 1}, nil)
			if err != nil {
				return err
			}
			if _, twice := seen.LoadOrStore(got["age"], true); twice {
				f.Errorf("two callers were told %v", got["age"])
			}
			return nil
		})
		n, failed := succeeded(errs)
		if n != 20 {
			f.Errorf("%d of 50 passed, want 20", n)
		}
		for _, err := range failed {
			f.fails("a loser", err, store.ErrNotFound)
		}
		if got := f.byID("user", "u1")["age"]; got != int64(20) {
			f.Errorf("the count is %v, want 20", got)
		}
	})},
	{"adds lose nothing", migrated(func(f *fixture) {
		f.user("u1", nil)
		users := f.table("user")
		errs := parallel(20, func(i int) error {
			for range 5 {
				if _, err := f.store.Add(f.Context(), users, store.Eq("email", "u1@example.com"), deltas{"age": int64(i), "balance": 1}, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(errs...); err != nil {
			f.Error(err)
		}
		got := f.byID("user", "u1")
		if got["age"] != int64(5*190) || got["balance"] != 100.0 {
			f.Errorf("the sums are %v and %v, want 950 and 100", got["age"], got["balance"])
		}
	})},
	{"compare-and-set has one winner", migrated(func(f *fixture) {
		f.user("u1", store.Record{"role": "pending"})
		users := f.table("user")
		errs := parallel(callers, func(i int) error {
			_, err := f.store.Add(f.Context(), users, store.And(store.Eq("id", "u1"), store.Eq("role", "pending")), nil, store.Record{"role": fmt.Sprint(i)})
			return err
		})
		f.oneWins(errs, func(err error) { f.fails("a loser", err, store.ErrNotFound) })
	})},
	{"updates and deletes count each row once", migrated(func(f *fixture) {
		f.user("u1", store.Record{"role": "pending"})
		users := f.table("user")
		w := store.And(store.Eq("id", "u1"), store.Eq("role", "pending"))
		var mu sync.Mutex
		var updated, deleted int64
		sum := func(total *int64, n int64) {
			mu.Lock()
			defer mu.Unlock()
			*total += n
		}
		err := errors.Join(parallel(callers, func(int) error {
			n, err := f.store.Update(f.Context(), users, w, store.Record{"role": "done"})
			sum(&updated, n)
			return err
		})...)
		err = errors.Join(append(parallel(callers, func(int) error {
			n, err := f.store.Delete(f.Context(), users, store.Eq("id", "u1"))
			sum(&deleted, n)
			return err
		}), err)...)
		if err != nil || updated != 1 || deleted != 1 {
			f.Errorf("the row was updated %d times and deleted %d times, error %v; want once each and none", updated, deleted, err)
		}
	})},
	{"readers see whole transactions", transactional(migrated(func(f *fixture) {
		f.user("a", store.Record{"age": 100})
		f.user("b", store.Record{"age": 0})
		users := f.table("user")
		move := func() error {
			return f.store.Tx(f.Context(), func(ctx context.Context) error {
				if _, err := f.store.Add(ctx, users, store.Eq("id", "a"), deltas{"age": -1}, nil); err != nil {
					return err
				}
				_, err := f.store.Add(ctx, users, store.Eq("id", "b"), deltas{"age": 1}, nil)
				return err
			})
		}
		read := func() error {
			rows, err := f.store.FindMany(f.Context(), users, store.Query{})
			if err == nil && (len(rows) != 2 || rows[0].Int("age")+rows[1].Int("age") != 100) {
				err = fmt.Errorf("read half a transaction: %v", rows)
			}
			return err
		}
		err := errors.Join(parallel(callers, func(i int) error {
			for range 5 {
				step := move
				if i%2 == 0 {
					step = read
				}
				if err := step(); err != nil {
					return err
				}
			}
			return nil
		})...)
		if err != nil {
			f.Error(err)
		}
		if got := f.byID("user", "b")["age"]; got != int64(callers/2*5) {
			f.Errorf("%v were moved, want %d", got, callers/2*5)
		}
	}))},
	{"transactions that cross succeed when they are run again", once(transactional(migrated(func(f *fixture) {
		f.user("a", store.Record{"age": 0})
		f.user("b", store.Record{"age": 0})
		users := f.table("user")
		cross := func(ids ...string) error {
			return f.store.Tx(f.Context(), func(ctx context.Context) error {
				for _, id := range ids {
					if _, err := f.store.Add(ctx, users, store.Eq("id", id), deltas{"age": 1}, nil); err != nil {
						return err
					}
				}
				return nil
			})
		}
		err := errors.Join(parallel(4, func(i int) error {
			ids := []string{"a", "b"}
			if i%2 == 0 {
				ids = []string{"b", "a"}
			}
			return f.untilNoConflict(func() error { return cross(ids...) })
		})...)
		if err != nil {
			f.Error(err)
		}
		f.matches("user", store.Eq("age", 4), "a", "b")
	})))},
	{"transactions lose no update", transactional(migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 0})
		f.must(parallel(callers, func(i int) error {
			return f.untilNoConflict(func() error {
				return f.store.Tx(f.Context(), func(ctx context.Context) error {
					if _, err := f.store.Create(ctx, f.table("session"), newSession(fmt.Sprint(i), "u1", nil)); err != nil {
						return err
					}
					_, err := f.store.Add(ctx, f.table("user"), store.Eq("id", "u1"), deltas{"age": 1}, nil)
					return err
				})
			})
		}))
		if got, n := f.byID("user", "u1")["age"], f.count("session", store.Where{}); got != int64(callers) || n != callers {
			f.Errorf("counted %v and made %d rows, want %d of each", got, n, callers)
		}
	}))},
	{"a guard on what was read loses no update", migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 0, "role": ""})
		users, u1 := f.table("user"), store.Eq("id", "u1")
		f.must(parallel(6, func(i int) error {
			for done := 0; done < 3; {
				row, err := f.store.FindOne(f.Context(), users, store.Query{Where: u1})
				if err != nil {
					return err
				}
				guard := store.And(u1, store.Eq("age", row["age"]), store.Eq("role", row["role"]))
				_, err = f.store.Add(f.Context(), users, guard, nil, store.Record{"age": row.Int("age") + 1, "role": row.String("role") + fmt.Sprint(i)})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrNotFound):
					return err
				}
			}
			return nil
		}))
		if got := f.byID("user", "u1"); got["age"] != int64(18) || len(got.String("role")) != 18 {
			f.Errorf("counted %v and wrote %q, want 18 of each", got["age"], got["role"])
		}
	})},
	{"what is read with joined rows is of one moment", transactional(migrated(func(f *fixture) {
		f.user("u1", store.Record{"age": 0})
		step := func(i int) error {
			return f.untilNoConflict(func() error {
				return f.store.Tx(f.Context(), func(ctx context.Context) error {
					if _, err := f.store.Add(ctx, f.table("user"), store.Eq("id", "u1"), deltas{"age": 1}, nil); err != nil {
						return err
					}
					_, err := f.store.Create(ctx, f.table("session"), newSession(fmt.Sprint(i), "u1", store.Record{"hits": i}))
					return err
				})
			})
		}
		f.must(parallel(8, func(i int) error {
			for j := range 5 {
				if i == 0 {
					if err := step(j); err != nil {
						return err
					}
					continue
				}
				user, err := f.store.FindOne(f.Context(), f.table("user"), store.Query{Children: children(withSessions)})
				if err != nil {
					return err
				}
				if n := len(user.Records("session")); user.Int("age") != int64(n) {
					return fmt.Errorf("a user who counts %v sessions was read with %d", user["age"], n)
				}
				rows, err := f.store.FindMany(f.Context(), f.table("session"), store.Query{Join: []string{"userId"}})
				if err != nil {
					return err
				}
				for _, r := range rows {
					if r.Record("user").Int("age") != int64(len(rows)) {
						return fmt.Errorf("%d sessions were read with a user who counts %v", len(rows), r.Record("user")["age"])
					}
				}
			}
			return nil
		}))
	}))},
	{"lists hold whole rows while rows go", migrated(func(f *fixture) {
		const n = 24
		f.inserted("user", n, func(i int) store.Record { return fullUser(fmt.Sprint(i)) })
		f.inserted("session", n, func(i int) store.Record { return newSession(fmt.Sprint(i), fmt.Sprint(i), nil) })
		users := f.table("user")
		f.must(parallel(8, func(i int) error {
			for j := range n / 4 {
				id := fmt.Sprint(i/2*n/4 + j)
				if i%2 == 0 {
					if _, err := f.store.Take(f.Context(), users, store.Eq("id", id)); err != nil {
						return err
					}
					continue
				}
				rows, err := f.store.FindMany(f.Context(), users, store.Query{Children: children(withSessions)})
				if err != nil {
					return err
				}
				for _, r := range rows {
					want := fullUser(r.String("id"))
					want["session"] = r["session"]
					if d := differences(r, want); len(d) > 0 {
						return fmt.Errorf("user %v: %s", r["id"], d[0])
					}
				}
			}
			return nil
		}))
		f.matches("user", store.Where{})
		f.matches("session", store.Where{})
	})},
	{"no row outlives the one it refers to", transactional(migrated(func(f *fixture) {
		f.users("u1")
		users, sessions := f.table("user"), f.table("session")
		errs := parallel(callers, func(i int) error {
			if i == callers/2 {
				_, err := f.store.Delete(f.Context(), users, store.Eq("id", "u1"))
				return err
			}
			_, err := f.store.Create(f.Context(), sessions, newSession(fmt.Sprint(i), "u1", nil))
			return err
		})
		for i, err := range errs {
			if err != nil && (i == callers/2 || !errors.Is(err, store.ErrReference)) {
				f.Errorf("call %d: %v", i, err)
			}
		}
		f.matches("session", store.Where{})
	}))},
	{"callers of everything at once", migrated(func(f *fixture) {
		f.users("u1")
		err := errors.Join(parallel(callers, func(i int) error {
			id := fmt.Sprint("own ", i)
			g := f.table("user")
			for range 3 {
				if _, err := f.store.Create(f.Context(), g, newUser(id, nil)); err != nil {
					return err
				}
				if n, err := f.store.Update(f.Context(), g, store.Eq("id", id), store.Record{"age": i}); err != nil || n != 1 {
					return fmt.Errorf("update: %d, %w", n, err)
				}
				if got, err := f.store.FindOne(f.Context(), g, store.Query{Where: store.Eq("id", id)}); err != nil || got["age"] != int64(i) {
					return fmt.Errorf("find: %v, %w", got, err)
				}
				if _, err := f.store.FindMany(f.Context(), g, store.Query{Sort: byAge}); err != nil {
					return err
				}
				if _, err := f.store.Count(f.Context(), g, store.Where{}); err != nil {
					return err
				}
				if _, err := f.store.Take(f.Context(), g, store.Eq("id", id)); err != nil {
					return err
				}
			}
			return nil
		})...)
		if err != nil {
			f.Error(err)
		}
		f.matches("user", store.Where{}, "u1")
	})},
}
