package core_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

// expire fills the tables with n sessions and one-time values that have
// expired, and as many that have not.
func (a *app) expire(t *testing.T, n int) {
	t.Helper()
	user, err := a.Users().Create(t.Context(), core.NewUser{Name: "Al", Email: fmt.Sprintf("prune%d@b.com", n)})
	if err != nil {
		t.Fatal(err)
	}
	now := a.clock.Now()
	for i := range 2 * n {
		at := now.Add(time.Duration(i-n)*time.Second - time.Millisecond)
		if i >= n {
			at = now.Add(time.Duration(i-n) * time.Second)
		}
		a.create(t, core.TableSession, store.Record{"token": fmt.Sprint("t", i), "userId": user.ID, "expiresAt": at, "createdAt": now, "updatedAt": now})
		a.create(t, core.TableVerification, store.Record{"identifier": fmt.Sprint("v", i), "value": "x", "expiresAt": at, "createdAt": now, "updatedAt": now})
	}
}

func (a *app) left(t *testing.T) (sessions, verifications int64) {
	t.Helper()
	for table, n := range map[string]*int64{core.TableSession: &sessions, core.TableVerification: &verifications} {
		var err error
		if *n, err = a.Database().Count(t.Context(), table, store.Where{}); err != nil {
			t.Fatal(err)
		}
	}
	return sessions, verifications
}

func TestPruneDeletesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.expire(t, 1200)
	var steps []core.Pruned
	done, err := a.Prune(t.Context(), func(p core.Pruned) { steps = append(steps, p) })
	if err != nil || done != (core.Pruned{Sessions: 1200, Verifications: 1200}) {
		t.Errorf("pruned %+v, %v", done, err)
	}
	if sessions, verifications := a.left(t); sessions != 1200 || verifications != 1200 {
		t.Errorf("left are %d sessions and %d verifications", sessions, verifications)
	}
	if len(steps) != 24 || steps[0].Sessions != 100 || steps[len(steps)-1] != done {
		t.Errorf("progress %+v", steps)
	}
	if done, err = a.Prune(t.Context(), nil); err != nil || done != (core.Pruned{}) {
		t.Errorf("the second time %+v, %v", done, err)
	}
}

func TestManyInstancesPruneTogether(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.expire(t, 1500)
	var sessions, verifications atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			done, err := a.Prune(t.Context(), nil)
			if err != nil {
				t.Error(err)
			}
			sessions.Add(done.Sessions)
			verifications.Add(done.Verifications)
		})
	}
	all.Wait()
	if sessions.Load() != 1500 || verifications.Load() != 1500 {
		t.Errorf("together they counted %d sessions and %d verifications", sessions.Load(), verifications.Load())
	}
}

func TestPruneStopsWithItsContextAndSaysWhatItDid(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.expire(t, 1200)
	ctx, cancel := context.WithCancel(t.Context())
	done, err := a.Prune(ctx, func(core.Pruned) { cancel() })
	if err == nil || done.Sessions != 100 {
		t.Errorf("pruned %+v, %v", done, err)
	}
}

func TestHooksAreToldOfPrunedRows(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withHooks(j.hook(core.TableSession, "token")))
	a.expire(t, 600)
	j.take()
	if _, err := a.Prune(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if before, after := j.count("before delete"), j.count("after delete"); before != 600 || after != 600 {
		t.Errorf("told before %d and after %d of 600 deletions", before, after)
	}
}

func TestUpkeepRunsByItselfAndEndsWithTheEngine(t *testing.T) {
	t.Parallel()
	told := make(chan struct{}, 10)
	a := newApp(t, func(c *core.Config) {
		c.Upkeep.Interval = time.Millisecond
		c.DatabaseHooks = []core.DatabaseHook{{Table: core.TableVerification, AfterDelete: func(context.Context, store.Record) error {
			told <- struct{}{}
			return nil
		}}}
	})
	for range 2 { // again and again
		a.expire(t, 1)
		<-told
		if _, err := a.Users().ByEmail(t.Context(), "prune1@b.com"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Database().Delete(t.Context(), core.TableUser, store.All()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Database().Delete(t.Context(), core.TableVerification, store.Eq("identifier", "v1")); err != nil {
			t.Fatal(err)
		}
		<-told
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.expire(t, 1)
	if sessions, _ := a.left(t); sessions != 2 {
		t.Errorf("%d sessions are left after Close, want 2", sessions)
	}
}

func TestAPanicInUpkeepIsLogged(t *testing.T) {
	t.Parallel()
	panicked := make(chan struct{}, 100)
	var log lockedBuffer
	a := newApp(t, func(c *core.Config) {
		c.Upkeep.Interval = time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.DatabaseHooks = []core.DatabaseHook{{Table: core.TableVerification, BeforeDelete: func(context.Context, store.Record) error {
			select {
			case panicked <- struct{}{}:
			default:
			}
			panic("boom")
		}}}
	})
	a.expire(t, 1)
	<-panicked
	<-panicked // it goes on
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "boom") {
		t.Errorf("log: %s", log.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func TestUpkeepCanBeLeftToCalls(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.Upkeep = core.Upkeep{Disabled: true, Interval: time.Nanosecond} })
	a.expire(t, 1)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sessions, _ := a.left(t); sessions != 2 {
		t.Errorf("%d sessions are left", sessions)
	}
}

func TestARowThatAHookKeepsHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	a := newApp(t, withHooks(core.DatabaseHook{Table: core.TableSession, BeforeDelete: func(_ context.Context, row store.Record) error {
		if row.String("token") == "t0" {
			return core.ErrAborted
		}
		return nil
	}}))
	a.expire(t, 700)
	for range 2 {
		_, err := a.Prune(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "1 rows of session") {
			t.Errorf("error %v", err)
		}
		if sessions, verifications := a.left(t); sessions != 701 || verifications != 700 {
			t.Errorf("left are %d sessions and %d verifications", sessions, verifications)
		}
	}
}

// extending extends the session that is about to be deleted.
type extending struct {
	store.Store
	extend func()
}

func (s *extending) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	rows, err := s.Store.FindMany(ctx, t, q)
	if s.extend != nil && len(q.Select) > 0 { // not the look before the hooks, in a transaction
		s.extend()
	}
	return rows, err
}

func TestASessionThatIsExtendedMeanwhileIsNotPruned(t *testing.T) {
	t.Parallel()
	for name, hooks := range map[string][]core.DatabaseHook{"without hooks": nil, "with hooks": {{
		Table: core.TableSession, AfterDelete: func(context.Context, store.Record) error { return nil },
	}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &extending{Store: memory.New()}
			a := newApp(t, func(c *core.Config) { c.Store = s }, withHooks(hooks...))
			a.expire(t, 3)
			later := a.clock.Now().Add(time.Hour)
			s.extend = func() {
				if _, err := s.Store.Update(t.Context(), a.Schema().Table(core.TableSession), store.Eq("token", "t1"), store.Record{"expiresAt": later}); err != nil {
					t.Error(err)
				}
			}
			if done, err := a.Prune(t.Context(), nil); err != nil || done.Sessions != 2 {
				t.Errorf("pruned %+v, %v", done, err)
			}
			if n, err := a.Database().Count(t.Context(), core.TableSession, store.Eq("token", "t1")); err != nil || n != 1 {
				t.Errorf("the session that was extended is gone (%v)", err)
			}
		})
	}
}

func TestThousandsOfSessionsEndWithHooks(t *testing.T) {
	t.Parallel()
	var told atomic.Int64
	a := newApp(t, func(c *core.Config) { c.StoreTimeout = time.Second }, withHooks(core.DatabaseHook{
		Table: core.TableSession, AfterDelete: func(context.Context, store.Record) error { told.Add(1); return nil },
	}))
	a.expire(t, 3000)
	user, err := a.Users().ByEmail(t.Context(), "prune3000@b.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Sessions().RevokeAll(t.Context(), user.ID, nil); err != nil {
		t.Fatal(err)
	}
	if told.Load() != 6000 {
		t.Errorf("told of %d sessions, want 6000", told.Load())
	}
}
